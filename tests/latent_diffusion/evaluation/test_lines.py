"""Lines: a straight edge is told from a crumpled one, and directions from each other."""

import numpy as np
import pytest

from latent_diffusion.evaluation.lines import (
    ALIKE,
    LONG,
    LONG_ANGLES,
    RANKS,
    SHORT_ANGLES,
    STRAIGHT,
    line_layer,
    oriented,
)

STRONGEST = SHORT_ANGLES  # the channel after the edges
COHERENCE = SHORT_ANGLES + len(RANKS) + len(STRAIGHT)
CHANNELS = COHERENCE + 1 + len(ALIKE)


def picture(light: np.ndarray) -> np.ndarray:
    """One picture, uint8 (1, S, S, 3), of values 0 to 1."""
    return np.repeat(np.rint(light * 255).astype(np.uint8)[None, ..., None], 3, axis=3)


def border(bend: float, size: int = 64) -> np.ndarray:
    """Light below a border that goes up and down by `bend` pixels."""
    y, x = np.mgrid[:size, :size]
    return picture(np.clip(y - size / 2 - bend * np.sin(x * 2 * np.pi / 16), 0, 1))


@pytest.mark.parametrize(("size", "places"), [(64, 16), (28, 14), (128, 16), (8, 4)])
def test_all_sizes_have_the_same_channels(size, places):
    layer = line_layer(border(0, size))
    assert layer.shape == (1, 3 * CHANNELS, places, places) and layer.dtype == np.float32
    assert np.isfinite(layer).all()


def test_a_straight_border_is_a_longer_line_than_a_wavy_one():
    straight, wavy = (line_layer(border(bend))[0, STRONGEST].max() for bend in (0, 4))
    assert straight > 1.5 * wavy


def test_stripes_share_a_direction_and_noise_does_not():
    _, x = np.mgrid[:64, :64]
    stripes = picture((x // 4 % 2).astype(float))
    noise = picture(np.random.default_rng(0).random((64, 64)))
    shared, none = (line_layer(images)[0, COHERENCE].mean() for images in (stripes, noise))
    assert shared > 0.9 and none < 0.5


def test_each_direction_has_its_channel():
    _, x = np.mgrid[:64, :64]
    upright = picture((x >= 32).astype(float))
    edges = line_layer(upright)[0, :SHORT_ANGLES].max(axis=(1, 2))
    assert edges.argmax() == 0  # across the columns
    lying = line_layer(upright.transpose(0, 2, 1, 3))[0, :SHORT_ANGLES].max(axis=(1, 2))
    assert lying.argmax() == SHORT_ANGLES // 2


def test_how_light_a_picture_is_does_not_count():
    assert line_layer(picture(np.full((64, 64), 0.2))).max() < 1e-4
    bend = border(2) // 2
    assert line_layer(bend + 40) == pytest.approx(line_layer(bend), abs=1e-3)


def test_filters_answer_a_full_edge_with_half():
    filters = oriented(LONG, LONG_ANGLES)
    assert filters.shape == (2 * LONG_ANGLES, 1, 19, 19)
    assert filters.sum(dim=(1, 2, 3)).abs().max() < 1e-6
    assert filters.abs().sum(dim=(1, 2, 3)).numpy() == pytest.approx(1)
