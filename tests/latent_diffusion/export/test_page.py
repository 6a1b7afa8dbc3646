"""The exported page in a real browser: the same pictures as Python's, and no word to anybody."""

import functools
import io
import shutil
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from PIL import Image

from latent_diffusion import Pipeline
from latent_diffusion.exploration.walks import seed_walk
from latent_diffusion.export.folder import write_files
from latent_diffusion.export.web import export_web, runtime_files
from latent_diffusion.sampling.samplers import SAMPLERS, noise_levels

playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright drives the browser: pip install playwright"
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)

PATIENCE = 120_000  # ms; waits end as soon as what they wait for is there
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
NAMES = ["cat", "dog", "yak, wet"]
LEAST_PSNR = 35  # dB from Python's pictures, whose weights are not rounded to float16


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runtime")
    try:
        write_files(folder, runtime_files(None))
    except ValueError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def site(random_run, runtime, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    export_web(random_run, folder / "page", runtime)
    return folder / "page"


@contextmanager
def served(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(site, browser):
    """One visit for nearly all tests."""
    with served(site) as address, visited(browser, address) as visit:
        yield visit


@contextmanager
def visited(browser, address):
    """A visit; in the end nothing was missed, asked elsewhere or complained of."""
    wrong = []
    visit = browser.new_page()
    visit.set_default_timeout(PATIENCE)
    visit.on("pageerror", lambda error: wrong.append(str(error)))
    visit.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    visit.on("response", lambda got: got.status >= 400 and wrong.append(got.url))
    visit.on(
        "request",
        lambda to: to.url.startswith((address, "data:", "blob:")) or wrong.append(to.url),
    )
    visit.goto(address)
    visit.locator("#draw:enabled").wait_for()
    yield visit
    visit.close()
    assert not wrong


def saved(page, button: str) -> np.ndarray:
    """The pixels of what a button saves, uint8 (H, W, 3)."""
    with page.expect_download() as download:
        page.locator(button).click()
    return np.asarray(Image.open(download.value.path()).convert("RGB"))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(1e-9, np.square(a.astype(float) - b).mean()))


def test_its_noise_is_torchs(page):
    for seed, count in ((0, 1024), (7, 196), (2**32 - 1, 17), (2**40 + 5, 16)):
        generator = torch.Generator().manual_seed(seed)
        expected = [torch.randn(count, generator=generator).numpy() for _ in range(2)]
        found = page.evaluate(
            """async ([seed, count]) => {
                const { SeedNoise } = await import("./noise.js");
                const noise = new SeedNoise(seed, count, 1);
                return [[...noise.draw()], [...noise.draw()]];
            }""",
            [seed, count],
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_its_samplers_are_pythons(page):
    names = page.evaluate("async () => Object.keys((await import('./samplers.js')).SAMPLERS)")
    assert names == list(SAMPLERS)
    start, fresh, levels = (
        torch.tensor([3.0, -1.0, 0.5]),
        torch.tensor([0.3, 2, -1]),
        (5, 9.0, 0.02),
    )

    def denoise(x, sigma):
        return (0.2 + x) / (1 + sigma**2) ** 0.5 + 0.1 * x**2 / (1 + sigma) ** 2

    for name in names:
        *_, expected = SAMPLERS[name](denoise, start, noise_levels(*levels), lambda x: fresh)
        found = page.evaluate(
            """async ([name, start, fresh, levels]) => {
                const { SAMPLERS, noiseLevels } = await import("./samplers.js");
                const denoise = async (x, sigma) => x.map((v) =>
                    (0.2 + v) / Math.sqrt(1 + sigma ** 2) + 0.1 * v ** 2 / (1 + sigma) ** 2);
                const noise = () => Float32Array.from(fresh);
                const [x, sigmas] = [Float32Array.from(start), noiseLevels(...levels)];
                let last;
                for await (last of SAMPLERS[name](denoise, x, sigmas, noise));
                return [...last];
            }""",
            [name, start.tolist(), fresh.tolist(), levels],
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_seed_shows_pythons_picture(page, random_run):
    pipe = Pipeline.from_run(random_run, "cpu", "float32")
    page.locator("#seed").fill("3")
    page.locator("#count").select_option("6")
    page.locator("#draw").click()
    page.locator("#gallery figure").nth(5).wait_for()
    page.locator("#draw:enabled").wait_for()
    captions = page.locator("#gallery figcaption").all_inner_texts()
    assert captions[::-1] == [f"{NAMES[(s - 1) % 3]}, seed {s}" for s in range(3, 9)]
    expected = pipe.generate(range(3, 9), [(s - 1) % 3 for s in range(3, 9)], pipe.sampling)
    for place, image in enumerate(expected):
        page.locator("#gallery button").nth(5 - place).click()
        assert image.std() > 10 and psnr(saved(page, "#save"), image) > LEAST_PSNR


def test_class_guidance_and_steps_are_pythons(page, random_run):
    pipe = Pipeline.from_run(random_run, "cpu", "float32")
    page.locator("#class").select_option(label="yak, wet")
    page.locator("#seed").fill("11")
    page.locator("#count").select_option("1")
    page.locator("#guidance").fill("3")
    page.locator("#steps").fill("7")
    page.locator("#draw").click()
    page.get_by_text("yak, wet, seed 11 ·").wait_for()
    expected = pipe.generate([11], [2], pipe.configured(guidance=3.0, steps=7))[0]
    assert psnr(saved(page, "#save"), expected) > LEAST_PSNR
    page.reload()
    page.locator("#draw:enabled").wait_for()


def test_a_walk_between_two_seeds_is_pythons(page, random_run):
    pipe = Pipeline.from_run(random_run, "cpu", "float32")
    for name, value in (("from", 1), ("to", 2), ("frames", 3)):  # a cat, and a dog
        page.locator(f"#{name}").fill(str(value))
    page.locator("#walk").click()
    page.get_by_text("3 of 3").wait_for()
    (expected,) = seed_walk(pipe, (1, 2), [(0, 1)], 3, pipe.sampling)
    strip = saved(page, "#save-strip")
    for image, found in zip(expected, np.split(strip, 3, axis=1), strict=True):
        assert psnr(found, image) > LEAST_PSNR
    page.locator("#frame").fill("1")
    assert psnr(saved(page, "#save"), expected[1]) > LEAST_PSNR


def test_a_drawing_can_be_stopped(page):
    page.locator("#count").select_option("24")
    page.locator("#steps").fill("50")
    before = page.locator("#gallery figure").count()
    page.locator("#draw").click()
    page.get_by_text("of 50").wait_for()
    page.locator("#stop").click()
    page.get_by_text("Stopped.").wait_for()
    page.locator("#draw:enabled").wait_for()
    assert page.locator("#gallery figure").count() < before + 24
    page.locator("#clear").click()
    assert page.locator("#drawn").is_hidden()


def test_a_student_draws_pythons_picture(fast_run, runtime, browser, tmp_path):
    export_web(fast_run, tmp_path / "page", runtime)
    pipe = Pipeline.from_run(fast_run, "cpu", "float32", fast=True)
    with served(tmp_path / "page") as address, visited(browser, address) as page:
        for steps in ("4", "2", "1"):
            page.locator("#speed").select_option(steps)
            page.locator("#class").select_option(label="dog")
            page.locator("#seed").fill(steps)
            page.locator("#draw").click()
            page.get_by_text(f"dog, seed {steps} ·").wait_for()
            expected = pipe.generate([int(steps)], [1], pipe.configured(steps=int(steps)))[0]
            assert expected.std() > 10 and psnr(saved(page, "#save"), expected) > LEAST_PSNR
        assert page.locator("#guidance").get_attribute("max") == "4"  # the most it learnt


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_on_any_screen(page, width):
    page.set_viewport_size({"width": width, "height": 720})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    screen = Image.open(io.BytesIO(page.screenshot()))
    assert np.asarray(screen.convert("L")).std() > 5
