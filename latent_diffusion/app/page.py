"""Pieces of the app's page: pictures inside the HTML itself (no files, no addresses), its style and its one script."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from latent_diffusion.sampling.folder import png

STYLE = """
.pictures { display: flex; flex-wrap: wrap; gap: 10px; align-items: flex-start; }
.pictures figure { margin: 0; flex: 0 1 var(--side); min-width: 84px; }
.pictures img { width: 100%; display: block; margin: 0 !important; border-radius: 4px; image-rendering: pixelated; }
.pictures a { display: block; padding: 0 !important; }
.pictures figcaption { font-size: 13px; line-height: 1.3; padding-top: 3px; color: var(--body-text-color-subdued);
  overflow-wrap: anywhere; }
.empty { color: var(--body-text-color-subdued); padding: 24px 0; }
.human-test { display: flex; flex-direction: column; align-items: center; gap: 12px; padding: 8px 0; }
.human-test .frame { width: min(320px, 80vw); aspect-ratio: 1; display: flex; align-items: center; justify-content: center;
  background: #808080; border-radius: 4px; overflow: hidden; color: white; font-size: 32px; }
.human-test .frame img { width: 100%; height: 100%; margin: 0 !important; border-radius: 0; image-rendering: pixelated; }
.human-test [hidden] { display: none !important; }
.human-test button { margin: 0 !important; font-size: 17px; padding: 10px 18px; min-width: 132px; border-radius: 8px; cursor: pointer;
  color: white; background: var(--primary-600); }
.human-test button:disabled { opacity: 0.4; cursor: default; }
.human-test .answers { display: flex; gap: 12px; }
@media (max-width: 520px) {
  .gradio-container main { padding: 16px !important; }
  .pictures figure { flex-basis: calc((100% - 10px * (var(--columns) - 1)) / var(--columns)); }
  #test-status td, #test-status th { padding: 4px 5px; font-size: 12px; white-space: nowrap; }
  .tab-container button { padding: 0 5px !important; font-size: 13px !important; }
}
"""

# Runs each round: a pause with a cross (before the first picture a button, so that nobody misses it), the picture for as long as is
# allowed, then noise over it, which wipes the afterimage. The clock starts with the frame in which the picture is painted. Gradio
# changes the elements of the last round into those of the next, so listeners are on `element` and every round sets all that it shows.
HUMAN_TEST_SCRIPT = """
let current = '', shown = 0;
const part = (name) => element.querySelector('.human-test ' + name);
const answers = (disabled) => element.querySelectorAll('.answers button').forEach((button) => { button.disabled = disabled; });
const show = async () => {
  const picture = part('.picture'), mask = part('.mask'), round = current;
  const limit = Number(element.querySelector('.human-test').dataset.milliseconds);
  await Promise.all([picture.decode(), mask.decode()]);
  if (current !== round) return;
  const hide = (now) => {
    if (current !== round) return;
    if (now - shown < limit - 4) return requestAnimationFrame(hide);
    picture.hidden = true; mask.hidden = false;
  };
  part('.waiting').hidden = true; picture.hidden = false;
  requestAnimationFrame((now) => { shown = now; answers(false); if (limit) requestAnimationFrame(hide); });
};
const begin = () => {
  const picture = part('.picture');
  if (!picture || picture.src === current) return;
  current = picture.src;
  picture.hidden = part('.mask').hidden = true;
  part('.waiting').hidden = false;
  answers(true);
  if (part('span.waiting')) setTimeout(show, 600); else element.scrollIntoView({block: 'center'});
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button || button.disabled) return;
  if (button.matches('.waiting')) return show();
  answers(true);
  trigger('select', {round: Number(element.querySelector('.human-test').dataset.round), said: button.dataset.said,
                     milliseconds: performance.now() - shown});
});
watch('value', begin);
"""


def address(content: bytes) -> str:
    """A picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def pictures(
    images: Sequence[np.ndarray],
    captions: Sequence[str],
    files: Sequence[str] | None = None,
    sheet: tuple[str, Image.Image] | None = None,
) -> str:
    """Images side by side; with the names of `files` a click saves one. `sheet` is all of them as one picture to save."""
    figures = []
    for number, (image, caption) in enumerate(zip(images, captions)):
        held = address(png(image))
        shown = f'<img src="{held}" alt="{escape(caption)}">'
        if files:
            shown = f'<a href="{held}" download="{escape(files[number])}" title="Save {escape(files[number])}">{shown}</a>'
        figures.append(f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>")
    side, columns = (
        (256, 2) if len(images) <= 2 else (176, 2) if len(images) <= 6 else (112, 3)
    )  # columns on a phone
    links = ""
    if sheet:
        links = f'<p><a style="padding: 0" href="{address(png(sheet[1]))}" download="{escape(sheet[0])}">Save all as one PNG</a></p>'
    return f'<div class="pictures" style="--side: {side}px; --columns: {columns}">{"".join(figures)}</div>{links}'


def empty(text: str) -> str:
    return f'<div class="empty">{escape(text)}</div>'


def human_test_round(image: np.ndarray, number: int, rounds: int, milliseconds: int | None) -> str:
    """One round. Real and generated pictures come alike: no name, one size, PNGs without compression and so of one length."""
    noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    waiting = (
        '<button class="waiting">Show the first picture</button>'
        if number == 1
        else '<span class="waiting">+</span>'
    )
    return (
        f'<div class="human-test" data-round="{number}" data-milliseconds="{milliseconds or 0}">'
        f'<div>Round {number} of {rounds}</div><div class="frame">{waiting}'
        f'<img class="picture" hidden alt="Real or generated?" src="{address(png(image, compress_level=0))}">'
        f'<img class="mask" hidden alt="The time is over" src="{address(png(noise, compress_level=0))}"></div>'
        '<div class="answers"><button data-said="real" disabled>Real</button>'
        '<button data-said="generated" disabled>Generated</button></div></div>'
    )
