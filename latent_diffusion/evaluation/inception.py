"""The Inception-v3 of the FID papers, for figures that compare with others'.

TensorFlow's weights, from a local file; networks.py loads it for --features inception.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch

from latent_diffusion.extras import install

NAMES = ("weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth")
SHA256 = "6726825d"  # of the file, its first digits, as the file's name says
AT_ONCE = 32  # images of 299x299
SPATIAL = 7  # channels of the layer of 17x17 whose places are the features of sFID


class Inception:
    """A FeatureNetwork whose images are resized to 299x299 as TensorFlow 1 does.

    Features (N, 2048) of the last pooling, and probabilities (N, 1008) from the logits without
    bias, which is what the Inception score of the papers takes.
    """

    name = "inception"

    def __init__(self, network: torch.nn.Module, identity: str, device: torch.device):
        self.network = network
        self.identity = identity
        self.device = device

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features and probabilities of images, uint8 (N, H, W, 3)."""
        features, probabilities = [], []
        for start in range(0, len(images), AT_ONCE):
            block = np.ascontiguousarray(images[start : start + AT_ONCE])
            pixels = torch.from_numpy(block).permute(0, 3, 1, 2)
            pooled, logits = self.network(pixels.to(self.device))
            features.append(pooled.cpu().numpy())
            probabilities.append(logits.cpu().double().softmax(dim=1).numpy())
        return np.concatenate(features), np.concatenate(probabilities)

    def spatial(self, images: np.ndarray) -> np.ndarray:
        """Return the features (N, 2023) of sFID: 7 channels of a middle layer, place by place.

        The layer that TensorFlow calls mixed_6/conv, as in Nash et al. (2021), section 4.
        """
        kept: list[np.ndarray] = []

        def keep(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
            kept.append(output[:, :SPATIAL].flatten(1).cpu().numpy())

        hook = self.network.get_submodule("Mixed_6d").register_forward_hook(keep)
        try:
            self(images)
        finally:
            hook.remove()
        return np.concatenate(kept)


def load_inception(weights: Path | None, device: torch.device) -> Inception:
    """Return Inception from the file `weights`, or from the usual torch cache.

    Nothing is downloaded. Raises ValueError with the remedy if it cannot be had.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        raise ValueError(
            f"--features inception needs torch-fidelity: {install('inception')}"
        ) from None
    path = find_weights(weights)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(SHA256):
        raise ValueError(
            f"{path} is not {NAMES[0]} (its sha256 begins {digest[:8]}, not {SHA256}): get it again"
        )
    # torch-fidelity unpickles without restraint, so first see that the file holds only tensors.
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        raise ValueError(f"{path} holds more than weights, or is damaged: get it again") from None
    network = FeatureExtractorInceptionV3(
        "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
    )
    return Inception(network.to(device), digest, device)


def find_weights(given: Path | None) -> Path:
    """Return the file of the weights; raise ValueError with the remedy where there is none."""
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    candidates = [given] if given else [cache / name for name in NAMES]
    for path in candidates:
        if path.is_file():
            return path
    raise ValueError(
        f"--features inception needs {NAMES[0]} (releases of torch-fidelity), and {candidates[0]} "
        "is not there: put it there, or name another place with --weights"
    )
