"""`ldm process`: images of a run on their way from noise, as a sheet or moving."""

from pathlib import Path
from typing import Any

from latent_diffusion.inspection.grids import writable
from latent_diffusion.inspection.process import process_frames, tiles, write_process
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.sampling.plan import cycle


def write_denoising(
    run_folder: Path,
    out: Path,
    rows: int,
    parts: int,
    classes: list[str] | None,
    plain: bool,
    device: str,
    **sampling: Any,
) -> None:
    """Write the denoising process of seeds 1 to `rows`, in `parts` parts of the steps.

    plain: tiles without gaps and names. `sampling` holds settings of SamplingConfig; those that are
    None are left to the run. Raise ValueError for an `out` that is no picture's name.
    """
    writable(out, moving=not plain)
    pipe = Pipeline.from_run(run_folder, device)
    config, seeds = pipe.configured(**sampling), range(1, rows + 1)
    labels = cycle(seeds, pipe.labels(classes))
    frames = process_frames(pipe.denoiser, pipe.codec, seeds, labels, config, parts)
    if plain:
        tiles(frames).save(out)
        return
    write_process(frames, out, [pipe.facts.class_names[label] for label in labels])
