"""Which feature network looks, and which statistics of real images it compares with.

For the commands whose options say so: ldm evaluate, grade and statistics.
"""

from pathlib import Path

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import INFO, Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import FEWEST, FeatureNetwork, Pixels
from latent_diffusion.evaluation.inception import load_inception
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.references import (
    ReferenceStatistics,
    dataset_statistics,
    reference_statistics,
)
from latent_diffusion.evaluation.sources import open_images
from latent_diffusion.run import Run


def load_network(
    features: str, run: Run | None, weights: Path | None, device: str
) -> FeatureNetwork:
    """Return the network that gives these features: judge (of `run`), inception or pixels.

    weights: the file of Inception's. Raises ValueError for weights that another network would not
    use, and where the network cannot be had.
    """
    target = choose_device(device)
    if weights and features != "inception":
        raise ValueError(
            f"--weights are those of --features inception, and this is --features {features}"
        )
    if features == "judge":
        assert run is not None
        return Judge.load(run, target)
    return load_inception(weights, target) if features == "inception" else Pixels()


def load_reference(
    network: FeatureNetwork, run: Run, data: Path | None, statistics: Path | None
) -> ReferenceStatistics:
    """Return what a network compares samples with.

    From a file, from the train split of a data set, or, for the judge, from the run itself.
    Raises ValueError for both, for none, and for those of another network or other data.
    """
    if statistics and data:
        raise ValueError(
            "give --data or --reference, not both: either is what the samples are compared with"
        )
    if statistics:
        return ReferenceStatistics.load(statistics).require(network, statistics)
    if data:
        opened = Dataset.open(data)
        facts = Reference.open(run).facts
        known = (facts.class_names, facts.image_size)
        if (opened.info.class_names, opened.info.image_size) != known:
            raise ValueError(
                f"{data} has other classes or another size than {run.folder}: "
                "give the data set that the run was trained on"
            )
        return dataset_statistics(opened, network)
    if isinstance(network, Judge):
        return judge_statistics(run, network)
    raise ValueError(
        f"--features {network.name} needs statistics of the training images: add --data DATA, "
        "or --reference FILE.npz (ldm statistics, pytorch-fid and pytorch_gan_metrics write them)"
    )


def image_statistics(
    source: Path, network: FeatureNetwork, size: int | None
) -> ReferenceStatistics:
    """Return the statistics of a data set's train split, or of any folder or zip of pictures.

    size: the side that the network minds. Raises ValueError for another, and for a single image.
    """
    if (source / INFO).is_file():
        data = Dataset.open(source)
        if size not in (None, data.info.image_size):
            raise ValueError(
                f"{source} holds {data.info.image_size}x{data.info.image_size}, "
                f"and the judge was trained on {size}x{size}"
            )
        return dataset_statistics(data, network)
    images = open_images(source, size)
    if images.count < FEWEST:
        raise ValueError(f"{source} holds one image: statistics need at least 2")
    return reference_statistics(network, images, [])
