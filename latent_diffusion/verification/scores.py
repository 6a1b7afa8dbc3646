"""Whether what scores.json says comes out again from the samples and held-out images there are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.judge import Judge
from latent_diffusion.evaluation.judge_training import accuracy_on
from latent_diffusion.evaluation.lpips import find_lpips
from latent_diffusion.evaluation.reconstruction import reconstruct_images
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import evaluate
from latent_diffusion.evaluation.sources import of_array
from latent_diffusion.run import Run
from latent_diffusion.verification.check import Unknown

# What other processors or threads may change: a share of a number or so much; of counts so many.
SHARE, LEAST, FLIPPED = 0.01, 2e-4, 2
NAMED = 3  # differences in a line
IN_WORDS = {"notes", "reference"}  # what other versions may word otherwise
OTHER_JUDGE = re.compile(r"(?P<samples>.*) \(judge of (?P<judge>.*)\)")


def of_judge(run: Run, recorded: dict[str, Any], device: str) -> str:
    """Return what the judge's recorded accuracy was compared with."""
    reference = Reference.open(run)
    if len(reference.images) != reference.facts.images - sum(reference.facts.histogram):
        raise Unknown("the run keeps a part of the held-out images")
    judge = Judge.load(run, choose_device(device))
    source = of_array(np.asarray(reference.images))
    return compared(recorded, {"test_accuracy": accuracy_on(judge, source, reference.labels)})


def of_reconstruction(run: Run, recorded: dict[str, Any], device: str) -> str:
    """Return what the recorded scores of the autoencoder were compared with."""
    _, _, made = reconstruct_images(run, device=device, record=False)
    return compared(recorded, made.model_dump())


def of_samples(run: Run, name: str, recorded: dict[str, Any], device: str) -> str:
    """Return what the recorded scores of samples were compared with.

    name: under which scores.json has them. Raise Unknown for samples or judges that are not there.
    """
    try:
        scores = Scores.model_validate(recorded)
    except ValidationError:
        raise Unknown("no scores of samples that this version knows") from None
    other = None
    if found := OTHER_JUDGE.fullmatch(name):
        name, judge = found["samples"], Path(found["judge"])
        if not judge.is_dir():
            raise Unknown(f"the judge is that of {judge}, which is not there")
        other = Run.open(judge)
    elif scores.network not in ("judge", "none"):
        raise Unknown(f"seen by {scores.network}: ldm evaluate --features {scores.network}")
    samples = where(run, name)
    lpips = find_lpips(None, choose_device(device))
    made = evaluate(run, samples, other, device, lpips=lpips, record=False)
    if made.identity != scores.identity:
        raise ValueError(
            f"they were scored by another judge ({scores.identity[:8]}) than the one that is there "
            f"({made.identity[:8]}): ldm evaluate {samples} scores them again"
        )
    return compared(scores.model_dump(), made.model_dump())


def where(run: Run, name: str) -> Path:
    """Return where samples are now, also in a run that was moved with them; Unknown for nowhere."""
    for path in (Path(name), run.folder / Path(name).name):
        if path.exists():
            return path
    raise Unknown(f"the samples are no longer at {name}")


def compared(recorded: dict[str, Any], made: dict[str, Any]) -> str:
    """Return how recorded scores agree with those made again; ValueError where they do not."""
    values = list(both(recorded, made))
    if not values:
        raise Unknown("nothing of it can be made again here")
    off = [
        f"{name} is recorded as {shown(was)}, and comes out as {shown(now)}"
        for name, was, now in values
        if not close(was, now)
    ]
    if off:
        more = f" (and {len(off) - NAMED} more)" if len(off) > NAMED else ""
        raise ValueError("; ".join(off[:NAMED]) + more)
    same = all(was == now for _, was, now in values)
    how = "the same" if same else f"within {SHARE:.0%}, as other processors or threads round"
    return f"{len(values)} number{'s' if len(values) > 1 else ''} again, {how}"


def both(recorded: Any, made: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield name, recorded and new value of all that both have."""
    if isinstance(recorded, dict) and isinstance(made, dict):
        for key in recorded:
            if key in made and key not in IN_WORDS:
                yield from both(recorded[key], made[key], f"{name}.{key}" if name else key)
    elif isinstance(recorded, list | tuple) and isinstance(made, list | tuple):
        for number, (was, now) in enumerate(zip(recorded, made, strict=False), 1):
            yield from both(was, now, f"{name}[{number}]")
    elif recorded is not None and made is not None:
        yield name, recorded, made


def close(was: Any, now: Any) -> bool:
    """Return whether two values are the same but for rounding, by which a picture may flip."""
    if isinstance(was, bool) or not isinstance(was, int | float) or isinstance(now, str):
        return bool(was == now)
    least = FLIPPED if isinstance(was, int) else LEAST
    return bool(abs(was - now) <= max(least, SHARE * max(abs(was), abs(now))))


def shown(value: Any) -> str:
    """Return a value as it is shown."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
