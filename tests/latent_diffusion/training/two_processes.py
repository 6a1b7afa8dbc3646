"""What two processes compute, beside what one does: test_processes.py starts it by torchrun.

    torchrun --nproc-per-node 2 two_processes.py compare DATA RUN CONFIG OUT
    torchrun --nproc-per-node 2 two_processes.py die DATA RUN CONFIG raise|kill

RUN is trained, and stays as it is; OUT gets compared.json.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import World, shared_work, world
from latent_diffusion.evaluation.scoring import evaluate
from latent_diffusion.loading import load_autoencoder
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.run import Run
from latent_diffusion.samples import sample_to_folder
from latent_diffusion.tensors import load_tensors
from latent_diffusion.training import loop
from latent_diffusion.training.autoencoder import (
    AutoencoderTraining,
    autoencoder_task,
    train_autoencoder,
)
from latent_diffusion.training.classifier import classifier_task
from latent_diffusion.training.config import with_training
from latent_diffusion.training.diffusion import diffusion_task
from latent_diffusion.training.latents import cached_moments
from latent_diffusion.training.loop import Trainer
from latent_diffusion.training.sharpening import Sharpening
from latent_diffusion.training.stage import Job, Start
from latent_diffusion.training.stages import load_config
from latent_diffusion.training.step import gradient

CPU = torch.device("cpu")
ONE = World(0, 1, CPU)
LOOKS = (1, 10, 50)
STEPS = {1: 50, 4: 10}  # by the parts in which a step's images are computed
TRAININGS = ("autoencoder", "sharpening", "classifier", "diffusion")
SEEDS = range(1, 13)


class Comparison:
    """Both ways of each training, and of what comes after it."""

    def __init__(self, group, data, run, config, out):
        self.group, self.data, self.run, self.out = group, Dataset.open(data), Run(run), Path(out)
        self.config, self.path = load_config(Path(config), [], "float32"), Path(data)

    def task(self, name):
        """Return what a training trains and how, the same each time."""
        if name == "autoencoder":
            return autoencoder_task(self.data, self.config.autoencoder, CPU)
        if name == "classifier":
            return classifier_task(self.data, self.config.classifier, CPU)
        if name == "diffusion":
            moments = self.moments(ONE, self.path)
            labels, names = self.data.labels[self.data.train], self.data.info.class_names
            return diffusion_task(self.config.diffusion, moments, labels, names, CPU)
        stage = AutoencoderTraining(Job(self.run, self.data, ONE), None, self.config.autoencoder)
        found = []

        def instead(sharpening):
            found.append(sharpening.task())

        train, Sharpening.train = Sharpening.train, instead
        stage.perceptual = None
        try:
            model = load_autoencoder(self.run, CPU).requires_grad_(True)
            stage.sharpen(model)
        finally:
            Sharpening.train = train
        return found[0]

    def training(self, name, accumulate):
        """Return the settings of a training."""
        stage = self.config.autoencoder.adversary
        stage = stage if name == "sharpening" else getattr(self.config, name)
        changes = {"steps": 50, "batch_size": 16, "accumulate": accumulate}
        return with_training(stage, precision="float32", **changes).training

    def trained(self, name, accumulate):
        """Compare gradients at equal weights, and losses step by step.

        The first process alone does what one process does.
        """
        config, gradients, losses = self.training(name, accumulate), {}, []
        one, two, both = (
            Trainer(self.task(name), config, self.run.autoencoder, group)
            for group in (ONE, self.group, self.group)
        )
        for step in range(1, STEPS[accumulate] + 1):
            if step in LOOKS:
                state = self.group.agree(one.task.objective.state_dict())
                own = self.gradient(one, state, step) if self.group.first else None
                found = self.gradient(both, state, step)
                if self.group.first:
                    gradients[step] = ((found - own).norm() / own.norm()).item()
            losses.append(self.loss(two))
            if self.group.first:
                losses[-1] = abs(losses[-1] / self.loss(one) - 1)
        return {"gradients": gradients, "losses": max(losses)}

    @staticmethod
    def loss(trainer):
        """Do a step, and return its loss."""
        trainer.task.objective.train()
        trainer.step()
        return trainer.means.take(trainer.world)["loss"]

    @staticmethod
    def gradient(trainer, state, step):
        """Return the gradient of a step at these weights as one vector; all stays as it is."""
        objective, done = trainer.task.objective, trainer.done
        own = {name: value.clone() for name, value in objective.state_dict().items()}
        objective.load_state_dict({name: value.clone() for name, value in state.items()})
        objective.train()
        trainer.done = step - 1
        gradient(trainer.objective, trainer.parts(), trainer.config, trainer.world)
        parameters = [p for p in trainer.task.model.parameters() if p.requires_grad]
        found = torch.cat([p.grad.flatten().double() for p in parameters])
        trainer.task.model.zero_grad(set_to_none=True)
        objective.load_state_dict(own)
        trainer.done = done
        return found

    def moments(self, group, folder):
        """Return the latents of the data set as it lies in a folder, encoded if need be."""
        data = replace(self.data, folder=folder)
        checksum = self.run.autoencoder.checksum()
        autoencoder = load_autoencoder(self.run, CPU)
        return cached_moments(data, Run(self.out / "run"), autoencoder, checksum, "float32", group)

    def encoded(self):
        """Return whether latents that two processes encode are those of one, byte for byte."""
        files = []
        for name, group in (("one", ONE), ("two", self.group)):
            if group.size > 1 or self.group.first:
                self.moments(group, self.out / name)
            self.group.barrier()
            (path,) = (self.out / name / "latents").iterdir()
            files.append(path.read_bytes())
        return files[0] == files[1]

    def sampled(self):
        """Draw the same seeds both ways, and return whether all files are the same."""
        pipe = Pipeline.from_run(self.run.folder, "cpu")
        for name in ("one", "two"):
            if name == "two":
                with shared_work(self.group):
                    self.sample(pipe, name)
            elif self.group.first:
                self.sample(pipe, name)
        folders = [self.out / "samples" / name for name in ("one", "two")]
        files = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in folders]
        return len(files[0]) == len(SEEDS) + 2 and files[0] == files[1]

    def sample(self, pipe, name):
        folder = self.out / "samples" / name
        how = ("cycle", pipe.sampling, 4, lambda images: None)
        sample_to_folder(pipe, folder, SEEDS, None, *how)

    def scored(self):
        """Return whether two processes give what is drawn the same scores as one."""
        folder, found = self.out / "samples" / "one", []
        self.group.barrier()
        if self.group.first:
            found.append(evaluate(self.run, folder, device="cpu", record=False))
        with shared_work(self.group):
            found.append(evaluate(self.run, folder, device="cpu", record=False))
        return found[0] == found[-1]

    def resumed(self):
        """Train with 2, 1 and 2 processes, and with 1 all along; return how weights differ."""
        for name, groups in (("one", (ONE, ONE, ONE)), ("two", (self.group, ONE, self.group))):
            for number, group in enumerate(groups, 1):
                stage = with_training(self.config.autoencoder, steps=10 * number, batch_size=16)
                if group.size > 1 or self.group.first:
                    run = Run(self.out / "resumed" / name)
                    train_autoencoder(run, self.data, stage, group, Start(resume=number > 1))
                self.group.barrier()
        one, two = (
            load_tensors(Run(self.out / "resumed" / name).autoencoder.model_path)[0]
            for name in ("one", "two")
        )
        one, two = (torch.cat([t.flatten().double() for t in of.values()]) for of in (one, two))
        return ((one - two).norm() / one.norm()).item()

    def all(self):
        """Return everything that was compared."""
        found = {
            f"{name}, {accumulate}": self.trained(name, accumulate)
            for name in TRAININGS
            for accumulate in STEPS
        }
        shares = {"encoded": self.encoded(), "sampled": self.sampled(), "scored": self.scored()}
        return found | shares | {"resumed": self.resumed()}


def die(group, data, run, config, how):
    """Train until the second process dies."""
    step = loop.Trainer.step

    def dying(trainer):
        if trainer.done == 5 and not group.first:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("this process has its own reason")
        step(trainer)

    loop.Trainer.step = dying
    stage = load_config(Path(config), [], "float32").autoencoder
    train_autoencoder(Run(run), Dataset.open(data), stage, group)


def main():
    torch.set_num_threads(1)
    what, *arguments = sys.argv[1:]
    try:
        with world(CPU) as group:
            if what == "die":
                die(group, *arguments)
                return
            found = Comparison(group, *arguments).all()
            if group.first:
                (Path(arguments[-1]) / "compared.json").write_text(json.dumps(found))
    except ValueError as error:
        print(f"rank {os.environ['RANK']}: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
