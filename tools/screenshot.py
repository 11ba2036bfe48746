"""Take a picture of the recommendations page as docs/images/page.png, with Chromium.

The argument is a part of the page, such as `user=42`. The default is somebody new, since ratings must not be published.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE, PICTURE = ROOT / "plots/recommendations.html", ROOT / "docs/images/page.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
OFFLINE = ("--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND")
SIZE = "1280,900"


def main(shown: str) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or not PAGE.exists():
        sys.exit(f"screenshot: this needs {PAGE.relative_to(ROOT)} (`make repro`) and one of {', '.join(BROWSERS)}.")
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder, "page.png")
        options = [f"--user-data-dir={folder}/profile", f"--window-size={SIZE}", "--virtual-time-budget=10000"]
        page = f"{PAGE.as_uri()}#{shown}"
        subprocess.run(
            [browser, *QUIET, *OFFLINE, *options, f"--screenshot={taken}", page], check=True, capture_output=True
        )
        # 256 colours are enough for text, in a third of the bytes.
        Image.open(taken).convert("RGB").quantize(256).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "new=260,1240,2571")
