"""Arrays of images, features or probabilities in, scores out: pure functions in float64, without networks or files.

One metric a file. `latent_diffusion.evaluation` brings the arrays; anyone else can, too:
these modules import nothing but numpy and scipy. What a caller can get wrong raises ValueError in one line.
"""

from metrics.class_coverage import ClassCoverage, class_coverage
from metrics.conditional_accuracy import class_counts, conditional_accuracy, confusion_matrix
from metrics.frechet import frechet_distance
from metrics.inception_score import InceptionScore, inception_score
from metrics.reconstruction import psnr, ssim
from metrics.sharpness import edge_energy, sharpness
from metrics.statistics import Statistics, StatisticsAccumulator, statistics

__all__ = [
    "ClassCoverage",
    "InceptionScore",
    "Statistics",
    "StatisticsAccumulator",
    "class_counts",
    "class_coverage",
    "conditional_accuracy",
    "confusion_matrix",
    "edge_energy",
    "frechet_distance",
    "inception_score",
    "psnr",
    "sharpness",
    "ssim",
    "statistics",
]
