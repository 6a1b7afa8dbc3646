"""Whether an image is the same, byte for byte, in whatever company it is drawn."""

from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import Progress
from latent_diffusion.run import Run
from latent_diffusion.sampling.folder import png
from latent_diffusion.sampling.plan import cycle
from latent_diffusion.verification.check import Unknown

SEEDS = range(1, 11)
BATCHES = (1, 3, 10)
MOST_STEPS = 4  # of the sampler: what a batch could change, it changes in any of them


def same_in_any_batch(run: Run, device: str, fast: bool = False) -> str:
    """Return what was compared; ValueError, naming a seed, where two batches differ.

    fast: of the student's images.
    """
    if not (run.autoencoder.trained and run.diffusion.trained):
        raise Unknown("there is no trained autoencoder with a denoiser")
    pipe = Pipeline.from_run(run.folder, device, fast=fast)
    config = pipe.sampling.model_copy(update={"steps": min(MOST_STEPS, pipe.sampling.steps)})
    labels = cycle(SEEDS, pipe.labels(None))
    drawn = {}
    with Progress("sampling", len(SEEDS) * len(BATCHES)) as progress:
        for size in BATCHES:
            images = pipe.generate(SEEDS, labels, config, progress.advance, batch_size=size)
            drawn[size] = [png(image) for image in images]
    for size, files in drawn.items():
        for seed, file, other in zip(SEEDS, files, drawn[BATCHES[0]], strict=True):
            if file != other:
                raise ValueError(
                    f"seed {seed} is another picture in a batch of {size} than in one of "
                    f"{BATCHES[0]}"
                )
    sizes = f"{', '.join(map(str, BATCHES[:-1]))} and {BATCHES[-1]}"
    return f"{len(SEEDS)} seeds in batches of {sizes}, {config.steps} steps: the same bytes"
