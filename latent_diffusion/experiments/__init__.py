"""Experiments run for their figures: benchmark, race, ablation, GPU job. scripts/ starts them."""

from latent_diffusion.threads import share_cores

share_cores()  # before torch is loaded
