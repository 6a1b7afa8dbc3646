"""The networks that a denoiser may be made of: `[diffusion.model] kind = "…"` names one.

A further network is one new file, whose config class has a `kind` of its own and a `build`, and
its name in `AnyNetwork` below. What the file must hold is said in latent_diffusion/README.md.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from latent_diffusion.denoiser.dit import DiTConfig
from latent_diffusion.denoiser.unet import UNetConfig

AnyNetwork = UNetConfig | DiTConfig


def with_kind(settings: Any) -> Any:
    """Return settings that name their kind: runs from before there was a choice have UNets."""
    return {"kind": "unet", **settings} if isinstance(settings, dict) else settings


NetworkConfig = Annotated[AnyNetwork, Field(discriminator="kind"), BeforeValidator(with_kind)]


class RecordedNetwork(BaseModel):
    """The `model` table of a stage two that was trained."""

    model: NetworkConfig
