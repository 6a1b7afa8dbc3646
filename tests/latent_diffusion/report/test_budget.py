"""The error budget blames the stage that is to blame, and the words follow the numbers."""

import pytest

from latent_diffusion.evaluation.reconstruction import ReconstructionScores
from latent_diffusion.evaluation.scores import Score, Scores
from latent_diffusion.report.budget import stage_budget
from latent_diffusion.report.verdicts import verdicts
from latent_diffusion.studies.latent_cost import LatentCost, LevelCost


def samples(
    fid: float, half: float = 0.2, floor: float | None = 0.5, **others: tuple[float, float]
) -> Scores:
    found = {"fid": Score(value=fid, low=fid - half, high=fid + half, real=floor)}
    for name, (value, real) in others.items():
        found[name] = Score(value=value, low=value - 0.01, high=value + 0.01, real=real)
    return Scores(n=1000, network="judge", identity="", reference="training images", scores=found)


def reconstructions(rfid: float | None, sharpness: float = 1.0) -> ReconstructionScores:
    floor = 0.4 if rfid else None
    return ReconstructionScores(
        n=500, psnr=30.0, ssim=0.9, sharpness=sharpness, rfid=rfid, rfid_floor=floor
    )


def words(scores: Scores, reconstruction: ReconstructionScores) -> str:
    return " ".join(stage_budget(scores, reconstruction).words)


@pytest.mark.parametrize(
    ("fid", "rfid", "stage", "autoencoder"),
    [
        (3.5, 2.9, "autoencoder", 2.5),  # 2.5 of the 3.0 above the floor
        (3.5, 0.7, "denoiser", 0.3),
        (3.5, 0.35, "denoiser", 0.0),  # reconstructions better than the images cost nothing
        (3.5, 1.9, "both", 1.5),
        (0.6, 0.41, "neither", 0.01),
        (2.0, 9.0, "autoencoder", 1.5),  # never more than the whole
    ],
)
def test_each_case(fid, rfid, stage, autoencoder):
    budget = stage_budget(samples(fid), reconstructions(rfid))
    assert budget.stage == stage
    assert budget.autoencoder == pytest.approx(autoencoder)
    assert budget.excess == pytest.approx(fid - 0.5)
    text = " ".join(budget.words)
    assert f"{fid:.3f}" in text and f"{rfid:.3f}" in text and "N = 500" in text
    assert ("Improve stage one first" in text) == (stage == "autoencoder")
    assert ("Improve stage two" in text) == (stage == "denoiser")
    assert ("neither stage" in text) == (stage == "neither")


def test_the_matched_floor_counts_where_there_is_one():
    """With few samples the floor of random draws can be above what is still far from perfect."""
    few = samples(0.5, floor=0.6)
    assert stage_budget(few, reconstructions(0.41)).stage == "neither"
    assert verdicts(few, None, None)[0]
    few.matched_floor = 0.1
    budget = stage_budget(few, reconstructions(0.41))
    assert budget.stage == "denoiser"
    assert budget.excess == pytest.approx(0.4)
    assert "same class counts" in budget.words[0]
    good, weak = verdicts(few, None, None)
    assert not good
    assert "5.0 times the 0.100 of held-out images with the same class counts" in weak[0]


def test_advice_follows_what_is_weak():
    def denoiser(**scores: tuple[float, float]) -> str:
        return words(samples(3.5, **scores), reconstructions(0.4))

    varied = denoiser(precision=(0.9, 0.9), recall=(0.5, 0.9))
    assert "variety" in varied and "less guidance" in varied
    assert "more guidance" in denoiser(precision=(0.5, 0.9), recall=(0.9, 0.9))
    assert "suffer alike" in denoiser(precision=(0.6, 0.9), recall=(0.6, 0.9))
    assert "--by-class" not in denoiser()
    lost = samples(3.5, precision=(0.5, 0.9), recall=(0.9, 0.9))
    text = words(lost.model_copy(update={"low_classes": ["road"]}), reconstructions(0.4))
    assert "road. ldm sweep RUN --by-class --apply" in text and "more guidance" in text
    assert "soft (70%" in words(samples(3.5), reconstructions(3.4, sharpness=0.7))
    assert "sharp (98%" in words(samples(3.5), reconstructions(3.4, sharpness=0.98))


def test_what_is_missing_is_said():
    assert stage_budget(None, reconstructions(1.0)).stage == "unknown"
    (line,) = stage_budget(samples(3.0), None).words
    assert "rFID" in line and "FID of samples" not in line
    assert stage_budget(samples(3.0, floor=None), reconstructions(1.0)).stage == "unknown"


def test_verdicts_put_each_score_on_its_side():
    mixed = samples(0.6, accuracy=(0.7, 0.9), recall=(0.9, 0.9), sharpness=(0.5, 1.0))
    good, weak = verdicts(mixed, reconstructions(2.0), None)
    assert [line[:3] for line in good] == ["FID", "var"] and any("50%" in line for line in weak)
    assert any("accuracy" in line for line in weak) and any("rFID" in line for line in weak)
    far = samples(3.0, accuracy=(0.95, 0.9), sharpness=(1.0, 1.0))
    good, weak = verdicts(far, reconstructions(0.4), None)
    assert len(weak) == 1 and weak[0].startswith("FID") and len(good) == 3
    assert verdicts(None, None, None) == ([], [])


def told(decoder: float, denoiser: float, fid: float = 3.5) -> Scores:
    """Samples that a detector tells, stage by stage."""
    found = samples(fid)
    for stage, auc in (("decoder", decoder), ("denoiser", denoiser)):
        found.scores[f"detectability_{stage}"] = Score(value=auc, low=auc - 0.03, high=auc + 0.03)
    return found


def cost(channels: int, details: float) -> LatentCost:
    """Latents of 16 x 16 with so many channels, for pictures of 64 x 64."""
    levels = [
        LevelCost(sigma=sigma, auc=auc, low=auc - 0.05, high=auc + 0.05)
        for sigma, auc in ((0.5, details), (1.5, details), (5.0, 0.8))
    ]
    return LatentCost(
        n=200, numbers=256 * channels, pixels=64 * 64 * 3, deviations=[9.0], levels=levels
    )


@pytest.mark.parametrize(
    ("decoder", "denoiser", "channels", "details", "stage"),
    [
        (0.53, 0.92, 12, 0.7, "latents"),  # nobody sees what the decoder loses; details are told
        (0.53, 0.92, 4, 0.7, "denoiser"),  # small latents are not to blame
        (0.75, 0.92, 12, 0.7, "both"),  # a decoder that is told, and FID does not show it
        (0.75, 0.55, 4, 0.5, "both"),  # FID blames the denoiser, the detector the decoder
        (0.53, 0.55, 12, 0.7, "denoiser"),  # samples that pass
        (0.53, 0.92, 12, 0.5, "denoiser"),  # it is the layout alone that is told
    ],
)
def test_latents_that_keep_more_than_anybody_sees_are_to_blame(
    decoder, denoiser, channels, details, stage
):
    budget = stage_budget(told(decoder, denoiser), reconstructions(0.41), cost(channels, details))
    text = " ".join(budget.words)
    assert budget.stage == stage
    assert f"AUC of {decoder:.2f}" in text and f"with {denoiser:.2f}" in text
    assert ("fewer latent_channels" in text) == (stage == "latents")
    assert ("Improve stage two:" in text) == (stage != "latents")


def test_what_a_detector_tells_counts_where_the_fid_has_nothing_left_to_say():
    near = told(0.53, 0.95, fid=0.6)
    budget = stage_budget(near, reconstructions(0.41), cost(4, 0.5))
    assert budget.stage == "denoiser" and "FID does not show it" in " ".join(budget.words)
    assert stage_budget(told(0.53, 0.55, fid=0.6), reconstructions(0.41)).stage == "neither"
