"""The stage error budget: how much of the FID each stage costs, and so which one to improve. Numbers in, words out."""

from dataclasses import dataclass
from typing import Literal

from latent_diffusion.evaluation.reconstruction import ReconstructionScores
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.text import number
from latent_diffusion.report.verdicts import reaches_floor

MOSTLY = 0.6  # share of the excess from which on one stage is to blame
SOFT = 0.9  # sharpness of reconstructions under which they are called soft
CLEARLY = 0.05  # difference by which one of precision and recall suffers more than the other


@dataclass(frozen=True)
class Budget:
    """excess: of the FID over its floor; autoencoder: what its reconstructions alone have over theirs, at most all of it.

    stage: which to improve; "neither" where the samples' interval reaches the floor, "unknown" where a
    score is missing. `words` say it in sentences.
    """

    stage: Literal["autoencoder", "denoiser", "both", "neither", "unknown"]
    words: list[str]
    excess: float | None = None
    autoencoder: float | None = None

    @property
    def share(self) -> float | None:
        """Of the excess that the autoencoder costs, 0 .. 1."""
        return self.autoencoder / self.excess if self.excess else None


def stage_budget(scores: Scores | None, reconstruction: ReconstructionScores | None) -> Budget:
    """FID is no sum, but excesses over the floor add up roughly; and a floor has the bias of its N, so that differences
    of two numbers of images may be compared."""
    fid = scores.scores.get("fid") if scores else None
    least = scores.least_fid if scores else None
    if fid is None or least is None or reconstruction is None or reconstruction.rfid is None:
        needed = {
            "an FID of samples with its floor": least is not None,
            "an rFID of reconstructions": reconstruction and reconstruction.rfid is not None,
        }
        lacking = [name for name, there in needed.items() if not there]
        return Budget("unknown", [f"No budget yet: it needs {' and '.join(lacking)}."])
    rfid, rfid_floor = reconstruction.rfid, reconstruction.rfid_floor
    excess, lost = fid.value - least, max(0.0, rfid - rfid_floor)
    counts = " and with the same class counts" if scores.matched_floor is not None else ""
    measured = (
        f"FID of {scores.n} samples is {number(fid.value)}, and held-out real images measure {number(least)} at that N{counts}: "
        f"{number(max(excess, 0.0))} too much. Real images, only encoded and decoded, measure {number(rfid)} where untouched "
        f"ones measure {number(rfid_floor)} (N = {reconstruction.n:,}): the autoencoder costs "
        f"{number(lost) if lost else 'nothing that shows'}."
    )
    if excess <= 0 or reaches_floor(scores):
        return Budget(
            "neither",
            [measured, *near_floor(scores, reconstruction, lost)],
            max(excess, 0.0),
            min(lost, max(excess, 0.0)),
        )
    lost = min(lost, excess)
    share = lost / excess
    split = f"So about {share:.0%} of the excess is the autoencoder's and {1 - share:.0%} the denoiser's."
    if share >= MOSTLY:
        advice = [
            "Improve stage one first: no denoiser can draw what the decoder cannot.",
            autoencoder_advice(reconstruction),
        ]
        return Budget("autoencoder", [measured, split, *advice], excess, lost)
    if share <= 1 - MOSTLY:
        advice = [
            "Improve stage two: the autoencoder would let much better samples through.",
            denoiser_advice(scores),
        ]
        return Budget("denoiser", [measured, split, *advice], excess, lost)
    advice = [
        "Both stages cost about the same. Begin with stage one, for the denoiser has to be trained again after it.",
        autoencoder_advice(reconstruction),
        denoiser_advice(scores),
    ]
    return Budget("both", [measured, split, *advice], excess, lost)


def near_floor(scores: Scores, reconstruction: ReconstructionScores, lost: float) -> list[str]:
    """What to look at where FID has nothing left to say."""
    words = [
        (
            f"With {scores.n} samples the FID cannot be told from that of real images: neither stage stands out. More samples "
            "(--images) make the interval narrower."
        )
    ]
    if lost > 0.1 * reconstruction.rfid_floor > 0:
        ratio = reconstruction.rfid / reconstruction.rfid_floor
        words.append(
            f"Of what may be left, the autoencoder's part is the one that shows: its rFID is {ratio:.1f} times its floor. "
            f"{autoencoder_advice(reconstruction)}"
        )
    sharp = scores.value("sharpness")
    if sharp is not None and sharp < SOFT:
        words.append(
            f"What FID hardly sees: the samples have {sharp:.0%} of the edges of real images"
            + (
                f", reconstructions {reconstruction.sharpness:.0%}, so look at stage one."
                if reconstruction.sharpness < SOFT
                else f", reconstructions {reconstruction.sharpness:.0%}, so look at stage two."
            )
        )
    return words


def autoencoder_advice(reconstruction: ReconstructionScores) -> str:
    if reconstruction.sharpness < SOFT:
        return (
            f"Its reconstructions are soft ({reconstruction.sharpness:.0%} of the edges, PSNR {reconstruction.psnr:.1f} dB): more "
            "edge_weight (autoencoder.loss) and more latent_channels answer that, and without training stage two again an adversary for the "
            "decoder: ldm train-autoencoder --data DATA --run RUN --resume --set autoencoder.adversarial=true."
        )
    return (
        f"Its reconstructions are sharp ({reconstruction.sharpness:.0%} of the edges, PSNR {reconstruction.psnr:.1f} dB), so it is "
        "details that get lost: more steps, more latent_channels, or a smaller factor."
    )


def denoiser_advice(scores: Scores) -> str:
    if scores.low_classes:
        return (
            f"Classes that are hardly seen as such: {', '.join(scores.low_classes)}. ldm sweep RUN --by-class --apply finds the guidance "
            f"that each class needs. {by_neighbours(scores)}"
        )
    return by_neighbours(scores)


def by_neighbours(scores: Scores) -> str:
    lost = {
        name: max(0.0, score.real - score.value)
        for name in ("precision", "recall")
        if (score := scores.scores.get(name)) and score.real is not None
    }
    if len(lost) == 2 and lost["recall"] > lost["precision"] + CLEARLY:
        return (
            f"Samples lack variety more than likeness (recall {lost['recall']:.2f} below that of real images, precision "
            f"{lost['precision']:.2f}): try less guidance (ldm sweep), then more steps of training."
        )
    if len(lost) == 2 and lost["precision"] > lost["recall"] + CLEARLY:
        return (
            f"Samples lack likeness more than variety (precision {lost['precision']:.2f} below that of real images, recall "
            f"{lost['recall']:.2f}): more steps of training, a wider network, or more guidance (ldm sweep)."
        )
    return (
        "Precision and recall suffer alike, so guidance will not settle it (ldm sweep shows): more steps of training, or a wider "
        "network."
    )
