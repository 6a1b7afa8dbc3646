"""The human test: balanced, blind, recorded; its error rates agree with a count by hand."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from latent_diffusion.app.human_test import HumanTest, plan, shown_images
from latent_diffusion.app.page import human_test_round
from latent_diffusion.data.reference import DataFacts, Reference


@pytest.fixture
def reference() -> Reference:
    facts = DataFacts(
        source="",
        checksum="",
        image_size=8,
        flip=False,
        class_names=["cat", "dog"],
        histogram=[9, 27],
        images=72,
    )
    images = np.stack([np.full((8, 8, 3), row, np.uint8) for row in range(36)])
    return Reference(facts, images, labels=np.repeat([0, 1], [9, 27]))


def new_test(reference, folder, rounds=10, seed=3) -> HumanTest:
    chosen = plan(reference, rounds, seed)
    values = 200 + np.arange(rounds // 2)  # real ones have less
    generated = np.stack([np.full((8, 8, 3), value, np.uint8) for value in values])
    return HumanTest(
        folder=folder,
        plan=chosen,
        images=shown_images(chosen, reference, generated),
        class_names=["cat", "dog"],
        reference_labels=reference.labels,
        milliseconds=500,
        facts={"steps": 8},
    )


def test_half_are_real_and_each_answer_is_about_the_picture_shown(reference, tmp_path):
    test = new_test(reference, tmp_path, rounds=40)
    pixels = test.images[:, 0, 0, 0]
    for number in range(1, 41):
        test.answer(number, said_real=True, milliseconds=300)
    assert [answer["real"] for answer in test.answers] == [value < 200 for value in pixels]
    assert sum(value < 200 for value in pixels) == 20
    for answer, value in zip(test.answers, pixels, strict=True):
        if answer["real"]:
            assert answer["held_out"] == value
            assert answer["class"] == ("cat" if value < 9 else "dog")
        else:
            generated = value - 200
            assert answer["seed"] == test.plan.seeds[generated]
            assert answer["class"] == ["cat", "dog"][test.plan.labels[generated]]
    rows = {answer["held_out"] for answer in test.answers if answer["real"]}
    assert len(rows) == 20  # none twice


def test_order_and_classes_over_many_seeds(reference):
    plans = [plan(reference, 20, seed) for seed in range(300)]
    first = np.mean([chosen.order[0] < 10 for chosen in plans])
    dogs = np.mean([chosen.labels for chosen in plans])
    assert abs(first - 0.5) < 0.12
    assert abs(dogs - 0.75) < 0.03  # generated ones come in the classes of the real ones
    assert plan(reference, 20, 1) == plans[1]
    assert plan(reference, 20).seed != plan(reference, 20).seed


def test_error_rates(reference, tmp_path):
    test = new_test(reference, tmp_path)
    mistaken = (0, 5, 6, 7)  # of the real ones followed by the generated ones
    for number, index in enumerate(test.plan.order, 1):
        real = index < 5
        said_real = not real if index in mistaken else real
        test.answer(number, said_real=said_real, milliseconds=1)
    found = test.result()
    assert {name: (rate.wrong, rate.n, rate.rate) for name, rate in found.items()} == {
        "overall": (4, 10, 0.4),
        "real": (1, 5, 0.2),
        "generated": (3, 5, 0.6),
    }
    interval = [found["overall"].low, found["overall"].high]
    assert interval == pytest.approx([0.1216, 0.7376], abs=1e-4)  # Clopper and Pearson's tables
    rounds = sorted(answer["round"] for answer in test.mistakes())
    assert rounds == sorted(test.plan.order.index(index) + 1 for index in mistaken)


def test_record_grows_with_every_answer_and_ends_with_the_result(reference, tmp_path):
    test = new_test(reference, tmp_path / "human_test")
    for number in range(1, 11):
        test.answer(number, said_real=False, milliseconds=812.4)
        test.answer(number, said_real=True, milliseconds=1)  # a second click is no second answer
        record = tmp_path / "human_test" / f"{test.session}.jsonl"
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        assert [line["round"] for line in lines[1 : number + 1]] == list(range(1, number + 1))
        assert len(lines) == 1 + number + (number == 10)
    test.answer(11, said_real=True, milliseconds=1)
    assert len(test.answers) == 10
    head = {"session": test.session, "seed": 3, "rounds": 10, "milliseconds": 500, "steps": 8}
    assert head.items() <= lines[0].items()
    for line in lines[1:11]:
        assert line["said_real"] is False and line["milliseconds"] == 812 and line["time"]
    result = lines[11]["result"]
    assert result["real"]["rate"] == 1 and result["generated"]["rate"] == 0


def test_the_page_says_nothing_about_which_is_which():
    real = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)  # rich in detail
    generated = np.full((16, 16, 3), 7, np.uint8)  # flat: would compress to much less
    pages = [human_test_round(image, 3, 10, 500) for image in (real, generated)]
    held = [
        [base64.b64decode(text) for text in re.findall(r"base64,([^\"]+)", page)] for page in pages
    ]
    without = [re.sub(r"base64,[^\"]+", "", page) for page in pages]
    assert without[0] == without[1]
    assert len(held[0][0]) == len(held[1][0]) and held[0][1] == held[1][1]
    for (content, _), image in zip(held, (real, generated), strict=True):
        opened = Image.open(io.BytesIO(content))
        assert opened.format == "PNG" and not opened.info
        assert np.array_equal(np.asarray(opened), image)


@pytest.mark.parametrize(
    "rounds, text",
    [(8, "from 10 to 100"), (102, "from 10 to 100"), (11, "even"), (80, "36: choose fewer rounds")],
)
def test_rounds_have_limits(reference, rounds, text):
    with pytest.raises(ValueError, match=text):
        plan(reference, rounds)


def test_a_run_without_held_out_images_is_told_so(reference):
    with pytest.raises(ValueError, match="--holdout"):
        plan(Reference(reference.facts, reference.images[:2], reference.labels[:2]), 10)
