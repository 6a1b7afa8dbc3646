"""All of it in one go: planned in minutes, stopped and resumed, given more minutes; the demo."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latent_diffusion.config import part_path
from latent_diffusion.distributed import World
from latent_diffusion.run import Interrupted, Run, configs_folder
from latent_diffusion.training import timing
from latent_diffusion.training.stages import load_config, resumed_config
from latent_diffusion.workflow import Order, ending, forecast, look, run_demo, run_train, work

MINUTES = 0.3
SHARES = """
minutes = 0.3
[autoencoder.training]
minutes = 0.05
[classifier.training]
minutes = 0.05
[diffusion.training]
minutes = 0.1
"""


@pytest.fixture
def order(shapes, tiny_config, tmp_path, monkeypatch):
    """All of it for the shapes, in seconds."""
    monkeypatch.setattr(forecast, "SAMPLES", (30,))
    monkeypatch.setattr(forecast, "SECONDS_OF_STATISTICS", 1.0)
    monkeypatch.setattr(timing, "MOST_SECONDS", 0.2)
    config = tmp_path / "short.toml"
    config.write_text(f'extends = "{tiny_config}"\n{SHARES}')
    return Order(source=str(shapes), minutes=MINUTES, config=str(config))


def steps(run: Path) -> int:
    return resumed_config(Run(run).diffusion).diffusion.training.steps


def stopped(*_):
    raise Interrupted("stopped")


def test_all_of_it_then_more_minutes(order, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    run_train(order, run, "cpu", resume=False, plan_only=False)
    shown = capsys.readouterr().out
    for words in ("0.3 minutes on cpu", "stage one", "the judge", "stage two", "all of it took"):
        assert words in shown
    assert len(list((run / "samples").glob("*.png"))) == 30 + 1  # the grid
    assert (run / "preview.png").is_file() and "0:18 minutes in all" in shown
    assert (run / "samples.png").is_file() and (run / "reconstructions.png").is_file()
    scores = json.loads((run / "scores.json").read_text())
    assert any("samples" in name for name in scores)
    with pytest.raises(ValueError, match=r"begun already.*--resume"):
        run_train(order, run, "cpu", resume=False, plan_only=False)
    before, autoencoder = steps(run), Run(run).autoencoder.checksum()
    other = order.model_copy(update={"minutes": 30.0})  # what the command line has by default
    more = {"resume": True, "plan_only": False, "minutes": MINUTES + 0.15}
    with monkeypatch.context() as patch:
        patch.setattr(work, "sample_preview", lambda *_: stopped)
        with pytest.raises(Interrupted):
            run_train(other, run, "cpu", **more)
    run_train(other, run, "cpu", resume=True, plan_only=False)  # no minutes: as it was begun
    assert Order.read(Run(run)).minutes == MINUTES + 0.15
    assert steps(run) > before and Run(run).autoencoder.checksum() == autoencoder
    assert f"resuming after step {before}" in capsys.readouterr().out


def test_costs_are_measured_again_when_stage_two_begins(order, shapes, tmp_path, monkeypatch):
    run, given = Run(tmp_path / "run"), []
    one = work.Work(run, order, torch.device("cpu"))
    one.forecast = SimpleNamespace(stage_two=lambda _: 99.0)  # of a machine that was busy then
    monkeypatch.setattr(work.Forecast, "stage_two", lambda *_: 0.07)
    monkeypatch.setattr(work, "sample_preview", lambda *_: None)
    monkeypatch.setattr(work, "train_diffusion", lambda _run, _data, stage, *_: given.append(stage))
    one.stage_two(one.data)
    assert given[0].training.minutes == 0.07


def test_a_longer_stage_two_that_was_not_written_is_not_finished(
    tiny_run, tiny_config, shapes, tmp_path, ldm
):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    order = Order(source=str(shapes), minutes=MINUTES, config=str(tiny_config))
    part, shorter = Run(run).diffusion, (run / "diffusion" / "model.safetensors").read_bytes()

    def is_unfinished() -> bool:
        one = object.__new__(work.Work)
        one.run, one.order = Run(run), order
        return one.is_unfinished()

    assert not is_unfinished()
    more = ["--data", shapes, "--run", run, "--resume", "--set", "diffusion.training.steps=505"]
    assert ldm("train-diffusion", *more)[0] == 0
    longer = part.model_path.read_bytes()
    assert not is_unfinished() and longer != shorter
    part.model_path.write_bytes(shorter)  # killed after its last checkpoint
    assert is_unfinished()
    assert ldm("train-diffusion", *more)[0] == 0
    assert part.model_path.read_bytes() == longer and not is_unfinished()


def test_an_interrupted_one_goes_on_with_its_plan(order, tmp_path, monkeypatch, capsys):
    run, folder = tmp_path / "run", Run(tmp_path / "run")

    def stop(*_):
        raise Interrupted("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(work, "train_diffusion", stop)
        with pytest.raises(Interrupted, match="--resume"):
            run_train(order, run, "cpu", resume=False, plan_only=False)
    kept = Order.read(folder)
    assert kept and kept.spent > 1 and kept.source == order.source
    before = folder.autoencoder.checksum()
    run_train(order, run, "cpu", resume=True, plan_only=False)
    assert folder.autoencoder.checksum() == before and folder.diffusion.trained
    assert Order.read(folder).spent > kept.spent
    assert "already in" in capsys.readouterr().out


def test_a_plan_is_only_a_plan_and_a_config(order, tmp_path, capsys):
    run = tmp_path / "run"
    run_train(order, run, "cpu", resume=False, plan_only=True)
    assert "about" in capsys.readouterr().out
    assert not Run(run).autoencoder.config_path.exists() and not (run / "order.json").exists()
    plan = load_config(run / "plan.toml")
    assert plan.autoencoder.training.minutes == pytest.approx(0.05)
    assert plan.minutes == MINUTES


def test_a_config_without_minutes_is_refused(order, tiny_config, tmp_path):
    without = order.model_copy(update={"config": str(tiny_config)})
    with pytest.raises(ValueError, match="minutes"):
        run_train(without, tmp_path / "run", "cpu", resume=False, plan_only=False)
    assert not (tmp_path / "run").exists()


def test_a_source_that_cannot_be_read_begins_nothing(order, tmp_path):
    wrong = order.model_copy(update={"source": str(tmp_path / "nowhere")})
    for _ in range(2):  # the second is not refused as begun already
        with pytest.raises(ValueError, match="no such file or folder"):
            run_train(wrong, tmp_path / "run", "cpu", resume=False, plan_only=False)
    assert Order.read(Run(tmp_path / "run")) is None


@pytest.mark.parametrize("name", ["own_cpu", "own_gpu"])
def test_the_general_configs_can_be_planned(name):
    from latent_diffusion.training.planning import minutes_of, planned

    config = planned(load_config(Path(name)), 30)
    stages = config.autoencoder, config.classifier, config.diffusion
    assert 0.9 * 30 < sum(map(minutes_of, stages)) + 3 < 1.3 * 30


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """Crops of a photograph of a cat, uint8 (32, 64, 64, 3)."""
    from skimage.data import chelsea

    random = np.random.default_rng(0)
    corners = zip(random.integers(0, 200, 32), random.integers(0, 350, 32), strict=True)
    return np.stack([chelsea()[y : y + 64, x : x + 64] for y, x in corners])


def test_what_is_drawn_is_flat_but_for_outlines(photographs):
    from latent_diffusion.data.sources.cartoons import cartoons_beyond

    drawn, _ = cartoons_beyond(0, ("cat", "fish", "gecko"), 64, 24)
    assert look.evenness(photographs) > look.DRAWN + 0.1
    assert look.evenness(drawn) < look.DRAWN - 0.1
    assert look.evenness(np.full((2, 64, 64, 3), 7, np.uint8)) == 0


def test_the_plan_is_chosen_by_a_look_and_kept(order, shapes, tmp_path, monkeypatch, capsys):
    order = order.model_copy(update={"config": None, "minutes": 30.0})
    run = Run(tmp_path / "run")
    for drawn, channels in ((False, 8), (True, 4)):
        one = work.Work(run, order, torch.device("cpu"))
        one.choose_config(drawn)
        assert one.config.autoencoder.model.latent_channels == channels
        said = " ".join(capsys.readouterr().out.split())
        assert said.endswith("the plan is own_cpu with drawn" if drawn else "the plan is own_cpu")
    one.order.write(run)
    monkeypatch.setattr(work, "are_drawn", None)
    again = work.Work(run, Order.read(run), torch.device("cpu"))
    again.choose()
    assert again.config == one.config


@pytest.mark.parametrize(
    ("size", "drawn", "parts"),
    [
        (64, False, []),
        (64, True, ["drawn"]),
        (128, False, ["large"]),
        (128, True, ["drawn", "large"]),
    ],
)
def test_large_pictures_have_parts_of_their_own(size, drawn, parts):
    assert look.parts_for(size, drawn) == parts
    model = load_config(Path("own_cpu"), [], None, *map(part_path, parts)).autoencoder.model
    assert (model.factor == 8) == (size > 64) and (model.latent_channels == 8) == (
        size > 64 or not drawn
    )


def test_the_nearest_that_was_measured_is_itself():
    recorded = json.loads((configs_folder() / "measured.json").read_text())["measured"]
    readme = (configs_folder() / "README.md").read_text()
    for entry in recorded:
        assert entry["data"] in readme and entry["where"].split(", ")[1] in readme
        info = SimpleNamespace(train=entry["images"], image_size=entry["size"])
        said = look.nearest_measured(SimpleNamespace(info=info), entry["drawn"], entry["minutes"])
        assert f"{entry['data']}, {entry['images']:,} pictures" in said
        assert f"{entry['minutes']:g} minutes" in said


def test_a_slow_machine_scores_fewer_samples(order, shapes, tmp_path, monkeypatch):
    from latent_diffusion.data.store import Dataset

    data, config = Dataset.open(shapes), load_config(Path(order.config))
    counts = {}
    for seconds in (0.001, 0.15, 5.0):
        one = forecast.Forecast(Run(tmp_path), data, config, 10.0, World(0, 1, torch.device("cpu")))
        one.measured = forecast.Cost(1.0, seconds / 2, seconds / 2, 1.0)
        monkeypatch.setattr(forecast, "SAMPLES", (1000, 500, 250))
        counts[seconds] = one.samples
    assert counts == {0.001: 1000, 0.15: 500, 5.0: 250}


def test_guidance_is_chosen_once_for_what_was_trained(
    order, tiny_run, tmp_path, monkeypatch, capsys
):
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    run, taken = Run(folder), []
    order.write(run)
    one = work.Work(run, order, torch.device("cpu"))
    one.forecast = SimpleNamespace(swept=50)
    one.choose_guidance()
    said = capsys.readouterr().out
    assert "which guidance? 50 samples" in said and "guidance is" in said
    assert (folder / "sweep" / "sweep.json").is_file()
    assert Order.read(run).swept == run.checksum()
    monkeypatch.setattr(work, "sweep", lambda *_, **__: taken.append(1))
    again = work.Work(run, Order.read(run), torch.device("cpu"))
    again.forecast = one.forecast
    again.choose_guidance()
    assert not taken
    again.order.swept = "of other networks"
    again.choose_guidance()
    assert taken


@pytest.mark.parametrize("name", ["own_cpu", "own_gpu", "cartoons_cpu"])
def test_few_steps_are_for_a_narrower_unet(name):
    model = load_config(Path(name)).diffusion.model
    for drawn, fewest in forecast.HALF_BELOW.items():
        assert forecast.narrower(model, fewest, drawn) == []
        found = forecast.narrower(model, fewest - 1, drawn)
        assert found == [width / 2 for width in model.widths]
        type(model).model_validate(model.model_dump() | {"widths": found})
    assert forecast.narrower(model, None, drawn=True) == []


def test_a_narrower_unet_is_chosen_once_and_kept(order, tmp_path, capsys):
    own = order.model_copy(update={"config": None, "minutes": 30.0, "chosen": ["drawn"]})
    run, steps = Run(tmp_path / "run"), SimpleNamespace(steps_of_stage_two=lambda _: 1.0)
    one = work.Work(run, own, torch.device("cpu"))
    one.forecast = steps
    one.choose_widths(drawn=True)
    assert one.config.diffusion.model.widths == (32, 64, 64)
    assert "[32, 64, 64]" in capsys.readouterr().out and "forecast" not in vars(one)
    one.order.write(run)
    again = work.Work(run, Order.read(run), torch.device("cpu"))
    again.choose()
    assert again.config == one.config
    for given in ({"config": "own_cpu"}, {"settings": ["diffusion.model.blocks=2"]}):
        other = work.Work(run, own.model_copy(update=given), torch.device("cpu"))
        other.forecast = steps
        other.choose_widths(drawn=True)
        assert other.order.widths == []


@pytest.mark.parametrize(
    ("changed", "sweeping"),
    [
        ({}, True),
        ({"config": "own_cpu"}, False),
        ({"settings": ["sampling.guidance=2"]}, False),
        ({"settings": ["diffusion.label_dropout=0.2"]}, True),
    ],
)
def test_guidance_that_was_given_stays(order, tmp_path, monkeypatch, changed, sweeping):
    order = order.model_copy(update={"config": None, "minutes": 30.0, **changed})
    run = Run(tmp_path / "run")
    monkeypatch.setattr(work.Work, "choose_widths", lambda *_: None)
    one = work.Work(run, order, torch.device("cpu"))
    one.choose()
    assert one.forecast.sweeping == sweeping
    order.write(run)  # as an earlier version began it
    begun = work.Work(run, Order.read(run), torch.device("cpu"))
    begun.choose()
    assert not begun.forecast.sweeping


def test_what_leaves_too_little_time_is_left_out(order, shapes, tmp_path):
    from latent_diffusion.data.store import Dataset

    data, config, found = Dataset.open(shapes), load_config(Path(order.config)), {}
    for draw in (0.001, 0.05, 5.0):
        world = World(0, 1, torch.device("cpu"))
        one = forecast.Forecast(Run(tmp_path), data, config, 15.0, world, sweeping=True)
        one.measured = forecast.Cost(1.0, draw, draw, 1.0)
        found[draw] = (one.swept, one.seconds_of_report > 0)
        others = one.seconds_of_scores + one.seconds_of_report + one.sweep_seconds(one.swept)
        assert one.seconds_after == others
    assert found == {0.001: (500, True), 0.05: (300, True), 5.0: (0, False)}


def test_the_page_has_the_scores_of_the_samples(tiny_run, shapes, tmp_path, capsys):
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    ending.sample_and_score(run, 40, "cpu", shapes)
    said = "".join(capsys.readouterr().out.split())
    assert f"allofitinonepage:{run.folder / 'report.html'}" in said
    page = (run.folder / "report.html").read_text()
    recorded = json.loads((run.folder / "scores.json").read_text())
    assert str((run.folder / "samples").resolve()) in recorded
    assert not [name for name in recorded if "(report" in name]  # nothing was drawn and scored anew
    assert "40 samples, compared with" in page and "near copy" in page


def test_a_short_stage_two_is_said_with_what_would_be_enough(order, shapes, tmp_path, monkeypatch):
    from latent_diffusion.data.store import Dataset

    data, config = Dataset.open(shapes), load_config(Path(order.config))
    one = forecast.Forecast(Run(tmp_path), data, config, 10.0, World(0, 1, torch.device("cpu")))
    one.measured = forecast.Cost(1.0, 0.001, 0.001, 1.0)
    monkeypatch.setattr(forecast, "seconds_per_step", lambda *_: 1.2)
    said = one.advice(spent=60.0)
    assert said and "only about" in said
    assert int(said.split("--minutes ")[1].split()[0]) > 20  # 1,000 steps of 1.2 s
    monkeypatch.setattr(forecast, "seconds_per_step", lambda *_: 0.1)
    assert one.advice(spent=60.0) is None


def test_early_stages_take_the_root_of_a_longer_time(order):
    config = load_config(Path(order.config))
    from latent_diffusion.training.planning import planned

    four, half = planned(config, 4 * MINUTES), planned(config, MINUTES / 2)
    assert four.classifier.training.minutes == pytest.approx(2 * 0.05)
    assert four.diffusion.training.minutes == pytest.approx(4 * 0.1)
    assert half.classifier.training.minutes == pytest.approx(0.5 * 0.05)


def test_a_demo_goes_on_with_the_settings_it_began_with(tiny_run, tmp_path, monkeypatch):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    settings = ["diffusion.training.steps=7", "sampling.guidance=3"]
    (run / "demo.json").write_text(json.dumps({"settings": settings}))  # of an earlier version
    with pytest.raises(
        ValueError,
        match=r"began with --set diffusion.training.steps=7 --set sampling.guidance=3.*--run",
    ):
        run_demo(run, "cpu", ["sampling.guidance=2"])
    taken = []
    monkeypatch.setattr(work, "work_on", lambda run, order, *_: taken.append(order))
    run_demo(run, "cpu", [])
    run_demo(run, "cpu", settings)
    assert [order.settings for order in taken] == [settings, settings]
    assert taken[0].source.startswith("cartoons:") and taken[0].config == "cartoons_cpu"
    assert load_config(Path(taken[0].config)).minutes == taken[0].minutes


def test_a_demo_of_unknown_settings_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="no setting"):
        run_demo(tmp_path / "run", "cpu", ["diffusion.training.stops=7"])
    assert not (tmp_path / "run" / "order.json").exists()
