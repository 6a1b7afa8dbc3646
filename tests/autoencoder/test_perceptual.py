"""The perceptual distance, and LPIPS from a local file of backbone weights."""

import hashlib

import pytest
import torch
from torchvision.models import vgg16

from autoencoder import PerceptualDistance, lpips_distance, perceptual


def test_distance_is_zero_for_equal_images_and_has_a_gradient_for_the_reconstruction():
    convolution = torch.nn.Conv2d(3, 8, 3, padding=1)
    distance = PerceptualDistance(lambda images: [convolution(images)])
    images = torch.rand(2, 3, 8, 8)
    assert distance(images, images).item() == 0
    reconstruction = (images + 0.3 * torch.randn(2, 3, 8, 8)).requires_grad_()
    distance(images, reconstruction).backward()
    assert reconstruction.grad.abs().sum() > 0


def test_any_callable_will_do_and_each_layer_weighs_the_same():
    """Feature maps of one channel: normalised, they are their signs."""

    def signs(images):
        return [images.mean(dim=(1, 2, 3), keepdim=True), images[:, :1]]

    images = torch.full((2, 3, 4, 4), 0.5)
    distance = PerceptualDistance(signs)
    assert distance(images, -images).item() == 4
    half = torch.cat([-images[:, :1], images[:, 1:]], dim=1)  # the mean keeps its sign
    assert distance(images, half).item() == 2


def test_lpips_without_weights_names_the_file_and_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"vgg16-397923af\.pth.*classifier"):
        lpips_distance(backbone=tmp_path / "nothing.pth")


def test_lpips_refuses_a_file_with_another_hash(tmp_path):
    path = tmp_path / "vgg16-397923af.pth"
    path.write_bytes(b"not the weights")
    with pytest.raises(ValueError, match="sha256"):
        lpips_distance(backbone=path)


def test_backbone_weights_land_where_lpips_expects_them(tmp_path, monkeypatch):
    """Random torchvision weights through our loader give torchvision's own features."""
    torch.manual_seed(0)
    source = vgg16(weights=None)
    path = tmp_path / "vgg16-random.pth"
    torch.save(source.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(perceptual, "LPIPS_BACKBONE", f"vgg16-{digest[:8]}.pth")
    distance = lpips_distance(backbone=path)
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(distance.net(images).relu1_2, source.features[:4](images), atol=1e-6)
        assert torch.allclose(distance.net(images).relu5_3, source.features[:30](images), atol=1e-6)
        assert distance(images, images).item() == 0
        assert distance(images, 1 - images).item() > 0
