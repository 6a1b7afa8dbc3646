"""Explorations of a run's latent space: walks, arithmetic, inversion, variation. Each gives arrays of images and a picture of them."""
