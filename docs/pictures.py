"""Make the pictures of the documents from the results of the default run; `make pictures` does it. It needs Chromium."""

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright
from scipy.spatial import cKDTree

ROOT = Path(__file__).parents[1]
RESULTS, DOCS = ROOT / "results", ROOT / "docs"
#: Figures of the run that documents show
FIGURES = {
    "recording.png": "recordings/demo/traces.png",
    "library.png": "libraries/neuronexus/poses.png",
    "realism.png": "realism/in_vivo.png",
}
#: Width and height of one half of the picture of the report
HALF = (1000, 800)


def report(browser):
    """Return a picture of the report: at the left a cell with its figures, at the right the viewer of traces."""
    page = browser.new_page(viewport={"width": HALF[0], "height": HALF[1]}, reduced_motion="reduce")
    page.goto((RESULTS / "report.html").as_uri())
    page.locator("#cell-table button.open").first.click()
    page.locator(".viewer").scroll_into_view_if_needed()
    page.wait_for_selector(".viewer.ready")
    page.wait_for_timeout(1000)
    page.evaluate("scrollTo(0, 0)")
    halves = []
    for name in ("cells", "recordings"):
        top = page.locator(f"#{name}").bounding_box()["y"]
        clip = {"x": 0, "y": top, "width": HALF[0], "height": HALF[1]}
        halves.append(Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip))))
    whole = Image.new("RGB", (2 * HALF[0], HALF[1]))
    for number, half in enumerate(halves):
        whole.paste(half, (number * HALF[0], 0))
    return whole


def few_colours(picture):
    """Return a picture with 128 colours, which make the file small: the eight commonest as they are, others for the rest."""
    picture = picture.convert("RGB")
    colours, where, counts = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    rest = picture.quantize(120, method=Image.Quantize.MAXCOVERAGE).getpalette()
    palette = np.concatenate([colours[np.argsort(counts)[-8:]], np.reshape(rest, (-1, 3))[:120]]).astype(np.uint8)
    # Not Pillow's own search, which takes a near grey for white
    _, nearest = cKDTree(palette).query(colours)
    few = Image.fromarray(nearest[where].astype(np.uint8).reshape(picture.height, picture.width))
    few.putpalette(palette.tobytes())
    return few


if __name__ == "__main__":
    for name, figure in FIGURES.items():
        few_colours(Image.open(RESULTS / "figures" / figure)).save(DOCS / name, optimize=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        few_colours(report(browser)).save(DOCS / "report.png", optimize=True)
        browser.close()
