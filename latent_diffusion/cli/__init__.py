"""The command line: one thin command per verb, which calls the room that does the work.

Rooms are imported inside the commands, so that --help and prepare never wait for torch. The order
of the modules here is that of the commands in --help.
"""

# isort: off
from latent_diffusion.cli import training as training
from latent_diffusion.cli import distilling as distilling
from latent_diffusion.cli import drawing as drawing
from latent_diffusion.cli import exploring as exploring
from latent_diffusion.cli import scoring as scoring
from latent_diffusion.cli import coursework as coursework
from latent_diffusion.cli import studying as studying
from latent_diffusion.cli import reporting as reporting
from latent_diffusion.cli import verifying as verifying
from latent_diffusion.cli import serving as serving
from latent_diffusion.cli import exporting as exporting

# isort: on
from latent_diffusion.cli.common import main

__all__ = ["main"]
