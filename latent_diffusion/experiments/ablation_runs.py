"""The trainings of an ablation: each variant with each seed, trained, sampled, scored, recorded."""

import hashlib
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.device import is_out_of_memory
from latent_diffusion.distributed import World
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.reconstruction import reconstruct_images
from latent_diffusion.evaluation.references import ReferenceStatistics
from latent_diffusion.evaluation.sampled import sample_in_proportion
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import score
from latent_diffusion.evaluation.text import number
from latent_diffusion.experiments.ablation_table import Row, ablation_table
from latent_diffusion.loading import latents_checksum, load_autoencoder
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import Run, write_atomic, write_json
from latent_diffusion.training.alignment import sight_of
from latent_diffusion.training.autoencoder import AutoencoderStage, train_autoencoder
from latent_diffusion.training.config import with_training
from latent_diffusion.training.diffusion import DiffusionStage, train_diffusion
from latent_diffusion.training.latents import cached_moments, forget_moments
from latent_diffusion.training.planning import seconds_per_step
from latent_diffusion.training.stage import Job, Start
from latent_diffusion.training.stages import Config
from latent_diffusion.training.timing import with_steps

RESULTS = "ablation.json"
ROUNDS = 3  # of timing steps, in turns
SCORED = ("fid", "recall", "accuracy", "sharpness")


@dataclass
class Ablation:
    """What all trainings share; `variants` are names and configs.

    `rows` are the results so far, one for each variant and seed; `facts` what else is recorded.
    """

    data: Dataset
    judged_by: Run
    judge: Judge
    against: ReferenceStatistics
    reference: Reference
    world: World
    out: Path
    variants: dict[str, Config]
    facts: dict[str, Any]
    rows: list[Row]

    def save(self) -> str:
        """Write what there is, and return the table."""
        tried = [row["variant"] for row in self.rows]
        names = list(dict.fromkeys([self.facts["first"], *self.variants, *tried]))
        text = ablation_table(self.rows, names)
        write_json(self.out / RESULTS, {**self.facts, "rows": self.rows})
        write_atomic(self.out / "ablation.md", f"{text}\n".encode())
        return text

    def plan_steps(self, minutes: float) -> None:
        """Give every variant as many steps of stage two as the minutes allow.

        They are measured once, and are the same for all seeds.
        """
        planned: dict[str, int] = self.facts.setdefault("steps", {})
        times: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for config in self.variants.values():
                if checksum(config) not in planned:
                    model = config.autoencoder.model
                    step = seconds_per_step(config.diffusion, model, self.data, self.world)
                    times.setdefault(checksum(config), []).append(step)
        for key, seconds in times.items():
            planned[key] = int(60 * minutes / statistics.median(seconds))
        for name, config in self.variants.items():
            stage = with_steps(config.diffusion, planned[checksum(config)])
            self.variants[name] = config.model_copy(update={"diffusion": stage})

    def attempt(self, name: str, seed: int) -> None:
        """Train, sample, score and record one variant with one seed."""
        say(f"\n{name}, seed {seed}")
        config = self.variants[name]
        first = self.stage_one(seeded(config.autoencoder, seed))
        stage = with_training(config.diffusion, seed=seed)
        run = Run(self.out / f"{name}-{seed}-{checksum(config)[:6]}")
        copy_part(first.autoencoder.folder, run.autoencoder.folder)
        seconds = self.stage_two(run, stage, config)
        found = self.scores(run, name)
        reconstructed = first.read_scores()["reconstruction"]
        row: Row = {
            "variant": name,
            "config": checksum(config),
            "seed": seed,
            "steps": stage.training.steps,
            "seconds": seconds,
            "floor": found.scores["fid"].real,
            "matched_floor": found.matched_floor,
            "fid_over_floor": found.fid_over_floor,
            "psnr": reconstructed["psnr"],
            "rfid": reconstructed["rfid"],
        }
        row |= {what: found.value(what) for what in SCORED}
        self.rows.append(row)
        self.save()
        say(
            f"{name}, seed {seed}: FID {number(row['fid'])}, {number(row['fid_over_floor'])} x "
            f"floor after {row['steps']} steps"
        )

    def stage_one(self, stage: AutoencoderStage) -> Run:
        """Return a run with this stage one and the judge, trained now if no variant had it."""
        run = Run(self.out / "autoencoders" / checksum(stage))
        if not run.autoencoder.trained:
            start = Start(resume=run.autoencoder.resumable)
            train_autoencoder(run, self.data, stage, self.world, start)
        for part in ("classifier", "reference"):
            copy_part(self.judged_by.folder / part, run.folder / part)
        if "reconstruction" not in run.read_scores():
            reconstruct_images(run, device=str(self.world.device))
        return run

    def stage_two(self, run: Run, stage: DiffusionStage, config: Config) -> float | None:
        """Train the denoiser, and return the seconds that it took; None of one that was resumed.

        Latents are encoded and the classifier of an alignment is trained first, so that they do
        not count.
        """
        autoencoder = load_autoencoder(run, self.world.device)
        precision = stage.training.precision
        checksum_of_latents = latents_checksum(run.autoencoder)
        cached_moments(self.data, run, autoencoder, checksum_of_latents, precision, self.world)
        resume = run.diffusion.resumable
        start = Start(resume=resume)
        sight_of(Job(run, self.data, self.world, start), stage.alignment)
        began = time.perf_counter()
        train_diffusion(run, self.data, stage, config.sampling, self.world, start)
        return None if resume else time.perf_counter() - began

    def scores(self, run: Run, name: str) -> Scores:
        """Return the scores of the run's samples, which all variants draw from the same seeds."""
        pipe, count = Pipeline.from_run(run.folder, str(self.world.device)), self.facts["n"]
        with Progress("sampling", count) as progress:
            source = sample_in_proportion(
                lambda seeds, labels: pipe.generate(seeds, labels, pipe.sampling, progress.advance),
                self.reference.facts,
                count,
                name=name,
            )
        return score(self.reference, source, self.judge, self.against)

    def survives(self, name: str, seed: int) -> bool:
        """Attempt it, and return whether it ended well.

        A loss that is not finite or a device out of memory is said, and the others may be well.
        """
        try:
            self.attempt(name, seed)
        except (ValueError, RuntimeError, MemoryError) as error:
            if not isinstance(error, ValueError) and not is_out_of_memory(error):
                raise
            say(f"{name}, seed {seed}: {error}")
            return False
        return True

    def forget(self) -> None:
        """Delete the latents that were cached: a data set can be large."""
        for path in (self.out / "autoencoders").glob("*/autoencoder/model.safetensors"):
            run = Run(path.parents[1])
            forget_moments(self.data, run, latents_checksum(run.autoencoder))


def seeded(stage: AutoencoderStage, seed: int) -> AutoencoderStage:
    """Return stage one with this seed, also for what sharpens it."""
    adversary = with_training(stage.adversary, seed=seed)
    return with_training(stage.model_copy(update={"adversary": adversary}), seed=seed)


def copy_part(source: Path, target: Path) -> None:
    """Copy a part of a run, without what is only needed to resume it."""
    ignore = shutil.ignore_patterns("checkpoint")
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignore)


def checksum(config: BaseModel) -> str:
    """Return a name for a config."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]
