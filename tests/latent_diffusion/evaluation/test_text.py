"""Scores as rows of text."""

from latent_diffusion.evaluation.scores import Score, Scores
from latent_diffusion.evaluation.text import TITLES, score_rows


def test_a_score_that_nobody_gave_a_title_has_a_row_of_its_own():
    found = {"mean_distance": Score(value=3.873, low=3.2, high=4.5, real=1.1)}
    known = {"sharpness": Score(value=0.9, real=1.0)}
    scores = Scores(n=24, network="judge", identity="", reference="", scores=found | known)
    rows = score_rows(scores)
    assert [row.name for row in rows] == ["sharpness", "mean_distance"]
    assert rows[0].title == TITLES["sharpness"][0]
    assert (rows[1].title, rows[1].value, rows[1].real) == ("mean distance", "3.873", "1.100")
