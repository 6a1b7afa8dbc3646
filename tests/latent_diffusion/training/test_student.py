"""`ldm distill`: a student that learns its teacher's way, resumes exactly, and knows its limits."""

import dataclasses
import shutil
import tomllib
from itertools import pairwise

import numpy as np
import pytest
import torch

from latent_diffusion import Pipeline
from latent_diffusion.denoiser.unet import UNet, UNetConfig
from latent_diffusion.distributed import World
from latent_diffusion.loading import has_student
from latent_diffusion.run import Run
from latent_diffusion.sampling.fast import MOST_STEPS
from latent_diffusion.sampling.generate import generate_latents, guided_by
from latent_diffusion.sampling.samplers import dpmpp_2m
from latent_diffusion.training.stage import FRESH, Start
from latent_diffusion.training.stages import configured, resumed_config
from latent_diffusion.training.student import TRAJECTORIES, shaped, train_student
from latent_diffusion.training.trajectories import (
    FIRST_SEED,
    JumpRows,
    Plan,
    draw,
    jumps,
    kept_trajectories,
)

WORLD = World(0, 1, torch.device("cpu"))
SHORT = [
    *(f"student.training.{one}" for one in ("steps=30", "checkpoint_every=10", "preview_every=5")),
    "student.passes=20",
]
SEEDS, LABELS = list(range(1, 25)), [seed % 3 for seed in range(24)]


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def teacher(tiny_run) -> Pipeline:
    return Pipeline.from_run(tiny_run, "cpu", "float32")


@pytest.fixture(scope="module")
def student(taught_run) -> Pipeline:
    return Pipeline.from_run(taught_run, "cpu", "float32", fast=True)


@pytest.fixture
def run(tiny_run, tmp_path) -> Run:
    return Run(shutil.copytree(tiny_run, tmp_path / "run"))


def plan_of(pipe: Pipeline, student: Pipeline) -> Plan:
    return Plan(student.sampling, pipe.autoencoder.latent_shape, "float32", pipe.checksum)


def train(run, settings=SHORT, start=FRESH, preview=None):
    stage = configured({}, settings, "float32", "test").student
    train_student(run, stage, WORLD, start, preview)


def latents(pipe: Pipeline, **settings) -> torch.Tensor:
    config = pipe.configured(**settings)
    shape = pipe.autoencoder.latent_shape
    *_, last = generate_latents(pipe.denoiser, shape, SEEDS, LABELS, config, "float32")
    return last


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).square().mean().item()


@pytest.mark.parametrize("steps", [1, 2])
def test_it_ends_nearer_its_teachers_latents_than_as_many_steps_of_its_teacher(
    teacher, student, steps
):
    wanted = latents(teacher, steps=4, guidance=2.0)
    hurried = latents(teacher, steps=steps, guidance=2.0, sampler="ddim")
    assert distance(latents(student, steps=steps, guidance=2.0), wanted) < 0.8 * distance(
        hurried, wanted
    )


def test_classes_have_a_guidance_of_their_own(student):
    name = student.facts.class_names[1]
    both = latents(student, guidance=1.5, class_guidance={name: 3.0})
    own, rest = latents(student, guidance=3.0), latents(student, guidance=1.5)
    rows = np.array(LABELS) == 1
    assert torch.equal(both[rows], own[rows]) and torch.equal(both[~rows], rest[~rows])
    assert not torch.equal(own, rest)


def test_one_evaluation_a_step(student, monkeypatch):
    calls = []
    forward = student.denoiser.forward
    monkeypatch.setattr(
        student.denoiser, "forward", lambda *rows: calls.append(len(rows[0])) or forward(*rows)
    )
    config = student.configured(steps=3, guidance=2.5)
    batch = config.compute_batch
    student.generate(SEEDS[:batch], LABELS[:batch], config)
    assert calls == [batch] * 3 and config.evaluations == 3


@pytest.mark.parametrize("killed_at", [5, 25])
def test_a_killed_training_resumes_to_the_same_weights_bit_for_bit(run, tmp_path, killed_at):
    def kill(model, step):
        if step == killed_at:
            raise Killed

    whole = Run(shutil.copytree(run.folder, tmp_path / "whole"))
    train(whole)
    with pytest.raises(Killed):
        train(run, preview=kill)
    resume = run.student.checkpoint_path.is_file()
    assert resume == (killed_at > 10)
    train(run, start=Start(resume=resume))
    for name in ("model.safetensors", f"checkpoint/{TRAJECTORIES}"):
        assert (whole.student.folder / name).read_bytes() == (
            run.student.folder / name
        ).read_bytes()


def test_minutes_are_fixed_when_it_begins(run, ldm):
    status, output, errors = ldm("distill", run.folder, "--minutes", "0.1", "--device", "cpu")
    assert status == 0 and "in the 0:06 minutes that it is given" in output, errors
    begun = resumed_config(run.student).student.training
    assert begun.minutes == 0.1 and begun.steps < 5000
    status, output, errors = ldm("distill", run.folder, "--resume", "--device", "cpu")
    assert status == 0 and resumed_config(run.student).student.training == begun, errors


def test_a_longer_training_draws_only_the_trajectories_that_it_lacks(run, ldm):
    train(run)
    path = run.student.folder / "checkpoint" / TRAJECTORIES
    before = path.read_bytes()
    more = ["--set", "student.training.steps=200", "--device", "cpu"]
    status, output, errors = ldm("distill", run.folder, "--resume", *more)
    assert status == 0 and "resuming after step 30 of 200" in output, errors
    assert "trajectories of the teacher: 45 of 45" in output
    assert len(path.read_bytes()) > len(before)


def test_a_trajectory_depends_on_its_number_alone(teacher, student, tmp_path):
    plan = plan_of(teacher, student)
    many, few = draw(teacher.denoiser, plan, 0, 5), draw(teacher.denoiser, plan, 3, 1)
    assert np.array_equal(many.states[3], few.states[0]) and many.labels[3] == few.labels[0]
    assert np.isfinite(many.states).all() and len(set(many.guidance)) == 5
    path = tmp_path / "drawn.safetensors"
    first = kept_trajectories(path, teacher.denoiser, plan, 5)
    path.write_bytes(path.read_bytes()[:-9])  # cut short: drawn again
    assert np.array_equal(kept_trajectories(path, teacher.denoiser, plan, 5).states, first.states)


def test_rows_are_the_jumps_of_all_numbers_of_steps(teacher, student):
    plan = plan_of(teacher, student)
    drawn = draw(teacher.denoiser, plan, 0, 3)
    rows, each = JumpRows(drawn, plan.levels, WORLD.device), len(jumps())
    assert len(rows) == 3 * each
    x, sigma, labels, guidance, following, target = rows(np.arange(each, 2 * each))
    found = set(zip(sigma.tolist(), following.tolist(), strict=True))
    asked = {
        (np.float32(begin), np.float32(end))
        for steps in range(1, MOST_STEPS + 1)
        for begin, end in pairwise(student.configured(steps=steps).levels)
    }
    assert found == asked
    assert set(labels.tolist()) == {drawn.labels[1]} and (guidance == drawn.guidance[1]).all()
    for row in range(each):
        for states, level in ((x, sigma), (target, following)):
            number = [np.float32(one) for one in plan.levels].index(level[row].item())
            assert np.array_equal(states[row].half(), drawn.states[1, number])


def test_between_kept_levels_the_teacher_does_several_steps(teacher, student):
    plan = dataclasses.replace(plan_of(teacher, student), parts=3)
    assert len(plan.visited) == 3 * 3 + 2 and plan.visited[::3][:3] == pytest.approx(
        plan.levels[:3]
    )
    fine, coarse = (
        draw(teacher.denoiser, one, 0, 4).states.astype(np.float32)
        for one in (plan, plan_of(teacher, student))
    )
    assert fine.shape == coarse.shape and np.array_equal(fine[:, 0], coarse[:, 0])
    assert 0 < np.square(fine - coarse)[:, -1].mean() < 1
    levels, kept = plan.visited, fine[:, 1]
    denoise = guided_by(teacher.denoiser, *labelled(teacher, plan), student.sampling, "float32")
    states = dpmpp_2m(denoise, torch.from_numpy(fine[:, 0]), levels, None)
    np.testing.assert_allclose(kept, list(states)[2], rtol=2e-3, atol=0.03)


def labelled(teacher, plan):
    drawn = draw(teacher.denoiser, plan, 0, 4)
    return drawn.labels.tolist(), drawn.guidance.tolist()


def test_trajectories_are_those_of_four_steps_of_the_teacher(teacher, student):
    plan = plan_of(teacher, student)
    drawn = draw(teacher.denoiser, plan, 5, 1)
    config = teacher.configured(steps=4, guidance=float(drawn.guidance[0]))
    shape = teacher.autoencoder.latent_shape
    seeds, labels = [FIRST_SEED + 5], drawn.labels.tolist()
    states = generate_latents(teacher.denoiser, shape, seeds, labels, config, "float32")
    for number, state in enumerate(states, 1):
        np.testing.assert_allclose(drawn.states[:, number], state, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "14"], "takes 1 to 4 steps"),
        (["--guidance", "9"], "guidance from 1 to 4"),
        (["--class-guidance", "disk=0"], "guidance from 1 to 4"),
        (["--sampler", "heun"], "has sampler = ddim baked in"),
        (["--epsilon-scale", "1.01"], "has epsilon_scale = 1.0 baked in"),
        (["--guidance-interval", "0.2-5"], "has guidance_interval = all baked in"),
        (["--ema", "0.1"], "one EMA"),
    ],
)
def test_what_is_baked_in_is_refused_in_one_line(taught_run, tmp_path, ldm, options, words):
    status, _, errors = ldm("sample", taught_run, tmp_path / "out", "--fast", *options)
    assert status == 2 and words in errors and errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_samples_say_that_they_are_fast(taught_run, tmp_path, ldm):
    out = tmp_path / "out"
    options = ["--seeds", "1-3", "--device", "cpu"]
    assert ldm("sample", taught_run, out, "--fast", "--steps", "2", *options)[0] == 0
    assert '"fast": true' in (out / "samples.json").read_text()
    status, _, errors = ldm("sample", taught_run, out, *options)  # those of its teacher
    assert status == 2 and "samples of other settings" in errors


def test_without_a_student_one_line_says_how_to_make_one(tiny_run, tmp_path, ldm):
    status, _, errors = ldm("sample", tiny_run, tmp_path / "out", "--fast")
    assert status == 2 and "no trained student yet: run ldm distill" in errors


def test_retrained_networks_make_a_student_void(taught_run, tmp_path, shapes, ldm):
    run = Run(shutil.copytree(taught_run, tmp_path / "run"))
    more = ["--resume", "--set", "diffusion.training.steps=502", "--device", "cpu"]
    assert ldm("train-diffusion", "--data", shapes, "--run", run.folder, *more)[0] == 0
    status, _, errors = ldm("sample", run.folder, tmp_path / "out", "--fast")
    assert status == 2 and "learnt from another denoiser" in errors and errors.count("\n") == 1
    assert not has_student(run)
    status, _, errors = ldm("distill", run.folder, "--resume")
    assert status == 2 and "cannot be resumed: --overwrite trains it anew" in errors
    few = ["--set", "student.training.steps=10", "--device", "cpu"]
    status, output, errors = ldm("distill", run.folder, *few)
    assert status == 0 and "the student is trained anew" in output and has_student(run), errors
    record = tomllib.loads(run.autoencoder.config_path.read_text())
    assert record
    weights = run.autoencoder.model_path
    shutil.copy(run.classifier.model_path, weights)  # any other file
    assert not has_student(run)


def test_a_second_training_is_refused_unless_told(taught_run, ldm):
    status, _, errors = ldm("distill", taught_run)
    assert status == 2 and "already holds a trained student" in errors


def test_a_student_has_the_shape_of_its_teacher(run, monkeypatch):
    other = configured({"student": {"model": {"kind": "dit"}}}, [], None, "test").student
    with pytest.raises(ValueError, match="the shape of its teacher"):
        shaped(run, other)

    def build(self, latent_channels, num_classes):
        return UNet(self, latent_channels, num_classes)

    monkeypatch.setattr(UNetConfig, "build", build)
    with pytest.raises(ValueError, match="cannot be told guidance"):
        shaped(run, configured({}, [], None, "test").student)
