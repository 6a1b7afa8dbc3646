"""Drawing for several people: `ldm sample`'s images, turns step by step, limits in one line."""

import dataclasses
import shutil

import numpy as np
import pytest

from latent_diffusion import Pipeline
from latent_diffusion.app.jobs import Jobs
from latent_diffusion.app.tabs.generate import command
from latent_diffusion.ema import SNAPSHOT_LENGTHS, PowerEMA, save_snapshot
from latent_diffusion.exploration.walks import seed_walk
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import png


@pytest.fixture(scope="module")
def jobs(tiny_run) -> Jobs:
    return Jobs(Run(tiny_run), Pipeline.from_run(tiny_run, device="cpu"))


def last(states) -> np.ndarray:
    return list(states)[-1].images


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm"])
@pytest.mark.parametrize("label", [None, 1])
def test_images_are_those_of_ldm_sample(jobs, tiny_run, tmp_path, ldm, label, sampler):
    drawn = last(jobs.draw(jobs.order(label, 3, 4, 2.0, 6, sampler)))
    classes = [] if label is None else ["--classes", jobs.pipe.facts.class_names[label]]
    options = f"--seeds 4-6 --guidance 2 --steps 6 --sampler {sampler} --device cpu".split()
    status, _, errors = ldm("sample", tiny_run, tmp_path / "s", *options, *classes)
    assert status == 0, errors
    for seed, image in zip((4, 5, 6), drawn, strict=True):
        assert png(image) == (tmp_path / "s" / f"{seed:05d}.png").read_bytes()


def test_other_emas_of_the_weights(tiny_run, tmp_path, ldm):
    run = Run(shutil.copytree(tiny_run, tmp_path / "run"))
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    assert Jobs(run, pipe).ema_lengths == [pipe.ema_length] and not Jobs(run, pipe).has_student
    for length in SNAPSHOT_LENGTHS:
        for step in (250, 500):
            save_snapshot(run.diffusion.ema_folder, PowerEMA(pipe.denoiser, length), step)
    jobs = Jobs(run, pipe)
    order = jobs.order(0, 1, 4, 1.5, 6, "ddim", 0.15)
    assert order.pipe.ema_length == 0.15 and jobs.order(0, 1, 4, 1.5, 6, "ddim", 0.05).pipe is pipe
    options = "--seeds 4 --steps 6 --sampler ddim --ema 0.15 --device cpu".split()
    name = pipe.facts.class_names[0]
    assert ldm("sample", run.folder, tmp_path / "s", "--classes", name, *options)[0] == 0
    assert png(last(jobs.draw(order))[0]) == (tmp_path / "s" / "00004.png").read_bytes()
    with pytest.raises(ValueError, match=r"0\.05, 0\.1, 0\.15, 0\.2"):
        jobs.order(0, 1, 4, 1.5, 6, "ddim", 0.12)


def test_a_student_draws_what_ldm_sample_draws_fast(taught_run, tmp_path, ldm):
    jobs = Jobs(Run(taught_run), Pipeline.from_run(taught_run, device="cpu"))
    assert jobs.has_student
    order = jobs.order(1, 2, 4, 2.0, 8, "heun", jumps=2)
    name = jobs.pipe.facts.class_names[1]
    words = command(jobs, order, 1).split()
    assert words[-3:] == ["--steps", "2", "--fast"] and "--sampler" not in words
    options = "--seeds 4-5 --guidance 2 --steps 2 --fast --device cpu".split()
    assert ldm("sample", taught_run, tmp_path / "s", "--classes", name, *options)[0] == 0
    for seed, image in zip((4, 5), last(jobs.draw(order)), strict=True):
        assert png(image) == (tmp_path / "s" / f"{seed:05d}.png").read_bytes()
    with pytest.raises(ValueError, match="guidance from 1 to 4"):
        jobs.order(1, 2, 4, 9.0, 8, "heun", jumps=2)


def test_previews_go_from_noise_to_the_image(jobs):
    states = jobs.draw(jobs.order(0, 2, 1, 1.5, 8, "dpmpp_2m"))
    images = [state.images for state in states if state.images is not None]
    errors = [np.abs(image.astype(int) - images[-1]).mean() for image in images]
    assert len(images) == 6 and errors[0] > 2 * errors[-2] > 0


@pytest.mark.parametrize("labels", [(0, 2), (1, 1)])
def test_a_walk_is_that_of_ldm_interpolate(jobs, labels):
    config = jobs.settings(1.5, 6, "ddpm")
    found = last(jobs.walk((3, 8), labels, 5, config))
    assert np.array_equal(found, seed_walk(jobs.pipe, (3, 8), [labels], 5, config)[0])
    assert np.array_equal(found[[0, -1]], jobs.pipe.generate([3, 8], labels, config))


def test_a_short_job_ends_before_a_long_one_that_came_first(jobs):
    long = jobs.draw(jobs.order(None, 16, 1, 1.5, 200, "ddim"))
    assert next(long).step == 1
    short = jobs.draw(jobs.order(0, 1, 1, 1.0, 5, "ddim"))
    assert [next(long).step for _ in short] == [2, 3, 4, 5, 6]  # they take turns


def test_a_job_that_nobody_listens_to_stops(jobs, monkeypatch):
    done = []

    def turn(work, *arguments):
        done.append(work)
        return work(*arguments)

    monkeypatch.setattr(jobs, "turn", turn)
    states = jobs.draw(jobs.order(None, 1, 1, 1.5, 100, "ddim"))
    next(states)
    states.close()
    assert len(done) == 1


def test_classes_keep_the_guidance_that_the_run_gives_them_until_another_is_asked_for(tiny_run):
    pipe = Pipeline.from_run(tiny_run, device="cpu")
    name = pipe.facts.class_names[1]
    sampling = pipe.configured(class_guidance={name: 3.0})
    jobs = Jobs(Run(tiny_run), dataclasses.replace(pipe, sampling=sampling))
    for guidance, wanted in ((pipe.sampling.guidance, 3.0), (2.0, 2.0)):
        order = jobs.order(1, 2, 4, guidance, 6, "ddim")
        config = pipe.configured(guidance=wanted, steps=6, sampler="ddim")
        assert (last(jobs.draw(order)) == pipe.generate([4, 5], [1, 1], config)).all()
        tabs = pytest.importorskip("latent_diffusion.app.tabs.generate", exc_type=ImportError)
        assert ("--guidance" in tabs.command(jobs, order, 1)) == (wanted == 2.0)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"count": 65}, "number of images must be a whole number from 1 to 64"),
        ({"count": None}, "number of images"),
        ({"count": 2.5}, "whole"),
        ({"seed": -1}, "seed must be"),
        ({"seed": None}, "seed must be"),
        ({"seed": 2**40}, "seed must be"),
        ({"steps": 201}, "from 1 to 200"),
        ({"steps": float("nan")}, "number of steps"),
        ({"guidance": -1}, "1 is none"),
        ({"guidance": float("nan")}, "guidance"),
        ({"guidance": None}, "guidance"),
        ({"guidance": 11}, "from 0 to 10"),
        ({"sampler": "magic"}, "dpmpp_2m"),
        ({"label": 3}, "no such class"),
        ({"label": -7}, "no such class"),
    ],
)
def test_requests_have_limits(jobs, change, text):
    good = {"label": 0, "count": 1, "seed": 1, "guidance": 1.5, "steps": 5, "sampler": "ddim"}
    jobs.order(**good)
    with pytest.raises(ValueError, match=text) as refusal:
        jobs.order(**{**good, **change})
    assert "\n" not in str(refusal.value)
