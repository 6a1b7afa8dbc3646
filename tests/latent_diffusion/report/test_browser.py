"""The page in a real browser: it fits a phone, follows the colour scheme, and asks for nothing."""

import shutil

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    if not CHROMIUM:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.mark.parametrize("size", [(390, 844), (1280, 900)], ids=["phone", "desktop"])
def test_in_both_colour_schemes(browser, page, size):
    papers = {scheme: look_at(browser, page, size, scheme) for scheme in ("light", "dark")}
    assert papers["light"] != papers["dark"]


def look_at(browser, page, size, scheme) -> str:
    """The colour of the paper, after everything else was checked."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
    )
    view = context.new_page()
    said: list[str] = []
    asked: list[str] = []

    def dismiss(dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    view.on("console", lambda message: said.append(message.text))
    view.on("pageerror", lambda error: said.append(str(error)))
    view.on("dialog", dismiss)
    view.on("request", lambda request: asked.append(request.url))
    view.goto(page.as_uri())
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    # tables scroll in boxes of their own
    assert view.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert view.evaluate(
        "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
    )
    assert view.evaluate("document.querySelectorAll('script').length") == 0
    ink = view.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
    text = view.evaluate("getComputedStyle(document.querySelector('main')).color")
    assert ink == text  # charts take the page's
    paper = view.evaluate("getComputedStyle(document.body).backgroundColor")
    context.close()
    return paper
