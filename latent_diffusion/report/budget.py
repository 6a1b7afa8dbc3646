"""The stage error budget: what each stage and the latents between cost, and what to improve.

Numbers in, words out; called by the page of a run.
"""

from dataclasses import dataclass
from typing import Literal

from latent_diffusion.evaluation.reconstruction import ReconstructionScores
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.text import number
from latent_diffusion.report.verdicts import reaches_floor
from latent_diffusion.studies.latent_cost import LatentCost

MOSTLY = 0.6  # share of the excess from which on one stage is to blame
SOFT = 0.9  # sharpness of reconstructions under which they are called soft
UNSEEN, SEEN = 0.58, 0.65  # AUC up to which nobody sees a loss, and from which anybody may
FINE = 1.5  # noise level up to which it is details that a denoiser draws
CLEARLY = 0.05  # difference by which one of precision and recall suffers more than the other


@dataclass(frozen=True)
class Budget:
    """What the FID is above its floor, and what of that the autoencoder costs.

    excess: of the FID over its floor, 0 at least; autoencoder: what its reconstructions alone have
    over theirs, at most all of it. stage: which to improve; "latents" where stage one loses nothing
    that shows but leaves stage two too much to draw, "neither" where the samples' interval reaches
    the floor, "unknown" where a score is missing. `words` say it in sentences.
    """

    stage: Literal["autoencoder", "latents", "denoiser", "both", "neither", "unknown"]
    words: list[str]
    excess: float | None = None
    autoencoder: float | None = None

    @property
    def share(self) -> float | None:
        """Return the share of the excess that the autoencoder costs, 0 .. 1."""
        if not self.excess or self.autoencoder is None:
            return None
        return self.autoencoder / self.excess


def stage_budget(
    scores: Scores | None,
    reconstruction: ReconstructionScores | None,
    cost: LatentCost | None = None,
) -> Budget:
    """Return which stage costs how much, by FID and, where it is known, by detectability.

    What a detector tells goes before what FID has: latents may keep more than anybody sees, and no
    reconstruction shows what that costs the denoiser.
    """
    budget = fid_budget(scores, reconstruction)
    seen = told_words(scores, cost) if scores else []
    if scores and reconstruction and cost and too_generous(scores, cost):
        excess = (budget.excess, budget.autoencoder)
        return Budget("latents", [*budget.words[:1], *seen, latents_advice(cost)], *excess)
    told = told_stages(scores) - {budget.stage, "both"} if scores else set()
    if budget.stage == "both" or not (scores and reconstruction and told):
        return Budget(budget.stage, [*budget.words, *seen], budget.excess, budget.autoencoder)
    words = budget.words[:1] if budget.stage == "neither" else budget.words
    also = " as well" if budget.stage != "neither" else ""
    words = [*words, *seen, f"FID does not show it, but a detector does; improve this{also}."]
    if "autoencoder" in told:
        words.append(autoencoder_advice(reconstruction))
    if "denoiser" in told:
        words.append(denoiser_advice(scores))
    stages = told | ({budget.stage} & {"autoencoder", "denoiser"})
    return Budget(
        "both" if len(stages) > 1 else next(iter(told)), words, budget.excess, budget.autoencoder
    )


def told_stages(scores: Scores) -> set[Literal["autoencoder", "denoiser"]]:
    """Return the stages whose loss a detector tells so well that anybody may see it."""
    found: set[Literal["autoencoder", "denoiser"]] = set()
    if (scores.value("detectability_decoder") or 0) > SEEN:
        found.add("autoencoder")
    if (scores.value("detectability_denoiser") or 0) > SEEN:
        found.add("denoiser")
    return found


def too_generous(scores: Scores, cost: LatentCost) -> bool:
    """Return whether the latents keep what nobody sees, at the cost of what the denoiser draws.

    So it is where latents are large, reconstructions cannot be told from real pictures, samples can
    be told from reconstructions, and can be so where only their details are the denoiser's.
    """
    decoder, denoiser = (
        scores.value(f"detectability_{stage}") for stage in ("decoder", "denoiser")
    )
    if decoder is None or denoiser is None:
        return False
    details = max((level.low for level in cost.levels if level.sigma <= FINE), default=0.0)
    return cost.generous and decoder <= UNSEEN and denoiser >= SEEN and details > 0.5


def told_words(scores: Scores, cost: LatentCost | None) -> list[str]:
    """Return what a detector tells of the stages and of the noise levels, in a sentence or two."""
    decoder, denoiser = (
        scores.value(f"detectability_{stage}") for stage in ("decoder", "denoiser")
    )
    if decoder is None or denoiser is None:
        return []
    words = [
        f"A detector tells reconstructions from real pictures with an AUC of {decoder:.2f}, and "
        f"samples from reconstructions with {denoiser:.2f}; 0.5 is right."
    ]
    if cost:
        levels = ", ".join(f"{level.auc:.2f} from {level.sigma:g}" for level in cost.levels)
        words.append(
            f"Of held-out pictures that are noised to a level and denoised it is {levels} "
            f"(N = {cost.n}): the lower the level, the finer what the denoiser draws there."
        )
    return words


def latents_advice(cost: LatentCost) -> str:
    """Return what to do about latents that are made for reconstruction."""
    return (
        f"Improve the latents: stage one keeps {cost.numbers:,} numbers for the {cost.pixels:,} of "
        "a picture, more than the eye sees in a reconstruction, and stage two has to draw them "
        "all. Train stage one anew with fewer latent_channels (a third or half), with "
        'perceptual = "classifier" and adversarial = true, so that the decoder draws crisply what '
        "the latents leave open; its PSNR may fall. Then train stage two again. More steps of "
        "stage two help as well."
    )


def fid_budget(scores: Scores | None, reconstruction: ReconstructionScores | None) -> Budget:
    """Return which stage costs how much of the FID.

    FID is no sum, but excesses over the floor add up roughly; and a floor has the bias of its N, so
    that differences of two numbers of images may be compared.
    """
    least = scores.least_fid if scores else None
    rfid = reconstruction.rfid if reconstruction else None
    if not scores or not reconstruction or least is None or rfid is None:
        return unknown_budget(least is not None, rfid is not None)
    excess = scores.scores["fid"].value - least
    lost = max(0.0, rfid - (reconstruction.rfid_floor or 0.0))
    found = found_words(scores, reconstruction, max(excess, 0.0), lost)
    if excess <= 0 or reaches_floor(scores):
        words = [found, *near_floor(scores, reconstruction, lost)]
        return Budget("neither", words, max(excess, 0.0), min(lost, max(excess, 0.0)))
    lost = min(lost, excess)
    share = lost / excess
    split = (
        f"So about {share:.0%} of the excess is the autoencoder's and {1 - share:.0%} "
        "the denoiser's."
    )
    if share >= MOSTLY:
        advice = [
            "Improve stage one first: no denoiser can draw what the decoder cannot.",
            autoencoder_advice(reconstruction),
        ]
        return Budget("autoencoder", [found, split, *advice], excess, lost)
    if share <= 1 - MOSTLY:
        advice = [
            "Improve stage two: the autoencoder would let much better samples through.",
            denoiser_advice(scores),
        ]
        return Budget("denoiser", [found, split, *advice], excess, lost)
    advice = [
        "Both stages cost about the same. Begin with stage one, for the denoiser has to be trained "
        "again after it.",
        autoencoder_advice(reconstruction),
        denoiser_advice(scores),
    ]
    return Budget("both", [found, split, *advice], excess, lost)


def unknown_budget(has_fid: bool, has_rfid: bool) -> Budget:
    """Return a budget that says what it lacks."""
    lacking = [] if has_fid else ["an FID of samples with its floor"]
    lacking += [] if has_rfid else ["an rFID of reconstructions"]
    return Budget("unknown", [f"No budget yet: it needs {' and '.join(lacking)}."])


def found_words(
    scores: Scores, reconstruction: ReconstructionScores, excess: float, lost: float
) -> str:
    """Return the numbers that the budget goes by."""
    counts = " and with the same class counts" if scores.matched_floor is not None else ""
    cost = number(lost) if lost else "nothing that shows"
    return (
        f"FID of {scores.n} samples is {number(scores.value('fid'))}, and held-out real images "
        f"measure {number(scores.least_fid)} at that N{counts}: {number(excess)} too much. "
        f"Real images, only encoded and decoded, measure {number(reconstruction.rfid)} where "
        f"untouched ones measure {number(reconstruction.rfid_floor)} (N = {reconstruction.n:,}): "
        f"the autoencoder costs {cost}."
    )


def near_floor(scores: Scores, reconstruction: ReconstructionScores, lost: float) -> list[str]:
    """Return what to look at where FID has nothing left to say."""
    words = [
        f"With {scores.n} samples the FID cannot be told from that of real images: neither stage "
        "stands out. More samples (--images) make the interval narrower."
    ]
    rfid, floor = reconstruction.rfid, reconstruction.rfid_floor
    if rfid and floor and lost > 0.1 * floor:
        words.append(
            f"Of what may be left, the autoencoder's part is the one that shows: its rFID is "
            f"{rfid / floor:.1f} times its floor. {autoencoder_advice(reconstruction)}"
        )
    sharp = scores.value("sharpness")
    if sharp is not None and sharp < SOFT:
        stage = "one" if reconstruction.sharpness < SOFT else "two"
        words.append(
            f"What FID hardly sees: the samples have {sharp:.0%} of the edges of real images, "
            f"reconstructions {reconstruction.sharpness:.0%}, so look at stage {stage}."
        )
    return words


def autoencoder_advice(reconstruction: ReconstructionScores) -> str:
    """Return what to do about the autoencoder, by how sharp its reconstructions are."""
    edges = f"{reconstruction.sharpness:.0%} of the edges, PSNR {reconstruction.psnr:.1f} dB"
    if reconstruction.sharpness < SOFT:
        return (
            f"Its reconstructions are soft ({edges}): more steps, more edge_weight "
            "(autoencoder.loss) and more latent_channels answer that, and, where the decoder met "
            "none yet, without training stage two again an adversary: ldm train-autoencoder "
            "--data DATA --run RUN --resume --set autoencoder.adversarial=true."
        )
    return (
        f"Its reconstructions are sharp ({edges}), so it is details that get lost: more steps, "
        "more latent_channels, or a smaller factor."
    )


def denoiser_advice(scores: Scores) -> str:
    """Return what to do about the denoiser: by classes that are not seen, and by neighbours."""
    if not scores.low_classes:
        return by_neighbours(scores)
    return (
        f"Classes that are hardly seen as such: {', '.join(scores.low_classes)}. "
        "ldm sweep RUN --by-class --apply finds the guidance that each class needs. "
        f"{by_neighbours(scores)}"
    )


def by_neighbours(scores: Scores) -> str:
    """Return advice by whether samples lack likeness (precision) or variety (recall)."""
    lost = {}
    for name in ("precision", "recall"):
        score = scores.scores.get(name)
        if score and score.real is not None:
            lost[name] = max(0.0, score.real - score.value)
    if len(lost) == 2 and lost["recall"] > lost["precision"] + CLEARLY:
        return (
            f"Samples lack variety more than likeness (recall {lost['recall']:.2f} below that of "
            f"real images, precision {lost['precision']:.2f}): try less guidance (ldm sweep), then "
            "more steps of training."
        )
    if len(lost) == 2 and lost["precision"] > lost["recall"] + CLEARLY:
        return (
            f"Samples lack likeness more than variety (precision {lost['precision']:.2f} below "
            f"that of real images, recall {lost['recall']:.2f}): more steps of training, a wider "
            "network, or more guidance (ldm sweep)."
        )
    return (
        "Precision and recall suffer alike, so guidance will not settle it (ldm sweep shows): more "
        "steps of training, or a wider network."
    )
