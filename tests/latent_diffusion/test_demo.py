"""The demo goes on as it began."""

import shutil
from pathlib import Path

import pytest

from latent_diffusion.demo import begun_config
from latent_diffusion.run import Run
from latent_diffusion.training.stages import load_config


def test_settings_are_those_it_began_with(tmp_path):
    run, settings = Run(tmp_path), ["diffusion.training.steps=7", "sampling.guidance=3"]
    with pytest.raises(ValueError, match="no setting"):
        begun_config(run, ["diffusion.training.stops=7"])
    config = begun_config(run, settings)
    assert (config.diffusion.training.steps, config.sampling.guidance) == (7, 3)
    assert begun_config(run, []) == begun_config(run, settings) == config
    with pytest.raises(
        ValueError,
        match=r"began with --set diffusion.training.steps=7 --set sampling.guidance=3.*--run",
    ):
        begun_config(run, ["sampling.guidance=2"])


def test_a_demo_without_settings_takes_none_later(tiny_run, tmp_path):
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    assert begun_config(run, []) == load_config(Path("cartoons_cpu"))
    with pytest.raises(ValueError, match="began with no --set"):
        begun_config(run, ["sampling.guidance=2"])
