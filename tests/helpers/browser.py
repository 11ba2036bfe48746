"""Pages in a real browser, headless and without a network."""

import shutil
import subprocess
import tempfile

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
QUIET += ("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND")


def dom_after_scripts(page, milliseconds=10_000):
    """The page's HTML once its scripts have run; skips where there is no browser."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser to look at {page.name} with: none of {', '.join(NAMES)} is installed")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            *QUIET,
            f"--user-data-dir={profile}",
            f"--virtual-time-budget={milliseconds}",
            "--dump-dom",
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
