"""Class-conditional latent diffusion that anyone can train from scratch on their own images.

`from latent_diffusion import Pipeline` is the Python face of a trained run; the command line is
`ldm`.
"""

__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    # Imported on first use, so that commands without a network (prepare, --help) never wait for
    # torch.
    if name == "Pipeline":
        from latent_diffusion.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module 'latent_diffusion' has no attribute {name!r}")
