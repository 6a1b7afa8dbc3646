"""What a workflow was asked for, as its run keeps it."""

from pydantic import BaseModel, ConfigDict, Field

from latent_diffusion.config import validated
from latent_diffusion.parsing import read_json
from latent_diffusion.run import Run, write_json

DEMO, DEMO_CONFIG, DEMO_MINUTES = "cartoons:11000", "cartoons_cpu", 10.0
ORDER, EARLIER = "order.json", "demo.json"  # in a run; the latter of demos that had no minutes


class Order(BaseModel):
    """What was asked for, as RUN/order.json keeps it, and the seconds that were spent on it."""

    model_config = ConfigDict(extra="forbid")

    source: str
    minutes: float = Field(gt=0, allow_inf_nan=False)
    config: str | None = None  # a file or a name; None: the general one for the device
    chosen: list[
        str
    ] = []  # where config is None: what is laid over that one, by a look at the data
    settings: list[str] = []
    widths: list[int] = []  # of the UNet, where the config's own allow too few steps
    size: int | None = None
    spent: float = 0.0
    # Checksum of the networks that a guidance was chosen for; "" before, None where none ever is,
    # as in orders of earlier versions: their runs sample as they did.
    swept: str | None = None

    @classmethod
    def read(cls, run: Run) -> "Order | None":
        """Return what a run was begun with, also as a demo of earlier versions; None if nothing."""
        path, earlier = run.folder / ORDER, run.folder / EARLIER
        if path.is_file():
            return validated(cls, read_json(path), str(path))
        if earlier.is_file():
            return cls.demo(read_json(earlier).get("settings", []))
        return None

    @classmethod
    def demo(cls, settings: list[str], minutes: float | None = None) -> "Order":
        """Return what `ldm demo` asks for."""
        return cls(
            source=DEMO,
            minutes=minutes or DEMO_MINUTES,
            config=DEMO_CONFIG,
            settings=settings,
        )

    def write(self, run: Run) -> None:
        """Keep it in the run."""
        write_json(run.folder / ORDER, self.model_dump())
