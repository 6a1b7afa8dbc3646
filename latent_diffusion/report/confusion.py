"""Which classes are taken for which, for the page of a run."""

from latent_diffusion.evaluation.scores import Scores

MOST_IN_MATRIX = 30  # classes; of more, only the commonest mistakes are listed
MISTAKES = 20

MatrixRow = tuple[str, list[tuple[int, float]]]  # class asked for; (samples, share) by class seen


def matrix_rows(scores: Scores) -> list[MatrixRow] | None:
    """Return the confusion matrix with the shares of its rows.

    None where there is no matrix, or one too large to read.
    """
    names = list(scores.counts)
    if not scores.confusion or len(names) > MOST_IN_MATRIX:
        return None
    found = []
    for name in names:
        seen = scores.confusion.get(name, {})
        total = max(1, sum(seen.values()))
        found.append((name, [(seen.get(one, 0), seen.get(one, 0) / total) for one in names]))
    return found


def mistakes(scores: Scores) -> list[tuple[int, str, str]]:
    """Return (samples, class asked for, class seen), commonest first."""
    found = []
    for asked, row in (scores.confusion or {}).items():
        found += [(count, asked, seen) for seen, count in row.items() if seen != asked]
    return sorted(found, key=lambda mistake: -mistake[0])[:MISTAKES]
