"""Distance between images as a feature network sees them (Johnson et al. 2016; Zhang et al. 2018).

`PerceptualDistance` works with any network that gives a list of feature maps; `lpips_distance` is the published LPIPS.
"""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# torchvision names its weights by the first digits of their sha256.
LPIPS_BACKBONES = {"vgg": "vgg16-397923af.pth", "alex": "alexnet-owt-7be5be79.pth"}


class PerceptualDistance(nn.Module):
    """Mean squared difference of feature maps, each position normalised over its channels; equal weight per layer.

    `features(images (N, 3, H, W) in [-1, 1]) -> list of (N, C, h, w)`; gradients flow to the second argument only.
    """

    def __init__(self, features: Callable[[Tensor], list[Tensor]]):
        super().__init__()
        self.features = features

    def forward(self, images: Tensor, reconstructions: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = [F.normalize(f.float(), dim=1) for f in self.features(images)]
        given = [F.normalize(f.float(), dim=1) for f in self.features(reconstructions)]
        return torch.stack(
            [(a - b).square().sum(dim=1).mean() for a, b in zip(wanted, given)]
        ).mean()


def lpips_distance(net: str = "vgg", backbone: Path | None = None) -> nn.Module:
    """The lpips package's distance, `(images, reconstructions) -> (N, 1, 1, 1)`, without any download.

    The linear weights come with the package; the backbone is torchvision's, from `backbone` or the usual torch cache,
    and its sha256 must begin as torchvision's own file name says. Raises ValueError with the remedy otherwise.
    """
    name = LPIPS_BACKBONES[net]
    path = Path(backbone) if backbone else Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        raise ValueError(
            f'perceptual = "lpips" needs torchvision\'s {name}, and {path} is not there: put that file '
            'there, name another place with lpips_backbone, or use perceptual = "classifier"'
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    wanted = name.removesuffix(".pth").rsplit("-", 1)[-1]
    if not digest.startswith(wanted):
        raise ValueError(
            f"{path} is not torchvision's {name} (its sha256 begins {digest[:8]}, not {wanted}): get it again"
        )
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips still uses torchvision's old argument names
        distance = lpips.LPIPS(net=net, pretrained=True, pnet_rand=True, verbose=False)
    load_backbone(distance.net, torch.load(path, map_location="cpu", weights_only=True))
    return distance.eval().requires_grad_(False)


def load_backbone(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Fill lpips's slices ("slice2.5.weight") from torchvision's features ("features.5.weight")."""
    network.load_state_dict(
        {key: weights["features." + key.split(".", 1)[1]] for key in network.state_dict()}
    )
