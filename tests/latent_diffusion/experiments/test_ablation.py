"""An ablation compares variants seed by seed, in the steps that the minutes allow."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

from latent_diffusion.distributed import World
from latent_diffusion.experiments.ablation_runs import Ablation
from latent_diffusion.experiments.ablation_table import difference
from latent_diffusion.loading import latents_checksum
from latent_diffusion.run import Run
from latent_diffusion.training.config import with_training
from latent_diffusion.training.stages import load_config

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def test_an_ablation_compares_variants_seed_by_seed(shapes, tiny_run, tmp_path):
    out = tmp_path / "ablation"
    small = [
        "autoencoder.model.encoder_widths=[32]",
        "autoencoder.model.decoder_widths=[32]",
        "diffusion.model.widths=[32]",
        "diffusion.model.attention_levels=[0]",
        "diffusion.model.embedding_width=64",
        "autoencoder.training.steps=30",
        "autoencoder.adversary.training.steps=10",
        "diffusion.training.steps=3",
        "diffusion.alignment.classifier.training.steps=5",
        "sampling.steps=4",
    ]
    options = [
        "--data",
        shapes,
        "--judge",
        tiny_run,
        "--out",
        out,
        "--n",
        "24",
        "--device",
        "cpu",
        "--precision",
        "float32",
        *(part for setting in small for part in ("--set", setting)),
    ]

    def ablate(*more):
        done = subprocess.run(
            [sys.executable, SCRIPTS / "ablate", *options, *more], capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    longer = ("--variant", "short", "--variant", "longer: diffusion.training.steps=60")
    status, shown, errors = ablate(*longer, "--seeds", "0,1")
    assert status == 0, errors
    rows = json.loads((out / "ablation.json").read_text())["rows"]
    assert [(row["variant"], row["seed"], row["steps"]) for row in rows] == [
        ("short", 0, 3),
        ("longer", 0, 60),
        ("short", 1, 3),
        ("longer", 1, 60),
    ]
    assert (
        len(list((out / "autoencoders").iterdir())) == 2
    )  # one for each seed, shared by the variants
    assert (
        rows[0]["psnr"] == rows[1]["psnr"] != rows[2]["psnr"] and rows[0]["fid"] != rows[2]["fid"]
    )
    assert rows[0]["seconds"] < rows[1]["seconds"] and rows[0]["matched_floor"] > 0
    assert not list(
        (Path(shapes) / "latents").glob(
            f"*{latents_checksum(Run(next(out.glob('short-0-*'))).autoencoder)[:16]}*"
        )
    )
    line = next(line for line in shown.splitlines() if line.startswith("| longer"))
    assert "(2 seeds)" in line and line in (out / "ablation.md").read_text()
    status, shown, errors = ablate(
        *longer,
        "--variant",
        "blown up: diffusion.training.learning_rate=1e30 diffusion.training.gradient_norm=1e30 "
        "diffusion.training.steps=30",
        "--variant",
        "wide: autoencoder.model.decoder_widths=[48]",
        "--seeds",
        "0",
    )
    assert status == 1 and "blown up, seed 0: " in errors + shown and "Traceback" not in errors
    assert [row["variant"] for row in json.loads((out / "ablation.json").read_text())["rows"]][
        4:
    ] == ["wide"], errors
    assert len(list((out / "autoencoders").iterdir())) == 3
    for wrong, said in (
        (("--variant", "short: diffusion.training.steps=4"), "with other settings"),
        ((*longer, "--variant", "calm: sampling.guidance=1"), "ldm sweep"),
        (("--variant", "../x"), "needs a name"),
        (("--variant", "a", "--n", "20"), "another ablation, whose n is 24"),
        (("--variant", "a: x.y=1"), "no setting x"),
        (("--variant", "a: diffusion.training.seed=4"), "--seeds"),
        (("--variant", "a", "--variant", "a"), "two variants"),
        (("--variant", "a", "--n", "3"), "needs a floor"),
        (("--variant", "a", "--set", "sampling.steps=5"), "whose settings"),
    ):
        status, _, errors = ablate(*wrong)
        assert status == 2 and said in errors, errors


def test_an_ablation_takes_as_many_steps_as_the_minutes_allow():
    config = load_config(Path("own_cpu"), ["diffusion.alignment.weight=0"], "float32")
    half = config.model_copy(update={"diffusion": with_training(config.diffusion, batch_size=1)})
    planned = SimpleNamespace(
        variants={"whole": config, "one image": half},
        facts={},
        world=World(0, 1, torch.device("cpu")),
        data=SimpleNamespace(info=SimpleNamespace(image_size=32, class_names=["a", "b", "c"])),
    )
    Ablation.plan_steps(planned, 0.5)
    steps = {name: one.diffusion.training.steps for name, one in planned.variants.items()}
    assert (
        sorted(planned.facts["steps"].values()) == sorted(steps.values())
        and steps["one image"] > 1.5 * steps["whole"] > 10
    )
    planned.variants = {"whole": config, "one image": half}
    Ablation.plan_steps(planned, 9)  # the same command again: never measured again
    assert steps == {name: one.diffusion.training.steps for name, one in planned.variants.items()}


def test_an_ablation_says_whether_seeds_agree():
    assert [difference(apart) for apart in ([-0.1, -0.2, -0.3], [-0.1, 0.2, -0.1], [-0.5], [])] == [
        "-20% (every seed)",
        "+0% (seeds disagree)",
        "-50% (1 seed)",
        "",
    ]
