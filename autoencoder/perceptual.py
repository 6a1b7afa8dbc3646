"""Distances between images as a feature network sees them (Johnson et al. 2016; Zhang et al. 2018).

`PerceptualDistance` works with any function that gives a list of feature maps, and is stage one's
perceptual term; `lpips_distance` is the published LPIPS, for that term and for scores.
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LPIPS_BACKBONE = "vgg16-397923af.pth"  # torchvision's name, with the first digits of its sha256


class PerceptualDistance(nn.Module):
    """Mean squared difference of feature maps; equal weight per layer.

    `features` is any callable: images (N, 3, H, W) in [-1, 1] -> a list of feature maps
    (N, C, h, w), one a layer, whose C, h and w may differ. Each position of a map is normalised
    over its channels.
    """

    def __init__(self, features: Callable[[Tensor], Sequence[Tensor]]):
        super().__init__()
        self.features = features

    def forward(self, images: Tensor, reconstructions: Tensor) -> Tensor:
        """Return the distance (), >= 0; gradients flow to the reconstructions only."""
        with torch.no_grad():
            wanted = [F.normalize(maps.float(), dim=1) for maps in self.features(images)]
        given = [F.normalize(maps.float(), dim=1) for maps in self.features(reconstructions)]
        layers = [(a - b).square().sum(dim=1).mean() for a, b in zip(wanted, given, strict=True)]
        return torch.stack(layers).mean()


def lpips_distance(backbone: Path | None = None) -> nn.Module:
    """Return the lpips package's VGG distance, `(images, reconstructions) -> (N, 1, 1, 1)`.

    Images are (N, 3, H, W) in [-1, 1]. Nothing is downloaded: the linear weights come with the
    package; the backbone is torchvision's, from `backbone` or the usual torch cache, and its sha256
    must begin as torchvision's own file name says. Raise ValueError with the remedy otherwise.
    """
    path = _checked_backbone(backbone)
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips still uses torchvision's old argument names
        distance: nn.Module = lpips.LPIPS(net="vgg", pretrained=True, pnet_rand=True, verbose=False)
    weights = torch.load(path, map_location="cpu", weights_only=True)
    load_backbone(distance.get_submodule("net"), weights)
    return distance.eval().requires_grad_(False)


def _checked_backbone(backbone: Path | None) -> Path:
    """Return the path of torchvision's weights, or raise ValueError with the remedy."""
    name = LPIPS_BACKBONE
    path = Path(backbone) if backbone else Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        raise ValueError(
            f'perceptual = "lpips" needs torchvision\'s {name}, and {path} is not there: '
            "put that file there, name another place with lpips_backbone, "
            'or use perceptual = "classifier"'
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    wanted = name.removesuffix(".pth").rsplit("-", 1)[-1]
    if not digest.startswith(wanted):
        raise ValueError(
            f"{path} is not torchvision's {name} "
            f"(its sha256 begins {digest[:8]}, not {wanted}): get it again"
        )
    return path


def load_backbone(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Fill lpips's slices ("slice2.5.weight") from torchvision's features ("features.5.weight")."""
    renamed = {}
    for key in network.state_dict():
        _, layer = key.split(".", 1)
        renamed[key] = weights[f"features.{layer}"]
    network.load_state_dict(renamed)
