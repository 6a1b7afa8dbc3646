"""Arrays of images, features or probabilities in, scores out: pure functions in float64.

One metric a file, without networks or files: `latent_diffusion.evaluation` brings the arrays, and
anyone else can, too. These modules import nothing but numpy and scipy. What a caller can get wrong
raises ValueError in one line. README.md has the conventions.
"""

from metrics.class_coverage import ClassCoverage, class_coverage
from metrics.conditional_accuracy import conditional_accuracy, confusion_matrix
from metrics.detectability import Detectability, area, detectability
from metrics.extrapolation import Extrapolation, TrendPoint, frechet_extrapolation
from metrics.frechet import frechet_distance
from metrics.inception_score import (
    InceptionScore,
    SplitScore,
    inception_score,
    inception_score_over_splits,
)
from metrics.kernel import KernelDistance, kernel_distance
from metrics.memorization import NearCopies, Neighbours, near_copies, nearest_neighbours
from metrics.precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from metrics.reconstruction import psnr, ssim
from metrics.rubrics import DiversityPoints, diversity_points, linear_points
from metrics.sharpness import edge_energies, energy_ratio, sharpness
from metrics.spectrum import (
    Spectrum,
    channel_covariance,
    correlation,
    effective_rank,
    linear_denoising_error,
    radial_spectrum,
)
from metrics.statistics import Statistics, StatisticsAccumulator, mixture, statistics
from metrics.uncertainty import Interval, binomial_interval, interval, intervals

__all__ = [
    "ClassCoverage",
    "DensityCoverage",
    "Detectability",
    "DiversityPoints",
    "Extrapolation",
    "InceptionScore",
    "Interval",
    "KernelDistance",
    "NearCopies",
    "Neighbours",
    "PrecisionRecall",
    "Spectrum",
    "SplitScore",
    "Statistics",
    "StatisticsAccumulator",
    "TrendPoint",
    "area",
    "binomial_interval",
    "channel_covariance",
    "class_coverage",
    "conditional_accuracy",
    "confusion_matrix",
    "correlation",
    "density_coverage",
    "detectability",
    "diversity_points",
    "edge_energies",
    "effective_rank",
    "energy_ratio",
    "frechet_distance",
    "frechet_extrapolation",
    "inception_score",
    "inception_score_over_splits",
    "interval",
    "intervals",
    "kernel_distance",
    "linear_denoising_error",
    "linear_points",
    "mixture",
    "near_copies",
    "nearest_neighbours",
    "precision_recall",
    "psnr",
    "radial_spectrum",
    "sharpness",
    "ssim",
    "statistics",
]
