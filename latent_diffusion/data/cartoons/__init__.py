"""Cartoons, the embedded data set: eleven species in flat pastel vector style, drawn by our code.

draw("cat", seed=1)          uint8 (64, 64, 3), the same pixels on every machine
draw_flawed("cat", 1, "an eye moved", 4.0)   the same drawing with one thing wrong
write_files(folder, 22_000)  the layout of the synth-cute repository
"""

from latent_diffusion.data.cartoons.files import prompt, species_and_seed, write_files
from latent_diffusion.data.cartoons.flaws import FLAWS
from latent_diffusion.data.cartoons.picture import draw, draw_flawed
from latent_diffusion.data.cartoons.species import SPECIES

__all__ = ["FLAWS", "SPECIES", "draw", "draw_flawed", "prompt", "species_and_seed", "write_files"]
