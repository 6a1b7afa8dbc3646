"""The command line: one thin command per verb, which calls the room that does the work.

Rooms are imported inside the commands, so that --help and prepare never wait for torch. The order of the modules here is
that of the commands in --help.
"""

from latent_diffusion.cli import training, drawing, exploring, scoring, reporting, serving  # noqa: F401, I001
from latent_diffusion.cli.common import main

__all__ = ["main"]
