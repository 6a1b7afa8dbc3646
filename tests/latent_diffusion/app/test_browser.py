"""The app in a real browser: generate, change class, upload, ten rounds of the human test.

And nothing leaves the machine.
"""

import json
import re
import shutil
import socket
import time
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("gradio", reason='the app needs Gradio: pip install -e ".[app]"')
playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright drives the browser: pip install playwright"
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000  # ms; waits end as soon as what they wait for is there


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def outside() -> list:
    """Every name or address beyond this machine that the server's process asks for."""
    asked, resolve, connect = [], socket.getaddrinfo, socket.socket.connect

    def watched_resolve(host, *arguments, **options):
        if host not in (None, "127.0.0.1", "localhost", b"127.0.0.1", b"localhost"):
            asked.append(host)
            raise OSError("no network in this test")
        return resolve(host, *arguments, **options)

    def watched_connect(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            asked.append(address)
            raise OSError("no network in this test")
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", watched_resolve)
        patch.setattr(socket.socket, "connect", watched_connect)
        yield asked


@pytest.fixture(scope="module")
def turns() -> list:
    """One entry for each turn at the network."""
    from latent_diffusion.app.jobs import Jobs

    taken, turn = [], Jobs.turn

    def watched_turn(self, work, *arguments):
        taken.append(time.monotonic())
        return turn(self, work, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Jobs, "turn", watched_turn)
        yield taken


@pytest.fixture(scope="module")
def served_run(tiny_run, tmp_path_factory):
    """A copy, because the human test writes into its run."""
    return Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("served") / "tiny"))


@pytest.fixture(scope="module")
def address(served_run, outside, turns):
    from latent_diffusion.app.interface import open_app

    port = free_port()
    blocks = open_app(served_run, "127.0.0.1", port, "cpu")
    yield f"http://127.0.0.1:{port}/"
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened.new_context()  # one cache, so that only the first visit loads all of Gradio
        opened.close()


def visit(browser, address: str):
    """A new visitor's page, with a list of what it must never do.

    That is to raise an error, to miss a file, to ask anybody else.
    """
    visitor, errors = browser.new_page(), []
    visitor.set_default_timeout(PATIENCE)

    def check_answer(answer) -> None:
        if answer.status >= 400 and "upload" not in answer.url:
            errors.append(answer.url)

    def check_request(request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            errors.append(request.url)

    visitor.on("pageerror", lambda error: errors.append(str(error)))
    visitor.on("response", check_answer)
    visitor.on("request", check_request)
    visitor.goto(address)
    visitor.get_by_role("tab", name="Generate").wait_for()
    return visitor, errors


@pytest.fixture(scope="module")
def page(browser, address):
    """One visitor for all tests, because a visit takes seconds; each test stays on its own tab."""
    visitor, errors = visit(browser, address)
    yield visitor
    visitor.close()
    assert not errors


def fill(page, element: str, value) -> None:
    """Type again until the slider's bar, where there is one, shows the value.

    A page still being built ignores what is typed.
    """
    bar, end = page.locator(f"#{element} input[type=range]"), time.monotonic() + PATIENCE / 1000
    while True:
        page.locator(f"#{element} input[type=number]").fill(str(value))
        page.keyboard.press("Tab")
        page.wait_for_timeout(50)
        if not bar.count() or bar.input_value() == str(value):
            return
        assert time.monotonic() < end, f"{element} stays at {bar.input_value()}, not {value}"


def test_generate_change_class_and_save(page, tmp_path, ldm):
    fill(page, "count", 3)
    page.get_by_role("button", name="Generate").click()
    page.locator("#generated a[download='00003.png']").wait_for()
    captions = page.locator("#generated figcaption")
    assert captions.all_inner_texts() == ["cross, seed 1", "disk, seed 2", "square, seed 3"]
    page.locator("#class input").click()
    page.get_by_role("option", name="disk").click()
    fill(page, "seed", 7)
    page.get_by_role("button", name="Generate").click()
    page.locator("#generated a[download='00009.png']").wait_for()
    assert captions.all_inner_texts() == ["disk, seed 7", "disk, seed 8", "disk, seed 9"]
    with page.expect_download() as saved:
        page.locator("#generated a[download='00008.png']").click()
    command = page.locator("#generate-status code").inner_text()
    words = command.replace("OUT", str(tmp_path / "s")).split()
    status, _, errors = ldm(*words[1:], "--device", "cpu")
    assert status == 0, errors
    assert saved.value.path().read_bytes() == (tmp_path / "s" / "00008.png").read_bytes()


def test_too_much_is_refused_in_words(page, turns):
    page.get_by_role("tab", name="Generate").click()
    before = len(turns)
    fill(page, "seed", -5)
    page.get_by_role("button", name="Generate").click()
    page.get_by_text("The seed must be a whole number from 0").wait_for()
    assert len(turns) == before


def test_uploads_good_and_bad(page, tmp_path, fresh_shapes):
    Image.fromarray(fresh_shapes[0]).resize((60, 40)).save(tmp_path / "shape.jpg")
    (tmp_path / "text.png").write_text("no picture")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(22_000_000)
    page.get_by_role("tab", name="Reconstruct").click()
    for name, answer in (
        ("text.png", "not an image"),
        ("shape.jpg", "PSNR"),
        ("large.png", "exceed the maximum"),
        ("shape.jpg", "PSNR"),
    ):
        page.locator("input[type=file]").first.set_input_files(tmp_path / name)
        page.get_by_text(answer).first.wait_for()
        if name != "large.png":  # which the page does not even send
            assert page.locator("#reconstruction img").count() == (3 if answer == "PSNR" else 0)


def test_a_walk_between_two_seeds(page):
    page.get_by_role("tab", name="Interpolate").click()
    page.get_by_role("button", name="Interpolate").click()
    page.locator("#walk a[download='walk-08.png']").wait_for()
    assert page.locator("#walk img").count() == 9


def test_ten_rounds_of_the_human_test(page, served_run):
    page.get_by_role("tab", name="Human test").click()
    fill(page, "rounds", 10)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Show the first picture").click()
    start = time.monotonic()
    for number in range(1, 11):
        playwright.expect(page.locator(".human-test")).to_contain_text(
            f"Round {number} of 10", timeout=PATIENCE
        )
        page.locator("button[data-said=real]:enabled").wait_for()
        if number in (1, 2):  # half a second, then noise
            page.locator(".human-test .mask").wait_for(state="visible")
            assert page.locator(".human-test .picture").is_hidden()
        page.locator("button[data-said=real]").click()
    page.get_by_text("95% interval").wait_for()
    seconds = time.monotonic() - start
    lines = page.locator("#test-status tbody tr").all_inner_texts()
    rows = [" ".join(line.split()[:5]) for line in lines]
    assert rows == ["overall 5 of 10 50%", "real 0 of 5 0%", "generated 5 of 5 100%"]
    mistakes = page.locator("#test figcaption").all_inner_texts()
    assert mistakes[0].endswith("generated, taken for real")
    (record,) = (served_run / "human_test").glob("*.jsonl")
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert lines[0]["milliseconds"] == 500 and lines[-1]["result"]["overall"]["wrong"] == 5
    times = [answer["milliseconds"] for answer in lines[1:-1]]
    assert len(times) == 10 and min(times) >= 0
    assert times[0] >= 490 and sum(times) < 1000 * seconds  # each from its own picture on


def start_long_job(page) -> None:
    page.get_by_role("tab", name="Generate").click()
    fill(page, "seed", 1)
    page.get_by_role("button", name="Steps and sampler").first.click()
    fill(page, "count", 64)
    page.get_by_label("number input for Steps").first.fill("200")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Generate").click()
    page.get_by_text(re.compile(r"Step \d+ of 200")).wait_for()


def stops(turns: list) -> bool:
    """Within a minute: a second without any turn."""
    for _ in range(60):
        before = len(turns)
        time.sleep(1)
        if len(turns) == before:
            return True
    return False


def test_a_long_job_blocks_nobody_and_ends_when_told(
    browser, page, address, turns, tmp_path, fresh_shapes
):
    start_long_job(page)
    other, errors = visit(browser, address)
    other.get_by_role("tab", name="Reconstruct").click()
    Image.fromarray(fresh_shapes[0]).save(tmp_path / "shape.png")
    other.locator("input[type=file]").first.set_input_files(tmp_path / "shape.png")
    other.get_by_text("PSNR").wait_for()
    other.get_by_role("tab", name="Generate").click()
    fill(other, "count", 1)
    other.get_by_role("button", name="Generate").click()
    other.locator("#generated a[download='00001.png']").wait_for()
    assert " of 200" in page.locator("#generate-status").inner_text()  # still at it
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").wait_for()
    assert stops(turns)
    start_long_job(other)
    other.close()
    assert stops(turns) and not errors


def test_the_server_has_called_nobody(address, outside):
    """After all of the above."""
    assert outside == []
    with pytest.raises(OSError, match="no network in this test"):
        socket.create_connection(("example.com", 80), timeout=5)
    assert outside.pop() == "example.com"  # it would have been seen
