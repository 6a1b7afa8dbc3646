"""What lies in a run: whether its files are what was written, and whether they belong together."""

import zipfile
import zlib
from pathlib import Path

import torch

from latent_diffusion.data.checksum import pixel_checksum
from latent_diffusion.data.reference import Reference, prove_reference
from latent_diffusion.data.store import Dataset
from latent_diffusion.evaluation.judge import SPATIAL_FILE, Judge, judge_statistics
from latent_diffusion.loading import check_teacher, fits, trained_on, without_training
from latent_diffusion.run import Part, Run
from latent_diffusion.tensors import Damaged, holds, load_tensors, prove
from latent_diffusion.training.checkpoint import Checkpoint, section
from latent_diffusion.verification.check import Unknown

NAMED = 3  # damaged files in a line
# Of an autoencoder: what is measured after its training, and what a sharpening goes on with.
MEASURED, SHARPENED = ("shift", "scale"), ("decoder.", "to_patches.")


def tensor_files(run: Run) -> str:
    """Return how many tensor files hold their checksums; ValueError that names damaged ones."""
    proved, without, damage = 0, 0, []
    paths = sorted(run.folder.rglob("*.safetensors"))
    for path in paths:
        try:
            if prove(path):
                proved += 1
            else:
                load_tensors(path)
                without += 1
        except Damaged as error:
            damage.append(str(error))
    if damage:
        more = f" (and {len(damage) - NAMED} more)" if len(damage) > NAMED else ""
        raise ValueError("; ".join(damage[:NAMED]) + more)
    if not paths:
        raise Unknown("there are no tensor files")
    said = f"{proved} tensor files hold their checksums" if proved else ""
    earlier = f"{without} of an earlier version have none, and can be read" if without else ""
    return "; ".join(filter(None, (said, earlier)))


def reference_files(run: Run) -> str:
    """Return which of what a run keeps of its data holds its checksums; ValueError for damage."""
    images = f"{len(Reference.open(run).images)} held-out images"
    proved = [images] if prove_reference(run) else []
    for name in ("judge.npz", SPATIAL_FILE):
        if (run.reference / name).is_file():
            read_whole(run.reference / name)
            proved.append(name)
    said = f"{', '.join(proved)}: they hold their checksums" if proved else ""
    earlier = "" if images in proved else f"{images} of an earlier version have none"
    return "; ".join(filter(None, (said, earlier)))


def read_whole(path: Path) -> None:
    """Read an .npz, whose arrays carry checksums; raise ValueError where one does not hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    if broken:
        raise ValueError(f"{path} is damaged (the checksum of {broken} does not hold)")


def network(run: Run, part: Part) -> str:
    """Return where a network comes from and what it goes with; ValueError where that is wrong."""
    if not part.trained:
        raise Unknown("not trained")
    check_data(run, part)
    found = [weights_of_checkpoint(run, part)]
    if part.name == "diffusion":
        recorded = part.read_config()["autoencoder_checksum"]
        if not fits(run.autoencoder.require(), recorded):
            raise ValueError(
                f"the denoiser learnt the latents of another autoencoder ({recorded[:8]}) than the "
                f"one in {run.autoencoder.folder}: put that one back, or run ldm train-diffusion"
            )
        found.append("it learnt the latents of this autoencoder")
    if part.name == "student":
        check_teacher(run)
        found.append("it learnt from this denoiser")
    if part.name == "classifier":
        judge_statistics(run, Judge.load(run, torch.device("cpu")))
        found.append("its statistics of real images are its own")
    return "; ".join(found)


def check_data(run: Run, part: Part) -> None:
    """Raise ValueError for a network of other data than what the run keeps."""
    known, learnt = Reference.open(run).facts, trained_on(part)
    if learnt.checksum != known.checksum:
        raise ValueError(
            f"the {part.caption} was trained on other data ({learnt.checksum[:8]}) than what "
            f"{run.reference} keeps ({known.checksum[:8]})"
        )


def weights_of_checkpoint(run: Run, part: Part) -> str:
    """Return in words that a network's weights are those with which its training ended.

    Raise ValueError where they are others.
    """
    if not part.checkpoint_path.is_file():
        return "its checkpoint is not here, so nothing says where its weights come from"
    checkpoint, config = Checkpoint.read(part.checkpoint_path), part.read_config()[part.name]
    steps = config["training"]["steps"]
    if checkpoint.done < steps:
        best = load_tensors(part.best_path)[0] if part.best_path.is_file() else {}
        if best and holds(part.model_path, without_training(best)):
            return (
                f"the weights are the best of its training, which ended at step {checkpoint.done}"
            )
        return f"its training is under way, at step {checkpoint.done} of {steps}"
    ended = without_training(section(checkpoint.tensors, "ema.0."))
    weights = load_tensors(part.model_path)[0]
    if part.name == "autoencoder":
        ended |= {name: weights[name] for name in MEASURED if name in weights}
        if config.get("adversarial") and run.adversary.checkpoint_path.is_file():
            sharpened = section(Checkpoint.read(run.adversary.checkpoint_path).tensors, "ema.0.")
            ended |= {n: value for n, value in sharpened.items() if n.startswith(SHARPENED)}
    differing = ended.keys() ^ weights.keys()
    differing |= {
        name
        for name in ended.keys() & weights.keys()
        if not torch.equal(ended[name], weights[name])
    }
    if differing:
        raise ValueError(
            f"{part.model_path} is not what the training in {part.checkpoint_path} ended with "
            f"({min(differing)} is another): put the right file back, or --resume writes it again"
        )
    return f"the weights are those of its checkpoint, after step {steps}"


def pixels(run: Run, data: Dataset | None) -> str:
    """Return that a data set is, pixel by pixel, what the run was trained on; else ValueError."""
    if data is None:
        raise Unknown("not given: --data DATA compares all its pixels")
    recorded = Reference.open(run).facts.checksum
    if data.info.checksum != recorded:
        raise ValueError(
            f"{data.folder} is not the data set that {run.folder} was trained on: it says "
            f"{data.info.checksum[:8]}, and the run recorded {recorded[:8]}"
        )
    if pixel_checksum(data) != recorded:
        raise ValueError(
            f"{data.folder} has changed since the run was trained on it: its pixels, labels or "
            "split are not those of the checksum that the run recorded"
        )
    return f"{len(data)} images with labels and split have the checksum that the run recorded"
