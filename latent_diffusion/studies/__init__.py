"""Studies of the scores and of the networks: each gives numbers, a table and a plot."""

from pathlib import Path

from rich.table import Table

from latent_diffusion.run import Run, write_json


def run_study(
    name: str,
    run_folder: Path,
    out: Path,
    samples: Path | None,
    data: Path | None,
    device: str,
    images: int | None = None,
) -> tuple[Table, Path]:
    """Do one study of a run; its numbers go to OUT/NAME.json, its plot to OUT/NAME.png.

    images: how many a ladder of faults takes. Return the table and the path of the plot. Raise
    ValueError for `samples`, `data` or `images` that the study does not look at, and for a probe
    without data.
    """
    from latent_diffusion.studies.distance import distance
    from latent_diffusion.studies.faults import IMAGES, faults
    from latent_diffusion.studies.probe import probe
    from latent_diffusion.studies.sample_size import sample_size
    from latent_diffusion.studies.sensitivity import sensitivity

    run = Run.open(run_folder)
    plot_path = out / f"{name}.png"
    if samples and name != "sample-size":
        raise ValueError(f"--samples is for sample-size; {name} looks at real images")
    if data and name != "probe":
        raise ValueError(f"--data is for probe; {name} looks at the images that the run keeps")
    if images and name != "faults":
        raise ValueError(f"--images is for faults; {name} takes as many as it needs")
    if name == "faults":
        numbers, table = faults(run, plot_path, device, images or IMAGES)
    elif name == "sensitivity":
        numbers, table = sensitivity(run, plot_path, device)
    elif name == "distance":
        numbers, table = distance(run, plot_path, device)
    elif name == "sample-size":
        numbers, table = sample_size(run, samples, plot_path, device)
    else:
        if not data:
            raise ValueError("probe needs --data: classifiers are trained on its train split")
        numbers, table = probe(run, data, plot_path, device)
    write_json(out / f"{name}.json", numbers)
    return table, plot_path
