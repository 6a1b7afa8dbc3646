"""Explorations of a run's latent space: walks, arithmetic, inversion, variation.

Each gives arrays of images and a sheet of them; the commands of the same names call them.
"""

# Steps of Heun's method for an inversion: the way to noise and back loses hundredths of a decibel.
INVERSION_STEPS = 50
# Rows of a network call for the handful of real images that one looks at: a run's own compute batch
# would be mostly padding.
SMALL_COMPUTE_BATCH = 16
