"""The hold-out by content hash, on hashes chosen by hand."""

import numpy as np

from latent_diffusion.data.split import TEST, TRAIN, UNDECIDED, count_leaks, hold_out

LOW, HIGH = 2**64 // 20, 2**63  # below and above a share of 0.1


def split(
    labels: list[int], hashes: list[int], own: list[int] | None = None, share: float = 0.1
) -> list[int]:
    own = own or [UNDECIDED] * len(labels)
    return hold_out(
        np.array(labels), np.array(own, np.int8), np.array(hashes, np.uint64), share
    ).tolist()


def test_low_hashes_are_held_out_and_a_class_without_any_gives_its_lowest():
    assert split([0, 0, 0, 1, 1, 1], [LOW, HIGH, HIGH + 1, HIGH + 5, HIGH + 3, HIGH + 4]) == [
        1,
        0,
        0,
        0,
        1,
        0,
    ]


def test_equal_images_follow_the_lowest_hash_of_another_class():
    assert split([0, 0, 1, 1, 1], [HIGH, HIGH + 1, HIGH, LOW, HIGH + 2]) == [1, 0, 1, 1, 0]


def test_a_class_of_one_repeated_image_stays_in_training():
    assert split([0, 0, 0], [HIGH] * 3) == [0, 0, 0]


def test_a_class_always_keeps_its_highest_hash_for_training():
    assert split([0, 0, 0, 1, 1], [LOW, HIGH + 1, HIGH, LOW + 2, LOW + 2], share=0.95) == [
        1,
        0,
        1,
        0,
        0,
    ]


def test_the_share_is_met_on_uniform_hashes():
    hashes = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64).tolist()
    assert abs(np.mean(split([0] * 20_000, hashes)) - 0.1) < 0.01


def test_a_split_of_its_own_is_kept_only_when_it_has_both_parts():
    assert split([0, 0, 0], [LOW, LOW, HIGH], [TRAIN, TRAIN, TEST]) == [0, 0, 1]
    assert split([0, 0, 0], [LOW, HIGH, HIGH + 1], [TRAIN] * 3) == [1, 0, 0]


def test_leaks():
    assert count_leaks(np.array([0, 0, 1, 1], np.uint8), np.array([1, 2, 2, 3], np.uint64)) == 1
