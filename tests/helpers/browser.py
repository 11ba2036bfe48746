"""Pages in a real browser, headless and without a network."""

import contextlib
import shutil
import subprocess
import tempfile

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
QUIET += ("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND")


def installed():
    """The path of a browser; skips where there is none."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser to look at the page with: none of {', '.join(NAMES)} is installed")
    return browser


@contextlib.contextmanager
def running():
    """A browser that Playwright acts in as a person would; skips where there is none of them."""
    driver = pytest.importorskip("playwright.sync_api", reason="no Playwright to act with: `pip install playwright`")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed(), args=[*QUIET, "--disable-quic"])
        yield browser
        browser.close()


def dom_after_scripts(page, milliseconds=10_000):
    """The page's HTML once its scripts have run; skips where there is no browser."""
    browser = installed()
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
