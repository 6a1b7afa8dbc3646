"""What a run keeps of its data set, the images that a source can add to it, and foreign ones."""

import numpy as np
import pytest

from latent_diffusion.data.cartoons import SPECIES, draw, species_and_seed
from latent_diffusion.data.foreign import foreign_images
from latent_diffusion.data.reference import DataFacts, Reference
from latent_diffusion.run import Run


def reference(source: str, names: tuple[str, ...], kept: int) -> Reference:
    """Noise as the held-out images of a data set of that source, 16x16."""
    facts = DataFacts(
        source=source,
        checksum="",
        image_size=16,
        flip=True,
        class_names=list(names),
        histogram=[10] * len(names),
        images=100,
    )
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (kept, 16, 16, 3), dtype=np.uint8)
    return Reference(facts, images, random.integers(0, len(names), kept))


def test_cartoons_draw_extra_held_out_images():
    whole = reference("cartoons:100", SPECIES, kept=30)
    extended, labels = whole.held_out(80)
    assert len(extended) == len(labels) == 80 and len({image.tobytes() for image in extended}) == 80
    assert np.array_equal(extended[:30], whole.images)
    assert whole.has(10**6) and whole.held_out(20)[0].shape == whole.images.shape
    few = reference("cartoons:105", ("dog", "cat"), kept=0)  # the other species were left out
    extended, labels = few.held_out(4)
    beyond = [species_and_seed(index) for index in range(105, 150)]
    wanted = [one for one in beyond if one[0] in ("cat", "dog")][:4]
    assert [few.facts.class_names[label] for label in labels] == [species for species, _ in wanted]
    assert np.array_equal(extended, np.stack([draw(*one, size=16) for one in wanted]))


def test_other_sources_have_only_what_was_kept(tiny_run):
    kept = Reference.open(Run(tiny_run))
    images, labels = kept.held_out(len(kept.images) + 1)
    assert np.array_equal(images, kept.images) and np.array_equal(labels, kept.labels)
    assert kept.has(len(images)) and not kept.has(len(images) + 1)


@pytest.mark.parametrize("source", ["cartoons", "cartoons:500", "photos/"])
def test_foreign_images_are_of_another_data_set(source):
    images = foreign_images(reference(source, ("cat", "dog"), kept=0).facts, 12)
    assert images.shape == (12, 16, 16, 3) and images.dtype == np.uint8
    cartoons = np.stack([draw(*species_and_seed(index), size=16) for index in range(12)])
    assert np.array_equal(images, cartoons) == (source == "photos/")


@pytest.mark.parametrize("source", ["photos", "cartoons:40"])
def test_the_halves_for_choices_and_for_reports_share_no_image(source):
    """Nor do they where the source draws more than are kept."""
    names = ["cat", "dog", "fish"]
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (31, 16, 16, 3), dtype=np.uint8)
    labels = np.sort(random.integers(0, 3, 31))
    facts = DataFacts(
        source=source,
        checksum="",
        image_size=16,
        flip=True,
        class_names=names,
        histogram=[3, 3, 3],
        images=40,
    )
    reference = Reference(facts, images, labels)
    wanted = 40 if source.startswith("cartoons") else 0
    halves = [half.held_out(wanted) for half in (reference.for_choices(), reference.reported())]
    shown = [{image.tobytes() for image in pixels} for pixels, _ in halves]
    assert not shown[0] & shown[1]
    sizes = [len(one) for one in shown]
    assert sizes == [40, 40] if wanted else sum(sizes) == 31 and abs(sizes[0] - sizes[1]) <= 3
    counts = [np.bincount(labels, minlength=3) for _, labels in halves]
    assert np.abs(counts[0] - counts[1]).max() <= 1 + (wanted > 0) * 3
    again = reference.reported().held_out(wanted)
    assert (again[0] == halves[1][0]).all()
