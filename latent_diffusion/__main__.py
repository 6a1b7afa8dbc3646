"""`python -m latent_diffusion` is the same as `ldm`."""

from latent_diffusion.cli import main

main()
