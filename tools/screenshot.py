"""Take the pictures of the recommendations page in docs/images/, with Playwright and Chromium.

They show somebody new, since ratings must not be published.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE, IMAGES = ROOT / "plots/recommendations.html", ROOT / "docs/images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
OFFLINE = ("--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND")
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
LIKES = "new=1,296,1197"
PICTURES = {
    "page.png": {"viewport": DESKTOP, "color_scheme": "light"},
    "page_dark.png": {"viewport": DESKTOP, "color_scheme": "dark"},
    "page_phone.png": {"viewport": PHONE, "color_scheme": "light"},
}


def main(shown: str) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or not PAGE.exists():
        sys.exit(f"screenshot: this needs {PAGE.relative_to(ROOT)} (`make repro`) and one of {', '.join(BROWSERS)}.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=[*QUIET, *OFFLINE])
        for name, how in PICTURES.items():
            tab = running.new_page(reduced_motion="reduce", **how)
            tab.goto(f"{PAGE.as_uri()}#{shown}")
            picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
            colours = picture.quantize(256)  # in half of the bytes
            picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG).save(IMAGES / name, optimize=True)
            print(f"{name}: {(IMAGES / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else LIKES)
