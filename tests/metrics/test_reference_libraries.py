"""Our scores against other people's libraries, on the same features.

N lies in 50 .. 5000 and D in 64 .. 2048. The libraries are given features or logits where their
networks would hand them over; no weights are needed. All get float64 here; from a network they
would keep its float32, and lose digits that we keep. Where conventions differ:

- covariance: all divide by N - 1, as we do.
- Fréchet distance: pytorch-fid and pytorch-image-generation-metrics take scipy's sqrtm of S_a S_b,
  and add 1e-6 to the diagonals if it is not finite; torch-fidelity and torchmetrics sum the roots
  of the eigenvalues of S_a S_b. In the singular cases (N <= D, or features in a subspace) the zero
  eigenvalues come out as rounding errors of either sign, whose roots are no longer small: up to
  2e-7 of |mu_a - mu_b|^2 + Tr S_a + Tr S_b, where ours is within 2e-15 of the exact value, which
  takes no covariance but singular values of the features (test_frechet.py has a case in mpmath).
  torchmetrics adds up sums of squares, not deviations from the mean.
- KID: torch-fidelity draws with RandomState(seed), samples first; torchmetrics with torch.randperm,
  reals first, and both refuse sets smaller than the subset, where we shrink it. Deviations are of
  the population in both.
- Inception score: ten runs of rows. torch-fidelity shuffles rows with RandomState(seed),
  torchmetrics with torch.randperm, the other does not, nor do we. torchmetrics divides the
  deviation by splits - 1, and takes logits; its chunks are ceil(N / 10) rows, so equal to ours
  where 10 divides N.
- Precision and recall: torch-fidelity, k = 3, samples first; the rim counts as inside, as in ours,
  and the mean is taken in float32, which is off by up to 3e-8.
"""

import functools

import numpy as np
import pytest

import metrics

TOLERANCE = 1e-6
KINDS = ("random", "rank-deficient", "near-identical")
SIZES = [(n, dim) for dim in (64, 512, 2048) for n in (50, 500, 5000)]


def grid(fast):
    """All cases of N, D and kind; those with a D past `fast[N]` are slow."""
    cases = [
        pytest.param(n, dim, kind, marks=() if dim <= fast[n] else pytest.mark.slow)
        for n, dim in SIZES
        for kind in KINDS
    ]
    return pytest.mark.parametrize(("n", "dim", "kind"), cases)


@functools.lru_cache(maxsize=1)
def features(n, dim, kind):
    """Two sets (n, dim), not around 0, of one of the kinds.

    They are Gaussian; in a common subspace of dim / 4; one and the same but for 1e-6.
    """
    random = np.random.default_rng([n, dim, KINDS.index(kind)])
    x, y = random.normal(0.5, 1, size=(n, dim)), random.normal(0.6, 1.2, size=(n, dim))
    if kind == "rank-deficient":
        basis = random.normal(size=(dim // 4, dim)) / dim**0.5
        return x[:, : dim // 4] @ basis, y[:, : dim // 4] @ basis
    if kind == "near-identical":
        return x, x + 1e-6 * y
    return x, y


@functools.lru_cache(maxsize=1)
def frechet(n, dim, kind):
    """Our distance, its exact value without a covariance, and the scale of both."""
    pair = features(n, dim, kind)
    ours = metrics.frechet_distance(*(metrics.statistics(x) for x in pair))
    shift = np.square(pair[0].mean(axis=0) - pair[1].mean(axis=0)).sum()
    roots = [(x - x.mean(axis=0)) / np.sqrt(n - 1) for x in pair]
    scale = shift + sum(np.square(root).sum() for root in roots)
    if n > dim:
        roots = [np.linalg.qr(root, mode="r") for root in roots]
    exact = scale - 2 * np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    return ours, exact, scale


def torch_fidelity_frechet(x, y):
    torch, library = pytest.importorskip("torch"), pytest.importorskip("torch_fidelity.metric_fid")
    of = [library.fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
    return library.fid_statistics_to_metric(*of, verbose=False)[library.KEY_METRIC_FID]


def pytorch_fid_frechet(x, y):
    library = pytest.importorskip("pytorch_fid.fid_score")
    of = [moment for rows in (x, y) for moment in (rows.mean(axis=0), np.cov(rows, rowvar=False))]
    return library.calculate_frechet_distance(*of)


def generation_metrics_frechet(x, y):
    library = pytest.importorskip("pytorch_image_generation_metrics.core")
    return library.calculate_frechet_inception_distance(x, y.mean(axis=0), np.cov(y, rowvar=False))


def torchmetrics_frechet(x, y):
    torch, library = pytest.importorskip("torch"), pytest.importorskip("torchmetrics.image.fid")
    metric = library.FrechetInceptionDistance(feature=identity(x.shape[1]))
    metric.update(torch.from_numpy(x), real=False)
    metric.update(torch.from_numpy(y), real=True)
    return metric.compute().item()


def identity(dim):
    """A "network" for torchmetrics that takes features for images."""
    import torch

    network = torch.nn.Identity()
    network.num_features = dim
    return network


FRECHET = {
    "torch-fidelity": torch_fidelity_frechet,
    "pytorch-fid": pytorch_fid_frechet,
    "pytorch-image-generation-metrics": generation_metrics_frechet,
    "torchmetrics": torchmetrics_frechet,
}


@grid(fast={50: 512, 500: 512, 5000: 512})
def test_frechet_distance_is_exact(n, dim, kind, record_property):
    ours, exact, scale = frechet(n, dim, kind)
    record_property("deviation", float(abs(ours - exact) / scale))
    assert abs(ours - exact) < 1e-10 * scale


@pytest.mark.parametrize("library", FRECHET)
@grid(fast={50: 64, 500: 64, 5000: 64})
@pytest.mark.filterwarnings("ignore")
def test_frechet_distance(library, n, dim, kind, record_property):
    ours, _, scale = frechet(n, dim, kind)
    deviation = abs(FRECHET[library](*features(n, dim, kind)) - ours) / scale
    record_property("deviation", float(deviation))
    assert deviation < TOLERANCE


def torch_fidelity_kernel(x, y, subsets, size):
    torch, library = pytest.importorskip("torch"), pytest.importorskip("torch_fidelity.metric_kid")
    pair = torch.from_numpy(x), torch.from_numpy(y)
    result = library.kid_features_to_metric(
        *pair, kid_subsets=subsets, kid_subset_size=size, rng_seed=7, verbose=False
    )
    ours = metrics.kernel_distance(x, y, np.random.RandomState(7), subsets, size)
    return list(result.values()), ours


def torchmetrics_kernel(x, y, subsets, size):
    torch, library = pytest.importorskip("torch"), pytest.importorskip("torchmetrics.image.kid")
    metric = library.KernelInceptionDistance(
        identity(x.shape[1]), subsets=subsets, subset_size=size
    )
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    torch.manual_seed(7)
    mean, deviation = metric.compute()

    class Draws:
        def choice(self, total, size, replace):
            return torch.randperm(total)[:size].numpy()

    torch.manual_seed(7)
    return [mean.item(), deviation.item()], metrics.kernel_distance(x, y, Draws(), subsets, size)


@pytest.mark.parametrize("library", [torch_fidelity_kernel, torchmetrics_kernel])
@grid(fast={50: 2048, 500: 512, 5000: 64})
@pytest.mark.filterwarnings("ignore")
def test_kernel_distance(library, n, dim, kind, record_property):
    theirs, ours = library(*features(n, dim, kind), subsets=5, size=min(n - 10, 1000))
    deviations = [
        abs(a - b) / max(1, abs(b))
        for a, b in zip(theirs, (ours.mean, ours.deviation), strict=True)
    ]
    record_property("deviation", float(max(deviations)))
    assert max(deviations) < TOLERANCE


def torch_fidelity_inception(logits, splits):
    torch, library = pytest.importorskip("torch"), pytest.importorskip("torch_fidelity.metric_isc")
    result = library.isc_features_to_metric(
        torch.from_numpy(logits), splits, shuffle=True, rng_seed=7
    )
    return list(result.values()), np.random.RandomState(7).permutation(len(logits))


def generation_metrics_inception(logits, splits):
    library = pytest.importorskip("pytorch_image_generation_metrics.core")
    return library.calculate_inception_score(softmax(logits), splits), np.arange(len(logits))


def torchmetrics_inception(logits, splits):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("torchmetrics.image.inception")
    metric = library.InceptionScore(identity(logits.shape[1]), splits=splits)
    metric.update(torch.from_numpy(logits))
    torch.manual_seed(7)
    mean, deviation = metric.compute()
    torch.manual_seed(7)
    of_population = ((splits - 1) / splits) ** 0.5 * deviation.item() if splits > 1 else 0
    return [mean.item(), of_population], torch.randperm(len(logits)).numpy()


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "library", [torch_fidelity_inception, generation_metrics_inception, torchmetrics_inception]
)
@pytest.mark.parametrize("splits", [1, 10])
@grid(fast={50: 2048, 500: 2048, 5000: 512})
@pytest.mark.filterwarnings("ignore")
def test_inception_score(library, splits, n, dim, kind, record_property):
    logits = 3 * features(n, dim, kind)[1]
    theirs, order = library(logits, splits)
    ours = metrics.inception_score_over_splits(softmax(logits)[order], splits)
    deviations = [
        abs(a - b) / max(1, abs(b))
        for a, b in zip(theirs, (ours.mean, ours.deviation), strict=True)
    ]
    record_property("deviation", float(max(deviations)))
    assert max(deviations) < TOLERANCE
    if splits == 1:
        assert metrics.inception_score(softmax(logits)).score == pytest.approx(
            theirs[0], rel=TOLERANCE
        )


@grid(fast={50: 2048, 500: 512, 5000: 0})
def test_precision_and_recall(n, dim, kind, record_property):
    torch, library = pytest.importorskip("torch"), pytest.importorskip("torch_fidelity.metric_prc")
    x, y = features(n, dim, kind)
    pair = torch.from_numpy(x), torch.from_numpy(y)
    options = {
        "prc_neighborhood": 3,
        "prc_batch_size": 1000,
        "save_cpu_ram": True,
        "verbose": False,
    }
    theirs = library.prc_features_to_metric(*pair, **options)
    ours = metrics.precision_recall(x, y)
    deviations = [abs(theirs["precision"] - ours.precision), abs(theirs["recall"] - ours.recall)]
    record_property("deviation", float(max(deviations)))
    assert max(deviations) < TOLERANCE
