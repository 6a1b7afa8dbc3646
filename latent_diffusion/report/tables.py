"""Scores as rows of text, for the pages: the same words and digits as in the terminal's tables."""

from dataclasses import dataclass

from latent_diffusion.evaluation.scores import Score, Scores
from latent_diffusion.evaluation.table import ROWS, number

MOST_IN_MATRIX = 30  # classes; of more, only the commonest mistakes are listed
MISTAKES = 20


@dataclass(frozen=True)
class Row:
    """One score in text; `below` for a figure that belongs to the one above it."""

    name: str
    title: str
    value: str
    interval: str
    real: str
    best: str
    below: bool = False


def score_rows(scores: Scores) -> list[Row]:
    rows = []
    for name, (title, best) in ROWS.items():
        if not (score := scores.scores.get(name)):
            continue
        gain = 1000 if name == "kid" else 1
        rows.append(Row(name, title.strip(), number(score.value, gain), ends(score, gain), number(score.real, gain), best,
                        below=title.startswith(" ")))
        if name == "fid" and scores.fid_over_floor:
            rows.append(Row("fid_over_floor", "FID / floor", number(scores.fid_over_floor), "-", "1", "1", True))
        if name == "fid" and scores.fid_over_matched_floor:
            rows.append(Row("fid_over_matched_floor", "FID / matched floor", number(scores.fid_over_matched_floor), "-",
                            f"1 ({number(scores.matched_floor)})", "1", True))
    return rows


def ends(score: Score, gain: float = 1) -> str:
    return f"{number(score.low, gain)} .. {number(score.high, gain)}" if score.low is not None else "-"


def class_rows(scores: Scores) -> list[tuple[str, ...]]:
    """Class, samples, FID, floor, FID / floor, accuracy; worst first."""
    right = accuracies(scores)
    by_ratio = sorted(scores.class_fid.items(), key=lambda item: -(item[1].fid / item[1].floor if item[1].floor else item[1].fid))
    return [(name, str(one.n), number(one.fid), number(one.floor), number(one.fid / one.floor if one.floor else None),
             number(right.get(name))) for name, one in by_ratio]


def accuracies(scores: Scores) -> dict[str, float]:
    """By class asked for."""
    return {name: row[label] / sum(row) for label, (name, row) in enumerate(zip(scores.counts, scores.confusion or [])) if sum(row)}


def confusion_rows(scores: Scores) -> list[tuple[str, list[tuple[int, float]]]] | None:
    """(class asked for, [(samples, share of the row) by class seen]); None where there is no matrix, or one too large to read."""
    if not scores.confusion or len(scores.confusion) > MOST_IN_MATRIX:
        return None
    return [(name, [(count, count / max(1, sum(row))) for count in row]) for name, row in zip(scores.counts, scores.confusion)]


def mistakes(scores: Scores) -> list[tuple[int, str, str]]:
    """(samples, class asked for, class seen), commonest first."""
    names = list(scores.counts)
    found = [(count, names[asked], names[seen]) for asked, row in enumerate(scores.confusion or []) for seen, count in enumerate(row)
             if count and asked != seen]
    return sorted(found, key=lambda one: -one[0])[:MISTAKES]
