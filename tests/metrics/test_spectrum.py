import numpy as np
import pytest

from metrics.spectrum import (
    channel_covariance,
    correlation,
    effective_rank,
    linear_denoising_error,
    radial_spectrum,
)


def test_white_noise_is_flat_at_its_variance():
    deviations = np.array([1.0, 3.0])[:, None, None]
    spectrum = radial_spectrum(np.random.default_rng(0).normal(size=(400, 2, 16, 24)) * deviations)
    # Relative deviation of a mean of so many squares of normal numbers.
    spread = np.sqrt(2 / (400 * spectrum.count))
    for power, variance in zip(spectrum.power, (1, 9), strict=True):
        assert (np.abs(power / variance - 1) < 5 * spread).all()


@pytest.mark.parametrize(
    "shape", [(5, 3, 16, 16), (2, 1, 7, 12), (1, 2, 1, 1), (1, 1, 1, 9), (90, 3, 64, 64)]
)  # the last: several blocks
def test_parseval(shape):
    fields = np.random.default_rng(1).normal(2, 1, size=shape)
    spectrum = radial_spectrum(fields)
    assert spectrum.count.sum() == shape[2] * shape[3]
    total = (spectrum.power * spectrum.count).sum(axis=1) / spectrum.count.sum()
    np.testing.assert_allclose(total, np.square(fields).mean(axis=(0, 2, 3)), rtol=1e-12)


def test_a_cosine_has_one_frequency():
    x = np.arange(32) + 0.5
    spectrum = radial_spectrum(np.broadcast_to(np.cos(2 * np.pi * 5 / 32 * x), (1, 1, 32, 32)))
    peak = spectrum.power[0].argmax()
    assert spectrum.frequency[peak] == 5 / 32
    power = spectrum.power[0, peak] * spectrum.count[peak]
    assert power == pytest.approx(32 * 32 / 2)  # half the amplitude's square, everywhere
    assert np.delete(spectrum.power[0], peak).max() < 1e-20


@pytest.mark.parametrize("phase", [0.3, 1.1, 2.5])
@pytest.mark.parametrize("cycles", [(6, 0), (0, 9), (6, 8)])
def test_a_sinusoid_of_any_phase_and_direction_peaks_at_its_frequency(cycles, phase):
    rows, columns = np.indices((32, 32)) / 32
    wave = np.sin(2 * np.pi * (cycles[0] * rows + cycles[1] * columns) + phase)
    spectrum = radial_spectrum(wave[None, None])
    peak = spectrum.frequency[(spectrum.power[0] * spectrum.count).argmax()]
    right_ring_or_next = 1.01 / 64
    assert peak == pytest.approx(np.hypot(*cycles) / 32, abs=right_ring_or_next)


def test_a_ramp_does_not_leak_as_it_would_when_repeated():
    """A gradient from edge to edge: a smooth picture, whose Fourier series sees a jump."""
    ramp = np.broadcast_to(np.linspace(-1, 1, 64), (1, 1, 64, 64))
    fourier = np.square(np.abs(np.fft.fft2(ramp[0, 0], norm="ortho")))[0, 32]
    cosine = radial_spectrum(ramp).power[0]
    assert cosine[60:64].max() < fourier / 1000


def test_a_constant_is_all_mean():
    spectrum = radial_spectrum(np.full((3, 1, 8, 8), 2.0))
    assert spectrum.frequency[0] == 0 and spectrum.power[0, 0] == pytest.approx(4 * 64)
    assert spectrum.power[0, 1:].max() < 1e-20


def test_covariance_correlation_and_rank_of_mixed_channels():
    noise = np.random.default_rng(2).normal(size=(50, 3, 8, 8))
    mixing = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [0, 0, 2]])
    covariance = channel_covariance(np.einsum("dc,nchw->ndhw", mixing, noise) + 7)
    np.testing.assert_allclose(covariance, mixing @ mixing.T, atol=0.15)
    assert correlation(covariance)[0, 1] == pytest.approx(0.8, abs=0.03)
    np.testing.assert_allclose(np.diag(correlation(covariance)), 1)
    assert effective_rank([4.0, 4, 4, 4]) == pytest.approx(4)
    assert effective_rank([5.0, 0, -1e-18]) == pytest.approx(1)
    assert effective_rank([0.5, 0.25, 0.25]) == pytest.approx(2**1.5)  # 1.5 bits


def test_what_cannot_be_measured_is_refused():
    for values in (np.ones((2, 3, 4)), np.ones((0, 1, 4, 4)), np.full((1, 1, 2, 2), np.nan)):
        for function in (radial_spectrum, channel_covariance):
            with pytest.raises(ValueError, match="fields must"):
                function(values)
    with pytest.raises(ValueError, match="above 0"):
        effective_rank([0.0, 0.0])
    np.testing.assert_allclose(correlation([[0.0, 0], [0, 2]]), [[0, 0], [0, 1]], rtol=1e-12)


def test_the_best_linear_denoiser_of_white_fields_shrinks_them():
    fields = np.random.default_rng(0).normal(size=(4000, 2, 4, 4)) * 3 + 7  # the mean costs nothing
    sigmas = np.array([0.5, 3.0, 20.0])
    wanted = 9 * sigmas**2 / (9 + sigmas**2)
    assert linear_denoising_error(fields, sigmas) == pytest.approx(wanted, rel=0.02)


def test_linear_denoising_knows_correlated_channels_and_smooth_fields():
    """Against the error, measured, of the filter that is fitted to pairs by least squares."""
    random = np.random.default_rng(0)
    shared = random.normal(size=(6000, 1, 1, 1)) * np.ones((1, 1, 4, 4))  # the same at all places
    fields = np.concatenate([shared, -shared], axis=1) + 0.1 * random.normal(size=(6000, 2, 4, 4))
    noisy = fields + 0.7 * random.normal(size=fields.shape)
    flat, seen = fields.reshape(6000, -1), noisy.reshape(6000, -1)
    fitted = np.linalg.lstsq(seen[:3000], flat[:3000], rcond=None)[0]
    measured = np.square(seen[3000:] @ fitted - flat[3000:]).mean()
    assert linear_denoising_error(fields, [0.7])[0] == pytest.approx(measured, rel=0.05)
    for wrong in ([0.0], [-1.0], [np.nan]):
        with pytest.raises(ValueError, match="sigmas"):
            linear_denoising_error(fields, wrong)
