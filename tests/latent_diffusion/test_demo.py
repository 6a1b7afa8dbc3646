"""The demo goes on as it began."""

from pathlib import Path

import pytest

from latent_diffusion.config import load_config
from latent_diffusion.demo import refuse_late_settings
from latent_diffusion.run import Run


@pytest.mark.parametrize("setting", ["diffusion.training.steps=7", "sampling.guidance=3", "autoencoder.model.latent_channels=2"])
def test_settings_for_what_has_begun_are_refused(tiny_run, setting):
    with pytest.raises(ValueError, match="begun without it.*--run"):
        refuse_late_settings(Run(tiny_run), load_config(Path("cartoons_cpu"), [setting]), [setting])


def test_the_settings_that_it_began_with_are_welcome_again(tiny_run, tmp_path):
    for setting, run in (("diffusion.training.steps=500", Run(tiny_run)), ("diffusion.training.steps=7", Run(tmp_path))):
        refuse_late_settings(run, load_config(Path("cartoons_cpu"), [setting]), [setting])
