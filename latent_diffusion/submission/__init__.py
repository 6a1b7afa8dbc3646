"""`ldm submit`: builds what a course wants to be handed in, and checks what somebody has."""

from latent_diffusion.evaluation.rubric import Rubric, SubmissionPlan


def submission_plan(rubric: Rubric) -> SubmissionPlan:
    """Return what a rubric wants to be handed in; ValueError for one that does not say."""
    if rubric.submission is None:
        raise ValueError(
            f"the rubric {rubric.title} has no [submission]: it says nothing about what to hand in"
        )
    return rubric.submission
