"""What samples are compared with: a feature network's statistics of real images, and the .npz files that hold them."""

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.features import MOST_KEPT, FeatureNetwork, finite_features
from latent_diffusion.evaluation.sources import ImageSource, of_dataset
from latent_diffusion.progress import Progress, say
from latent_diffusion.run import write_atomic
from latent_diffusion.subsets import some
from metrics import Statistics, StatisticsAccumulator, mixture

MOST_CLASS_VALUES = (
    2**24
)  # numbers in all class covariances together: 128 MiB; beyond, none are kept
MOST_FEATURES = 2**21  # numbers in the features that are kept: 8 MiB as float32


@dataclass(frozen=True)
class ReferenceStatistics:
    """Statistics of real images by the network `identity` ("" in files of other programs, which do not say).

    `classes` has them class by class, where there are classes and room; `features` (M, D) are of some of the images,
    with their labels (M,), for the scores that compare neighbours.
    """

    statistics: Statistics
    network: str = ""
    identity: str = ""
    classes: tuple[Statistics, ...] | None = None
    features: np.ndarray | None = None
    labels: np.ndarray | None = None

    def require(self, network: FeatureNetwork, path: Path | str) -> "ReferenceStatistics":
        """Itself; ValueError if another network made it. Files that do not say which are taken for Inception's, for that
        is what the programs that write them use."""
        if not self.identity and network.name != "inception":
            raise ValueError(
                f"{path} does not say which network made it: it counts as Inception's (--features inception), and "
                f"the samples are seen by {network.name}"
            )
        if self.identity and self.identity != network.identity:
            raise ValueError(
                f"{path} holds features of {self.network} {self.identity[:8]}, and the samples are seen by "
                f"{network.name} {network.identity[:8]}: statistics of different networks do not compare"
            )
        return self

    def weighted(self, shares: np.ndarray) -> Statistics:
        """Of a data set with another class histogram."""
        return mixture(self.classes, shares)

    def save(self, path: Path) -> None:
        """mu and sigma as pytorch-fid and pytorch_gan_metrics have them, and what they lack beside."""
        arrays = {
            "mu": self.statistics.mean,
            "sigma": self.statistics.covariance,
            "n": self.statistics.n,
            "network": self.network,
            "identity": self.identity,
        }
        if self.classes:
            arrays |= {
                "class_mu": np.stack([c.mean for c in self.classes]),
                "class_n": [c.n for c in self.classes],
                "class_sigma": np.stack([c.covariance for c in self.classes]),
            }
        if self.features is not None:
            arrays |= {"features": self.features, "labels": self.labels}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "ReferenceStatistics":
        """Files of other programs, too: mu and sigma are enough. Without n the file counts as one of many images."""
        try:
            with np.load(path, allow_pickle=False) as file:
                n = int(file["n"]) if "n" in file else 2**31
                classes = None
                if "class_mu" in file:
                    classes = tuple(
                        Statistics(*c[:2], int(c[2]))
                        for c in zip(file["class_mu"], file["class_sigma"], file["class_n"])
                    )
                return cls(
                    Statistics(file["mu"], file["sigma"], n),
                    *(str(file[k]) if k in file else "" for k in ("network", "identity")),
                    classes,
                    *(file[k] if k in file else None for k in ("features", "labels")),
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


def measure(network: FeatureNetwork, images: ImageSource, names: list[str]) -> ReferenceStatistics:
    """One pass over real images, with statistics class by class where they have classes and there is room."""
    labels, total, parts, kept, done = images.labels(names), StatisticsAccumulator(), None, [], 0
    rows = None
    with Progress(f"{network.name} sees", images.count) as progress:
        for batch in images.batches():
            features = finite_features(network, batch)[0]
            if rows is None:
                dim = features.shape[1]
                rows = some(images.count, min(MOST_KEPT, MOST_FEATURES // dim))
                if (
                    labels is not None
                    and len(names) > 1
                    and len(names) * dim**2 <= MOST_CLASS_VALUES
                ):
                    parts = [StatisticsAccumulator() for _ in names]
            total.update(features)
            here = slice(done, done + len(batch))
            for label in np.unique(labels[here]) if parts else ():
                parts[label].update(features[labels[here] == label])
            kept.append(
                features[rows[(rows >= done) & (rows < here.stop)] - done].astype(np.float32)
            )
            done += len(batch)
            progress.advance(len(batch))
    enough = (
        parts is not None and np.bincount(labels, minlength=len(names)).min() > 1
    )  # a class of one image has no covariance
    return ReferenceStatistics(
        total.result(),
        network.name,
        network.identity,
        tuple(part.result() for part in parts) if enough else None,
        np.concatenate(kept),
        labels[rows] if labels is not None else np.full(len(rows), -1),
    )


def dataset_statistics(data: Dataset, network: FeatureNetwork) -> ReferenceStatistics:
    """Of the train split; cached beside the data set by its checksum and the network's."""
    path = (
        data.folder
        / "statistics"
        / f"{data.info.checksum[:16]}-{network.name}-{network.identity[:16]}.npz"
    )
    if path.is_file():
        try:
            return ReferenceStatistics.load(path).require(network, path)
        except ValueError:  # a damaged file of ours is simply made again
            pass
    found = measure(network, of_dataset(data, data.train), data.info.class_names)
    try:
        found.save(path)
    except OSError as error:
        say(f"not kept for another time: {path} cannot be written ({error.strerror})")
    return found
