"""All of it in one go, in the minutes that are given: what `ldm train` and `ldm demo` do."""

from latent_diffusion.workflow.order import Order
from latent_diffusion.workflow.work import run_demo, run_train

__all__ = ["Order", "run_demo", "run_train"]
