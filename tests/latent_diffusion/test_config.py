"""The configs that come with the project, and how a config is found, read and recorded."""

from pathlib import Path

import pytest

from latent_diffusion.config import find, read_extended
from latent_diffusion.parsing import read_toml
from latent_diffusion.run import Run, configs_folder
from latent_diffusion.training.stages import Config, load_config, resumed_config

OWN = sorted(configs_folder().glob("*.toml"))
PARTS = sorted((configs_folder() / "parts").glob("*.toml"))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_config_of_ours_is_valid_and_complete(path):
    config = load_config(path)
    written = read_extended(path)
    for stage in ("autoencoder", "classifier", "diffusion"):
        training = set(written[stage]["training"])
        assert training >= {"batch_size", "learning_rate"} and training & {"steps", "minutes"}, (
            stage
        )
        assert "model" in written[stage]
        assert "minutes" not in training or config.minutes, "ldm train knows what they are of"
    assert config.autoencoder.perceptual != "lpips", "a default never needs pretrained weights"


def test_a_setting_inside_of_a_table_leaves_the_others_as_declared(tmp_path):
    (tmp_path / "empty.toml").write_text("")
    declared, changed = Config(), load_config(tmp_path / "empty.toml", [], "float32")
    training = changed.autoencoder.perceptual_classifier.training
    assert training == declared.autoencoder.perceptual_classifier.training.model_copy(
        update={"precision": "float32"}
    )
    assert training.steps == 600 and changed.autoencoder.perceptual_classifier.model.widths == (
        32,
        64,
        128,
    )


def test_the_general_configs_are_there():
    assert {"own_cpu", "own_gpu", "cartoons_cpu"} <= {path.stem for path in OWN}


def test_a_config_of_ours_is_found_by_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        find(Path("cartoons_cpu"))
        == find(Path("configs/cartoons_cpu.toml"))
        == configs_folder() / "cartoons_cpu.toml"
    )
    (tmp_path / "cartoons_cpu.toml").write_text("")
    assert find(Path("cartoons_cpu.toml")) == Path(
        "cartoons_cpu.toml"
    )  # one's own file comes first
    with pytest.raises(ValueError, match="own_cpu"):
        find(Path("elsewhere/cartoons_cpu.toml"))


def write(path, text):
    path.write_text(text)
    return path


def test_a_config_holds_only_what_differs_from_the_one_it_extends(tmp_path):
    write(tmp_path / "base.toml", "[diffusion.training]\nsteps = 7\nbatch_size = 9\n")
    middle = 'extends = "base.toml"\n[diffusion.training]\nsteps = 8\n[sampling]\nguidance = 3\n'
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner" / "middle.toml", middle.replace("base", "../base"))
    last = write(
        tmp_path / "last.toml",
        'extends = "inner/middle.toml"\n[diffusion.training]\nlearning_rate = 0.5\n',
    )
    config = load_config(last, ["sampling.guidance=4"])
    training = config.diffusion.training
    assert (training.steps, training.batch_size, training.learning_rate) == (8, 9, 0.5)
    assert config.sampling.guidance == 4, "--set wins over every file"
    assert load_config(last).sampling.guidance == 3
    assert config.diffusion.model == Config().diffusion.model, "the rest is as declared"


def test_a_config_extends_one_of_ours_by_name(tmp_path):
    mine = write(tmp_path / "own_gpu.toml", 'extends = "own_gpu"\n[diffusion.model]\nblocks = 5\n')
    ours = load_config(Path("configs/own_gpu")).model_dump()
    assert ours["diffusion"]["model"].pop("blocks") != 5
    changed = load_config(mine).model_dump()
    assert changed["diffusion"]["model"].pop("blocks") == 5 and changed == ours


def test_another_network_takes_none_of_the_settings_of_the_one_below(tmp_path):
    model = '[diffusion.model]\nkind = "dit"\ndepth = 3\n'
    mine = write(tmp_path / "mine.toml", f'extends = "own_cpu"\n{model}')
    config = load_config(mine)
    assert (config.diffusion.model.kind, config.diffusion.model.depth) == ("dit", 3)
    assert config.diffusion.training == load_config(Path("own_cpu")).diffusion.training


def test_extends_finds_the_configs_inside_of_a_wheel(tmp_path, monkeypatch):
    wheel = tmp_path / "site-packages" / "latent_diffusion"
    (wheel / "configs").mkdir(parents=True)
    write(wheel / "configs" / "small.toml", "[diffusion.training]\nsteps = 3\n")
    monkeypatch.setattr("latent_diffusion.run.__file__", str(wheel / "run.py"))
    mine = write(tmp_path / "mine.toml", 'extends = "small"\n')
    assert load_config(mine).diffusion.training.steps == 3


@pytest.mark.parametrize("name", ["own_gp", "nowhere/own_gpu.toml", "", 3, {}])
def test_what_cannot_be_extended_is_refused_with_what_can(name, tmp_path):
    mine = write(tmp_path / "mine.toml", f"extends = {name!r}\n")
    with pytest.raises(ValueError, match=r"mine\.toml: extends = .*cartoons.*own_gpu") as refused:
        load_config(mine)
    assert "\n" not in str(refused.value) and repr(name) in str(refused.value)


def test_a_list_is_laid_one_over_the_other(tmp_path):
    write(tmp_path / "a.toml", "[sampling]\nguidance = 3\nsteps = 5\n")
    write(tmp_path / "b.toml", "[sampling]\nguidance = 4\n")
    mine = write(tmp_path / "mine.toml", 'extends = ["own_cpu", "drawn", "a.toml", "b.toml"]\n')
    config, drawn = load_config(mine), load_config(configs_folder() / "parts" / "drawn.toml")
    assert (config.sampling.guidance, config.sampling.steps) == (4, 5)
    assert config.autoencoder.loss.latent_noise == drawn.autoencoder.loss.latent_noise
    assert config.diffusion.model == load_config(Path("own_cpu")).diffusion.model
    wrong = write(tmp_path / "wrong.toml", 'extends = ["own_cpu", "own_gp"]\n')
    with pytest.raises(ValueError, match=r"extends = 'own_gp' is neither"):
        load_config(wrong)


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_a_part_goes_over_both_general_configs(path):
    for general in ("own_cpu", "own_gpu"):
        assert load_config(Path(general), [], None, path) != load_config(Path(general))
    with pytest.raises(ValueError, match="there is no config at"):
        find(Path(path.stem))


def test_configs_that_extend_each_other_are_refused(tmp_path):
    first = write(tmp_path / "first.toml", 'extends = "second.toml"\n')
    write(tmp_path / "second.toml", 'extends = "first.toml"\n')
    with pytest.raises(ValueError, match=r"first\.toml -> second\.toml -> first\.toml"):
        load_config(first)
    alone = write(tmp_path / "alone.toml", 'extends = "alone.toml"\n')
    with pytest.raises(ValueError, match="extends goes in a circle"):
        load_config(alone)


def test_a_run_records_the_whole_config(tiny_run, tiny_config):
    recorded = resumed_config(Run(tiny_run).diffusion)
    given = load_config(tiny_config)
    fitted = {"noise_levels": recorded.diffusion.noise_levels}  # auto in what was given
    assert recorded.diffusion == given.diffusion.model_copy(update=fitted)
    first = {"sigma_max": recorded.sampling.sigma_max}
    assert recorded.sampling == given.sampling.model_copy(update=first)
    assert all(isinstance(v, float) for v in (*fitted["noise_levels"].model_dump().values(),))
    assert isinstance(first["sigma_max"], float)
    table = read_toml(Run(tiny_run).diffusion.config_path)
    known = set(type(given.diffusion.training).model_fields) - {"minutes"}  # it was given steps
    assert set(table["diffusion"]["training"]) == known
    assert table["data"]["class_names"] == ["cross", "disk", "square"]


def test_settings_are_read_as_toml_or_text(tiny_config):
    config = load_config(
        tiny_config,
        ["diffusion.model.widths=[16, 32]", "sampling.sampler=heun", "sampling.guidance=2"],
        "float32",
    )
    assert config.diffusion.model.widths == (16, 32)
    assert (config.sampling.sampler, config.sampling.guidance) == ("heun", 2.0)
    assert config.classifier.training.precision == "float32"


def test_settings_without_a_file_are_the_defaults():
    assert Config() == Config.model_validate({})


@pytest.mark.parametrize("part", ["autoencoder", "classifier", "autoencoder.perceptual_classifier"])
def test_snapshots_are_refused_where_nothing_reads_them(part, tiny_config):
    with pytest.raises(
        ValueError, match=f"{part}.training.snapshots: only diffusion.training takes snapshots"
    ):
        load_config(tiny_config, [f"{part}.training.snapshots=8"])
    assert (
        load_config(tiny_config, ["diffusion.training.snapshots=8"]).diffusion.training.snapshots
        == 8
    )


def test_classes_may_be_called_anything(tiny_config):
    """A class called "kind" chooses no other kind of model."""
    settings = ["sampling.class_guidance.a=3", "sampling.class_guidance.kind=2"]
    config = load_config(tiny_config, [*settings, "sampling.class_guidance.kind=4"])
    assert config.sampling.class_guidance == {"a": 3.0, "kind": 4.0}


def test_the_later_of_two_names_of_a_setting_wins(tiny_config, tmp_path):
    settings = [f"diffusion.training.{name}" for name in ("average_length=0.06", "ema_length=0.1")]
    for order in (settings, settings[::-1]):
        found = load_config(tiny_config, order).diffusion.training.ema_length
        assert f"{found:g}" == order[-1].partition("=")[2]
    both = tmp_path / "both.toml"
    both.write_text("[diffusion.training]\nema_length = 0.1\naverage_length = 0.06\n")
    with pytest.raises(ValueError, match="average_length is the earlier name of ema_length"):
        load_config(both)


@pytest.mark.parametrize("name", ["own_cpu", "own_cpu.toml", "configs/own_cpu"])
def test_a_config_of_ours_is_extended_as_the_command_line_spells_it(tmp_path, name):
    mine = tmp_path / "mine.toml"
    mine.write_text(f'extends = "{name}"\n')
    assert load_config(mine) == load_config(Path("own_cpu"))
