"""Which feature network looks, and which statistics of real images it compares with."""

from pathlib import Path

from latent_diffusion.data.reference import Reference
from latent_diffusion.data.store import INFO, Dataset
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import FeatureNetwork, Pixels
from latent_diffusion.evaluation.inception import load_inception
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.references import ReferenceStatistics, dataset_statistics, measure
from latent_diffusion.evaluation.sources import open_images
from latent_diffusion.run import Run


def load_network(
    features: str, run: Run | None, weights: Path | None, device: str
) -> FeatureNetwork:
    """judge (of `run`), inception or pixels."""
    place = choose_device(device)
    if weights and features != "inception":
        raise ValueError(
            f"--weights are those of --features inception, and this is --features {features}"
        )
    if features == "judge":
        return Judge.load(run, place)
    return load_inception(weights, place) if features == "inception" else Pixels()


def load_reference(
    network: FeatureNetwork, run: Run, data: Path | None, statistics: Path | None
) -> ReferenceStatistics:
    """From a file, from the train split of a data set, or, for the judge, from the run itself."""
    if statistics and data:
        raise ValueError(
            "give --data or --reference, not both: either is what the samples are compared with"
        )
    if statistics:
        return ReferenceStatistics.load(statistics).require(network, statistics)
    if data:
        opened = Dataset.open(data)
        facts = Reference.open(run).facts
        if (opened.info.class_names, opened.info.image_size) != (
            facts.class_names,
            facts.image_size,
        ):
            raise ValueError(
                f"{data} has other classes or another size than {run.folder}: give the data set that the run was trained on"
            )
        return dataset_statistics(opened, network)
    if isinstance(network, Judge):
        return judge_statistics(run, network)
    raise ValueError(
        f"--features {network.name} needs statistics of the training images: add --data DATA, or --reference "
        "FILE.npz (ldm statistics, pytorch-fid and pytorch_gan_metrics write them)"
    )


def measure_images(place: Path, network: FeatureNetwork, size: int | None) -> ReferenceStatistics:
    """Of a prepared data set's train split, or of any folder or zip of pictures; of `size`, where the network minds."""
    if (place / INFO).is_file():
        data = Dataset.open(place)
        if size not in (None, data.info.image_size):
            raise ValueError(
                f"{place} holds {data.info.image_size}x{data.info.image_size}, and the judge was trained on {size}x{size}"
            )
        return dataset_statistics(data, network)
    images = open_images(place, size)
    if images.count < 2:
        raise ValueError(f"{place} holds one image: statistics need at least 2")
    return measure(network, images, [])
