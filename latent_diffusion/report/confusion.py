"""Which classes are taken for which, for the report."""

from latent_diffusion.evaluation.scores import Scores

MOST_IN_MATRIX = 30  # classes; of more, only the commonest mistakes are listed
MISTAKES = 20


def rows(scores: Scores) -> list[tuple[str, list[tuple[int, float]]]] | None:
    """(class asked for, [(samples, share of the row) by class seen]); None where there is no matrix, or one too large to read."""
    if not scores.confusion or len(scores.confusion) > MOST_IN_MATRIX:
        return None
    return [
        (name, [(count, count / max(1, sum(row))) for count in row])
        for name, row in zip(scores.counts, scores.confusion)
    ]


def mistakes(scores: Scores) -> list[tuple[int, str, str]]:
    """(samples, class asked for, class seen), commonest first."""
    names = list(scores.counts)
    found = [
        (count, names[asked], names[seen])
        for asked, row in enumerate(scores.confusion or [])
        for seen, count in enumerate(row)
        if count and asked != seen
    ]
    return sorted(found, key=lambda one: -one[0])[:MISTAKES]
