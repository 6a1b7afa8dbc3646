import mpmath
import numpy as np
import pytest
import scipy.linalg

from metrics import Statistics, frechet_distance, statistics


def features(n, dim, seed, decay=0.0):
    """Gaussian rows with standard deviations 10^0 .. 10^-decay in a basis of their own."""
    generator = np.random.default_rng(seed)
    basis = np.linalg.qr(generator.normal(size=(dim, dim)))[0]
    deviations = 10.0 ** -np.linspace(0, decay, dim)
    rows = generator.normal(size=(n, dim)) * deviations @ basis
    return rows + generator.normal(size=dim)


def distance_from_features(x, y):
    """The same number without a covariance.

    Tr (S_x^1/2 S_y S_x^1/2)^1/2 is the nuclear norm of X Y^T.
    """
    difference = x.mean(axis=0) - y.mean(axis=0)
    x, y = ((z - z.mean(axis=0)) / np.sqrt(len(z) - 1) for z in (x, y))
    nuclear_norm = np.linalg.norm(x @ y.T, "nuc")
    return difference @ difference + np.square(x).sum() + np.square(y).sum() - 2 * nuclear_norm


def scale(a, b):
    return np.square(a.mean - b.mean).sum() + np.trace(a.covariance) + np.trace(b.covariance)


def test_equal_covariances_give_the_squared_mean_distance():
    x = features(100, 6, seed=0)
    shift = np.arange(6.0)
    assert frechet_distance(statistics(x), statistics(x + shift)) == pytest.approx(55, abs=1e-10)


def test_commuting_diagonals():
    s, t = np.array([4.0, 9.0, 0.0, 1.0]), np.array([1.0, 16.0, 25.0, 0.0])
    a, b = Statistics(np.zeros(4), np.diag(s), 10), Statistics(np.ones(4), np.diag(t), 10)
    expected = 4 + np.square(np.sqrt(s) - np.sqrt(t)).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "dim", "decay"),
    [(2, 5, 0), (40, 96, 0), (40, 96, 4), (300, 96, 0), (300, 96, 4), (300, 96, 8)],
)
def test_identical_sets_give_zero(n, dim, decay):
    a = statistics(100 * features(n, dim, seed=1, decay=decay))
    assert 0 <= frechet_distance(a, a) < 1e-6


def test_symmetric_and_agrees_with_sqrtm_where_that_is_sound():
    a, b = statistics(features(200, 32, seed=2)), statistics(3 * features(150, 32, seed=3))
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance)
    expected = scale(a, b) - 2 * np.trace(root).real
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-11)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("decay", [0, 3, 7])
@pytest.mark.parametrize(("n", "m"), [(2, 3), (20, 20), (20, 300), (300, 300)])
def test_rank_deficient_and_ill_conditioned(n, m, decay):
    x, y = features(n, 64, seed=4, decay=decay), features(m, 64, seed=5, decay=decay)
    a, b = statistics(x), statistics(y)
    assert abs(frechet_distance(a, b) - distance_from_features(x, y)) < 1e-9 * scale(a, b)


def test_singular_case_in_high_precision():
    x, y = features(4, 8, seed=6), features(5, 8, seed=7)  # ranks 3 and 4 in 8 dimensions
    a, b = statistics(x), statistics(y)
    with mpmath.workdps(60):

        def covariance(rows):
            rows = mpmath.matrix(rows.tolist())
            means = [mpmath.fsum(rows[:, j]) / rows.rows for j in range(rows.cols)]
            centred = mpmath.matrix(rows.rows, rows.cols)
            for i in range(rows.rows):
                for j in range(rows.cols):
                    centred[i, j] = rows[i, j] - means[j]
            return mpmath.matrix(means), centred.T * centred / (rows.rows - 1)

        (mean_x, s), (mean_y, t) = covariance(x), covariance(y)
        values, vectors = mpmath.eigsy(s)
        root = vectors * mpmath.diag([mpmath.sqrt(max(v, 0)) for v in values]) * vectors.T
        middle = mpmath.eigsy(root * t * root, eigvals_only=True)
        traces = sum(s[i, i] + t[i, i] - 2 * mpmath.sqrt(max(middle[i], 0)) for i in range(8))
        expected = float(mpmath.norm(mean_x - mean_y) ** 2 + traces)
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-12 * scale(a, b))


def test_constant_features():
    constant, spread = statistics(np.ones((5, 3))), Statistics(np.zeros(3), np.eye(3), 9)
    assert frechet_distance(constant, constant) == 0
    assert frechet_distance(constant, spread) == pytest.approx(6)
