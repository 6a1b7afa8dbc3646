"""How much of an image survives the autoencoder: PSNR, SSIM, and rFID beside its floor."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel
from rich.table import Table

from latent_diffusion.data.reference import Reference
from latent_diffusion.device import choose_device
from latent_diffusion.evaluation.features import look
from latent_diffusion.evaluation.judge import Judge, judge_statistics
from latent_diffusion.evaluation.lpips import mean_lpips
from latent_diffusion.evaluation.sources import of_array
from latent_diffusion.run import Run
from latent_diffusion.sampling.generate import reconstruct
from latent_diffusion.training.autoencoder import load_autoencoder
from metrics import frechet_distance, psnr, sharpness, ssim


class ReconstructionScores(BaseModel):
    """Means over N images; rFID compares their reconstructions, and its floor the images themselves, with the train
    split. None where there is no judge; lpips is None where its weights are not on this machine."""

    n: int
    psnr: float
    ssim: float
    sharpness: float
    lpips: float | None = None
    rfid: float | None = None
    rfid_floor: float | None = None


def reconstruct_images(run: Run, originals: np.ndarray | None = None, device: str = "auto",
                       lpips_backbone: Path | None = None) -> tuple[np.ndarray, np.ndarray, ReconstructionScores]:
    """Originals and reconstructions, uint8 (N, H, W, 3), and their scores: the held-out images by default.

    rFID is for the held-out images only: others are not what the train split is a reference for.
    """
    target = choose_device(device)
    autoencoder = load_autoencoder(run, target)
    held_out = originals is None
    if held_out:
        originals = np.asarray(Reference.open(run).images)
        if not len(originals):
            raise ValueError(f"{run.folder} has no held-out images: name some image files")
    reconstructions = reconstruct(autoencoder, originals, run.autoencoder.read_config()["autoencoder"]["training"]["precision"])
    scores = ReconstructionScores(n=len(originals), psnr=float(psnr(originals, reconstructions).mean()),
                                  ssim=float(ssim(originals, reconstructions).mean()),
                                  sharpness=sharpness(reconstructions, originals),
                                  lpips=mean_lpips(originals, reconstructions, lpips_backbone, target))
    if held_out and run.classifier.trained and len(originals) > 1:
        judge = Judge.load(run, target)
        statistics = judge_statistics(run, judge).statistics
        scores.rfid, scores.rfid_floor = (
            frechet_distance(look(judge, of_array(images).batches(), len(images)).statistics, statistics)
            for images in (reconstructions, originals))
    if held_out:
        run.add_scores("reconstruction", scores.model_dump())
    return originals, reconstructions, scores


def table(scores: ReconstructionScores) -> Table:
    shown = Table(title=f"reconstruction of {scores.n} images")
    for column in ("score", "value", "best"):
        shown.add_column(column, justify="left" if column == "score" else "right")
    shown.add_row("PSNR, dB", f"{scores.psnr:.2f}", "high")
    shown.add_row("SSIM", f"{scores.ssim:.4f}", "1")
    shown.add_row("sharpness", f"{scores.sharpness:.3f}", "1")
    shown.add_row("LPIPS (VGG)", "no weights here" if scores.lpips is None else f"{scores.lpips:.4f}", "0")
    if scores.rfid is not None:
        ratio = f" ({scores.rfid / scores.rfid_floor:.2f} x floor)" if scores.rfid_floor else ""
        shown.add_row("rFID (judge)", f"{scores.rfid:.3f}{ratio}", f"{scores.rfid_floor:.3f} (floor)")
    return shown
