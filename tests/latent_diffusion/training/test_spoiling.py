"""Faults put into batches: each does what it says, as often as it should, the same each time."""

import torch
from torch.nn import functional as F

from latent_diffusion.training.randomness import StepRandom
from latent_diffusion.training.spoiling import (
    KINDS,
    SPOILERS,
    blurred,
    displaced,
    moved,
    patch,
    spoilt,
    swapped,
)


def chance(step: int = 0) -> StepRandom:
    return StepRandom(0, step, 0, torch.device("cpu"))


def pictures(n: int = 14, size: int = 32) -> torch.Tensor:
    x = torch.linspace(-1, 1, size)
    waves = torch.sin(x[None, :] * torch.arange(3, 3 + n)[:, None])  # (n, size)
    return (waves[:, None, :, None] * waves.flip(1)[:, None, None, :]).repeat(1, 3, 1, 1)


def test_one_of_each_seven_is_untouched_and_the_others_are_named_by_their_fault():
    images = (pictures() * 127.5).round() / 127.5
    found, kinds = spoilt(images, chance())
    assert kinds.tolist() == list(range(KINDS)) * 2
    changed = (found - images).abs().amax(dim=(1, 2, 3))
    assert (changed[kinds == 0] < 0.01).all() and (changed[kinds > 0] > 0.01).all()
    assert found.abs().max() <= 1
    grey = (found + 1) * 127.5
    assert torch.allclose(grey, grey.round(), atol=1e-3)


def test_the_same_step_spoils_alike_and_another_step_does_not():
    images = pictures()
    once, _ = spoilt(images, chance())
    assert torch.equal(once, spoilt(images, chance())[0])
    assert not torch.equal(once, spoilt(images, chance(1))[0])


def test_a_patch_is_one_inside_and_zero_elsewhere():
    mask = patch(torch.zeros(50, 3, 32, 32), chance())
    assert mask.shape == (50, 1, 32, 32) and mask.min() == 0
    share = mask.mean(dim=(1, 2, 3))
    assert share.min() > 0.001 and 0.1 < share.max() < 0.5  # sides of 0.1 to 0.7
    black, white = torch.full((50, 3, 32, 32), -1.0), torch.ones(50, 3, 32, 32)
    assert torch.allclose(swapped(black, white, chance()), 2 * mask - 1)


def test_a_flat_picture_cannot_be_displaced_or_blurred():
    flat = torch.full((6, 3, 32, 32), 0.3)
    for spoil in (displaced, blurred):
        assert torch.allclose(spoil(flat, flat, chance()), flat, atol=1e-5)


def test_what_is_moved_by_whole_pixels_is_rolled():
    images = pictures()
    by = torch.tensor([2 * 3 / 32, 2 * -2 / 32]).expand(14, 2)[:, :, None, None]
    expected = images.roll((2, -3), (2, 3))
    inside = (slice(None), slice(None), slice(8, 24), slice(8, 24))
    assert torch.allclose(moved(images, by)[inside], expected[inside], atol=1e-4)


def test_a_blur_leaves_less_detail_and_the_same_mean():
    noise = torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(0)) / 4
    soft = blurred(noise, noise, chance())
    assert (soft.std(dim=(1, 2, 3)) < noise.std(dim=(1, 2, 3))).all()
    inner = F.avg_pool2d(noise - soft, 16)
    assert inner.abs().max() < 0.06


def test_there_is_a_spoiler_for_each_kind():
    assert len(SPOILERS) + 1 == KINDS == 7
