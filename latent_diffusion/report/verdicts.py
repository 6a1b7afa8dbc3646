"""What is good and what is weak about a run, in sentences: each score against what real images measure."""

from latent_diffusion.evaluation.audit import Audit
from latent_diffusion.evaluation.reconstruction import ReconstructionScores
from latent_diffusion.evaluation.scores import Score, Scores
from latent_diffusion.evaluation.text import number

COMPARED = {
    "precision": "likeness (precision)",
    "recall": "variety (recall)",
    "accuracy": "the class asked for (accuracy)",
    "inception_score": "clarity and variety of classes (Inception score)",
    "class_coverage": "presence of every class (class coverage)",
}
SLACK = 0.02  # shares this close to those of real images count as equal, whatever the interval
NEAR = 1.1  # rFID up to so many times its floor is as good as the images themselves
SHARP, SOFT = 1.1, 0.9


def verdicts(
    scores: Scores | None, reconstruction: ReconstructionScores | None, audited: Audit | None
) -> tuple[list[str], list[str]]:
    """(good, weak)"""
    good: list[str] = []
    weak: list[str] = []
    if scores:
        if (fid := scores.scores.get("fid")) and (least := scores.least_fid):
            what = (
                "held-out images with the same class counts"
                if scores.matched_floor is not None
                else "held-out images"
            )
            text = f"FID {number(fid.value)} at N = {scores.n}, {fid.value / least:.1f} times the {number(least)} of {what}"
            (good if reaches_floor(scores) else weak).append(text)
        for name, title in COMPARED.items():
            score = scores.scores.get(name)
            if score and score.real is not None:
                (good if reaches(score) else weak).append(
                    f"{title}: {number(score.value)}, real images {number(score.real)}"
                )
        if (sharp := scores.value("sharpness")) is not None:
            word = (
                "too hard, or noisy"
                if sharp > SHARP
                else "soft"
                if sharp < SOFT
                else "as sharp as real images"
            )
            (good if SOFT <= sharp <= SHARP else weak).append(f"{word}: {sharp:.0%} of their edges")
        if scores.low_classes:
            weak.append(f"too seldom seen by the judge: {', '.join(scores.low_classes)}")
    if reconstruction and reconstruction.rfid is not None and reconstruction.rfid_floor:
        ratio = reconstruction.rfid / reconstruction.rfid_floor
        text = f"the autoencoder: rFID {number(reconstruction.rfid)}, {ratio:.2f} times its floor, PSNR {reconstruction.psnr:.1f} dB"
        (good if ratio <= NEAR else weak).append(text)
    if audited:
        copied = [name for name, finding in audited.findings.items() if finding.copied]
        (weak if copied else good).append(
            f"copies of training images, by {' and '.join(copied)}"
            if copied
            else f"no copies: {audited.n} samples are no nearer to training images than held-out images are"
        )
    return good, weak


def reaches_floor(scores: Scores) -> bool:
    """Whether the interval of the FID reaches what perfect samples would measure."""
    fid = scores.scores["fid"]
    return (fid.low if fid.low is not None else fid.value) <= scores.least_fid


def reaches(score: Score) -> bool:
    """Whether a score's interval reaches what real images measure, where more is better."""
    return (
        max(score.high if score.high is not None else score.value, score.value + SLACK)
        >= score.real
    )
