"""Scores as rows of text."""

import numpy as np

from latent_diffusion.evaluation.scores import Score, Scores
from latent_diffusion.evaluation.text import TITLES, accuracies, score_rows
from latent_diffusion.report import confusion


def test_a_score_that_nobody_gave_a_title_has_a_row_of_its_own():
    found = {"mean_distance": Score(value=3.873, low=3.2, high=4.5, real=1.1)}
    known = {"sharpness": Score(value=0.9, real=1.0)}
    scores = Scores(n=24, network="judge", identity="", reference="", scores=found | known)
    rows = score_rows(scores)
    assert [row.name for row in rows] == ["sharpness", "mean_distance"]
    assert rows[0].title == TITLES["sharpness"][0]
    assert (rows[1].title, rows[1].value, rows[1].real) == ("mean distance", "3.873", "1.100")


def test_confusion_grows_with_the_samples_and_not_with_the_square_of_the_classes():
    """1,000 samples of 2,000 classes, each seen as itself or as the next: at most 1,000 counts."""
    names = [f"class {number}" for number in range(2_000)]
    asked = np.arange(1_000) * 2
    matrix = np.zeros((2_000, 2_000), int)
    matrix[asked, asked + asked // 2 % 2] += 1
    found = Scores(
        n=1_000,
        network="judge",
        identity="",
        reference="",
        counts=dict.fromkeys(names, 0),
        confusion=matrix.tolist(),  # as earlier versions wrote it
    )
    assert len(found.model_dump_json()) < 200_000
    assert sum(sum(row.values()) for row in found.confusion.values()) == 1_000
    assert found.confusion["class 0"] == {"class 0": 1}
    assert found.confusion["class 2"] == {"class 3": 1}
    accuracy = accuracies(found)
    assert (accuracy["class 0"], accuracy["class 2"], "class 1" in accuracy) == (1, 0, False)
    assert confusion.mistakes(found)[0] == (1, "class 2", "class 3")
    assert Scores.model_validate_json(found.model_dump_json()) == found


def test_a_confusion_matrix_of_few_classes_is_whole():
    """Rows without samples are there, and every row has a cell for each class."""
    found = Scores(
        n=3,
        network="judge",
        identity="",
        reference="",
        counts={"cat": 1, "dog": 2, "ox": 0},
        confusion={"cat": {"cat": 1, "dog": 1}, "dog": {"dog": 1}},
    )
    rows = dict(confusion.matrix_rows(found))
    assert rows["cat"] == [(1, 0.5), (1, 0.5), (0, 0)]
    assert rows["ox"] == [(0, 0)] * 3
