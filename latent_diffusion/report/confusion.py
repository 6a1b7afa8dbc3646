"""Which classes are taken for which, for the page of a run."""

from latent_diffusion.evaluation.scores import Scores

MOST_IN_MATRIX = 30  # classes; of more, only the commonest mistakes are listed
MISTAKES = 20

MatrixRow = tuple[str, list[tuple[int, float]]]  # class asked for; (samples, share) by class seen


def matrix_rows(scores: Scores) -> list[MatrixRow] | None:
    """Return the confusion matrix with the shares of its rows.

    None where there is no matrix, or one too large to read.
    """
    if not scores.confusion or len(scores.confusion) > MOST_IN_MATRIX:
        return None
    found = []
    for name, counts in zip(scores.counts, scores.confusion, strict=True):
        total = max(1, sum(counts))
        found.append((name, [(count, count / total) for count in counts]))
    return found


def mistakes(scores: Scores) -> list[tuple[int, str, str]]:
    """Return (samples, class asked for, class seen), commonest first."""
    names = list(scores.counts)
    found = []
    for asked, row in enumerate(scores.confusion or []):
        for seen, count in enumerate(row):
            if count and asked != seen:
                found.append((count, names[asked], names[seen]))
    return sorted(found, key=lambda mistake: -mistake[0])[:MISTAKES]
