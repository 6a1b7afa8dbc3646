"""What is good and what is weak about a run, in sentences: each score against that of real images.

Called by the page of a run.
"""

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
SHARP, SOFT = 1.1, 0.9  # sharpness that is too much, and too little

Verdict = tuple[bool, str]  # whether it is good, and what


def verdicts(
    scores: Scores | None, reconstruction: ReconstructionScores | None, audit: Audit | None
) -> tuple[list[str], list[str]]:
    """Return what is good, and what is weak."""
    found: list[Verdict] = []
    if scores:
        found += score_verdicts(scores)
    if reconstruction:
        found += reconstruction_verdicts(reconstruction)
    if audit:
        found.append(audit_verdict(audit))
    return [line for good, line in found if good], [line for good, line in found if not good]


def score_verdicts(scores: Scores) -> list[Verdict]:
    """Return the verdicts on samples."""
    found: list[Verdict] = []
    fid, least = scores.value("fid"), scores.least_fid
    if fid and least:
        matched = scores.matched_floor is not None
        what = "held-out images with the same class counts" if matched else "held-out images"
        line = (
            f"FID {number(fid)} at N = {scores.n}, {fid / least:.1f} times "
            f"the {number(least)} of {what}"
        )
        found.append((reaches_floor(scores), line))
    for name, title in COMPARED.items():
        score = scores.scores.get(name)
        if score and score.real is not None:
            line = f"{title}: {number(score.value)}, real images {number(score.real)}"
            found.append((reaches(score, score.real), line))
    sharp = scores.value("sharpness")
    if sharp is not None:
        found.append((SOFT <= sharp <= SHARP, f"{hardness(sharp)}: {sharp:.0%} of their edges"))
    if scores.low_classes:
        found.append((False, f"too seldom seen by the judge: {', '.join(scores.low_classes)}"))
    return found


def hardness(sharpness: float) -> str:
    """Return a sharpness in words."""
    if sharpness > SHARP:
        return "too hard, or noisy"
    return "soft" if sharpness < SOFT else "as sharp as real images"


def reconstruction_verdicts(reconstruction: ReconstructionScores) -> list[Verdict]:
    """Return the verdict on the autoencoder; none without an rFID and its floor."""
    if reconstruction.rfid is None or not reconstruction.rfid_floor:
        return []
    ratio = reconstruction.rfid / reconstruction.rfid_floor
    line = (
        f"the autoencoder: rFID {number(reconstruction.rfid)}, {ratio:.2f} times its floor, "
        f"PSNR {reconstruction.psnr:.1f} dB"
    )
    return [(ratio <= NEAR, line)]


def audit_verdict(audit: Audit) -> Verdict:
    """Return whether samples are copies of training images."""
    copied = [name for name, finding in audit.findings.items() if finding.copied]
    if copied:
        return False, f"copies of training images, by {' and '.join(copied)}"
    return True, (
        f"no copies: {audit.n} samples are no nearer to training images than held-out images are"
    )


def reaches_floor(scores: Scores) -> bool:
    """Return whether the interval of the FID reaches what perfect samples would measure."""
    fid, least = scores.scores["fid"], scores.least_fid
    assert least is not None  # whoever asks knows the floor
    return (fid.value if fid.low is None else fid.low) <= least


def reaches(score: Score, real: float) -> bool:
    """Return whether a score's interval reaches that of real images, where more is better."""
    high = score.value if score.high is None else score.high
    return max(high, score.value + SLACK) >= real
