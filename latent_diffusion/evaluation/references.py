"""A feature network's statistics of real images, and the .npz files that hold them.

Scores, grades and studies compare samples with these.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latent_diffusion.data.arrays import check_arrays
from latent_diffusion.data.store import Dataset
from latent_diffusion.distributed import in_turns, together
from latent_diffusion.evaluation.features import (
    FEWEST,
    MOST_KEPT,
    FeatureNetwork,
    KeptFeatures,
    finite_features,
)
from latent_diffusion.evaluation.sources import ImageSource, of_dataset
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import write_atomic
from latent_diffusion.subsets import some
from metrics import Statistics, StatisticsAccumulator, mixture

# Numbers in all class covariances together: 128 MiB. Beyond, none are kept.
MOST_CLASS_VALUES = 2**24
MOST_FEATURES = 2**21  # numbers in the features that are kept: 8 MiB as float32
MANY = 2**31  # images that a file is taken for which does not say of how many it is


@dataclass(frozen=True)
class ReferenceStatistics:
    """Statistics of real images by one network.

    `network` and `identity` are its name and checksum; both are "" in files of other programs,
    which do not say. `classes` has the statistics class by class, where there are classes and room.
    `features` (M, D) are of some of the images, with their labels (M,), for the scores that compare
    neighbours; a label is -1 where it is not known.
    """

    statistics: Statistics
    network: str = ""
    identity: str = ""
    classes: tuple[Statistics, ...] | None = None
    features: np.ndarray | None = None
    labels: np.ndarray | None = None

    @property
    def known_labels(self) -> np.ndarray | None:
        """The labels of `features`, or None where they are not known."""
        return None if self.labels is None or self.labels.min() < 0 else self.labels

    def require(self, network: FeatureNetwork, path: Path | str) -> "ReferenceStatistics":
        """Return these statistics; raise ValueError if another network than `network` made them.

        Files that do not say which are taken for Inception's, for that is what the programs that
        write them use.
        """
        if not self.identity and network.name != "inception":
            raise ValueError(
                f"{path} does not say which network made it: it counts as Inception's "
                f"(--features inception), and the samples are seen by {network.name}"
            )
        if self.identity and self.identity != network.identity:
            raise ValueError(
                f"{path} holds features of {self.network} {self.identity[:8]}, and the samples are "
                f"seen by {network.name} {network.identity[:8]}: "
                "statistics of different networks do not compare"
            )
        return self

    def weighted(self, shares: np.ndarray) -> Statistics:
        """Return the statistics of images with other class shares (K,); needs `classes`."""
        assert self.classes is not None
        return mixture(self.classes, shares)

    def save(self, path: Path) -> None:
        """Write mu and sigma as pytorch-fid and pytorch_gan_metrics have them, and the rest."""
        arrays: dict[str, Any] = {
            "mu": self.statistics.mean,
            "sigma": self.statistics.covariance,
            "n": self.statistics.n,
            "network": self.network,
            "identity": self.identity,
        }
        if self.classes:
            arrays["class_mu"] = np.stack([each.mean for each in self.classes])
            arrays["class_n"] = [each.n for each in self.classes]
            arrays["class_sigma"] = np.stack([each.covariance for each in self.classes])
        if self.features is not None:
            arrays["features"] = self.features
            arrays["labels"] = self.labels
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "ReferenceStatistics":
        """Return the statistics in a file, which may be another program's: mu and sigma are enough.

        Without n the file counts as one of many images. Raises ValueError for a file that is not
        there, is damaged, or holds something else.
        """
        try:
            check_arrays(path)
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    statistics=Statistics(
                        file["mu"], file["sigma"], int(file["n"]) if "n" in file else MANY
                    ),
                    network=str(file.get("network", "")),
                    identity=str(file.get("identity", "")),
                    classes=class_statistics(file) if "class_mu" in file else None,
                    features=file.get("features"),
                    labels=file.get("labels"),
                )
        except FileNotFoundError:
            raise ValueError(f"there are no statistics at {path}") from None
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            EOFError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise ValueError(f"{path} is no file of statistics, or damaged ({error})") from None


def class_statistics(file: Mapping[str, np.ndarray]) -> tuple[Statistics, ...]:
    """Return the statistics class by class that an .npz file holds."""
    means, covariances, counts = file["class_mu"], file["class_sigma"], file["class_n"]
    return tuple(
        Statistics(mean, covariance, int(n))
        for mean, covariance, n in zip(means, covariances, counts, strict=True)
    )


def reference_statistics(
    network: FeatureNetwork, images: ImageSource, names: list[str]
) -> ReferenceStatistics:
    """Return a network's statistics of real images, in one pass over them.

    Within `shared_work` the processes take turns with the batches.
    They are class by class, too, where the images have these classes and there is room.
    """

    def see(batch: np.ndarray) -> np.ndarray:
        return finite_features(network, batch)[0]

    labels = images.labels(names)
    total = StatisticsAccumulator()
    kept: KeptFeatures | None = None
    by_class: list[StatisticsAccumulator] = []
    with Progress(f"{network.name} sees", images.count) as progress:
        for features in in_turns(see, images.batches()):
            if kept is None:  # only now the number of features is known
                dim = features.shape[1]
                kept = KeptFeatures(some(images.count, min(MOST_KEPT, MOST_FEATURES // dim)))
                if len(names) > 1 and len(names) * dim**2 <= MOST_CLASS_VALUES:
                    by_class = [StatisticsAccumulator() for _ in names]
            total.update(features)
            if labels is not None and by_class:
                batch_labels = labels[kept.done : kept.done + len(features)]
                for label in np.unique(batch_labels):
                    by_class[label].update(features[batch_labels == label])
            kept.add(features)
            progress.advance(len(features))
    assert kept is not None  # a source has at least one image
    classes = None
    if (
        labels is not None
        and by_class
        and np.bincount(labels, minlength=len(names)).min() >= FEWEST
    ):
        classes = tuple(each.result() for each in by_class)
    return ReferenceStatistics(
        statistics=total.result(),
        network=network.name,
        identity=network.identity,
        classes=classes,
        features=kept.result(),
        labels=labels[kept.rows] if labels is not None else np.full(len(kept.rows), -1),
    )


def dataset_statistics(data: Dataset, network: FeatureNetwork) -> ReferenceStatistics:
    """Return a network's statistics of a data set's train split.

    They are cached beside the data set, by its checksum and the network's.
    """
    name = f"{data.info.checksum[:16]}-{network.name}-{network.identity[:16]}.npz"
    path = data.folder / "statistics" / name
    if path.is_file():
        try:
            return ReferenceStatistics.load(path).require(network, path)
        except ValueError:  # a damaged file of ours is simply made again
            pass
    found = reference_statistics(network, of_dataset(data, data.train), data.info.class_names)
    if not together().first:
        return found
    try:
        found.save(path)
    except OSError as error:
        say(f"not kept for another time: {path} cannot be written ({error.strerror})")
    return found
