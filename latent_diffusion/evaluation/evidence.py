"""What gave samples away: the most and the least convincing ones, with heat maps, as a picture.

The detector is linear in what the layers see, so that its evidence is a sum over places.
"""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from latent_diffusion.evaluation.detector import (
    PENALTY,
    Detection,
    Layered,
    cell_edges,
    layers_of,
    numbers_of,
    paired,
)
from latent_diffusion.inspection.grids import enlargement, grid
from metrics.detectability import LinearDetector, linear_detector

SHOWN = 10  # samples of either kind
SMOOTH = 1.5  # pixels
HOT, COLD = np.array([230.0, 40.0, 30.0]), np.array([40.0, 110.0, 230.0])


def evidence_picture(network: Layered, detection: Detection, images: np.ndarray) -> Image.Image:
    """Return the samples that look most and least real to the detector, and where it looks.

    images: uint8 (N, S, S, 3), those that `detection` compared. Red places speak for a sample,
    blue ones for a real picture; beside them are real pictures of the same classes.
    """
    order = np.argsort(detection.found.second, kind="stable")
    rows: list[np.ndarray] = []
    names: list[str] = []
    captions: list[list[str]] = []
    real = detection.reals.described
    fitted = linear_detector(real.all(), detection.described.all(), PENALTY, real.parts)
    for name, chosen in (("give themselves away", order[::-1][:SHOWN]), ("pass", order[:SHOWN])):
        beside = reals_like(detection, detection.described.labels[chosen])
        heat = heat_maps(network, fitted, images[chosen])
        rows += [images[chosen], overlaid(images[chosen], heat), detection.reals.images[beside]]
        names += [name, "by what", "real pictures"]
        captions += [[f"{value:+.1f}" for value in detection.found.second[chosen]], [], []]
    return grid(rows, names, enlargement(images), captions)


def reals_like(detection: Detection, labels: np.ndarray) -> np.ndarray:
    """Return for each label the row of a real picture of that class, each of them once."""
    of_reals = detection.reals.described.labels
    waiting = {label: iter(np.flatnonzero(of_reals == label)) for label in np.unique(labels)}
    return np.array([next(waiting[label]) for label in labels])


def heat_maps(network: Layered, fitted: LinearDetector, images: np.ndarray) -> np.ndarray:
    """Return how much each place of images, uint8 (N, S, S, 3), speaks for a sample, (N, S, S).

    The sum over the places is the detector's evidence by layers, of images seen clearly, without
    its offset.
    """
    heat = np.zeros(images.shape[:3])
    start = 0
    # In the order of the columns of `Described.all`: by scale.
    for _, layer in layers_of(network, images):
        numbers = len(numbers_of(layer[:1])[0])
        here = slice(start, start + numbers)
        found = layer_heat(layer.astype(np.float64), fitted.mean[here], fitted.weights[here])
        heat += enlarged(found, images.shape[1])
        start += numbers
    return heat


def layer_heat(layer: np.ndarray, mean: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the evidence (N, h, w) of a layer (N, C, h, w): of means, cells and covariances."""
    channels, height, width = layer.shape[1:]
    rows, columns = cell_edges(height), cell_edges(width)
    area = np.outer(np.diff(rows), np.diff(columns))
    parts = [channels, channels * (1 + area.size)]
    of_mean, of_cells, of_pairs = np.split(weights, parts)
    mean, cell_mean, pair_mean = np.split(mean, parts)
    places = height * width
    heat = np.einsum("c,nchw->nhw", of_mean, layer - mean[:, None, None]) / places
    y, x = (np.repeat(np.arange(len(ends) - 1), np.diff(ends)) for ends in (rows, columns))
    shape = (channels, *area.shape)
    by_place = (of_cells.reshape(shape) / area)[:, y][:, :, x]  # (C, h, w)
    heat += np.einsum("chw,nchw->nhw", by_place, layer - cell_mean.reshape(shape)[:, y][:, :, x])
    # A covariance is a mean over places, too.
    away = layer - layer.mean(axis=(2, 3), keepdims=True)
    pairs = np.zeros((channels, channels))
    pairs[paired(channels)] = of_pairs
    products = np.einsum("nchw,cd,ndhw->nhw", away, pairs, away, optimize=True)
    return heat + (products - of_pairs @ pair_mean) / places


def enlarged(heat: np.ndarray, size: int) -> np.ndarray:
    """Return heat (N, h, w) spread evenly over the pixels of its places, (N, size, size)."""
    height, width = heat.shape[1:]
    rows, columns = (np.arange(size) * side // size for side in (height, width))
    pixels = np.outer(np.bincount(rows), np.bincount(columns))
    return (heat / pixels)[:, rows][:, :, columns]


def overlaid(images: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return images in grey, red where heat (N, S, S) is positive and blue where it is negative."""
    grey = images.mean(axis=3, keepdims=True) * 0.6 + 90
    heat = gaussian_filter(heat, (0, SMOOTH, SMOOTH))
    strongest = np.quantile(np.abs(heat), 0.99) or 1.0
    share = np.minimum(np.abs(heat) / strongest, 1.0)[..., None]
    colour = np.where(heat[..., None] > 0, HOT, COLD)
    return np.rint(grey * (1 - 0.75 * share) + colour * 0.75 * share).clip(0, 255).astype(np.uint8)
