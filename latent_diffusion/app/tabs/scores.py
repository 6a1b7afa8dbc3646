"""The tab that shows what the run was scored, and what gives its samples away."""

import gradio as gr

from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.evaluation.scoring import EVIDENCE
from latent_diffusion.evaluation.text import score_rows
from latent_diffusion.run import Run

NONE = "No scores yet: `ldm sample RUN samples`, then `ldm evaluate samples --run RUN`."


class ScoresTab:
    """The scores that the run recorded last, with their intervals, beside those of real images."""

    def __init__(self, run: Run):
        found = last_scores(run)
        if found is None:
            gr.Markdown(NONE)
            return
        name, scores = found
        gr.Markdown(f"{scores.n} samples ({name}), compared with {scores.reference}.")
        rows = [
            [row.title, row.value, row.interval, row.real, row.best] for row in score_rows(scores)
        ]
        gr.Dataframe(
            rows,
            headers=["score", "samples", "95% interval", f"real, N = {scores.n}", "best"],
            interactive=False,
        )
        if (run.folder / EVIDENCE).is_file():
            gr.Image(
                str(run.folder / EVIDENCE),
                label="What gives samples away: red places speak for a sample, blue for a real one",
                interactive=False,
            )


def last_scores(run: Run) -> tuple[str, Scores] | None:
    """Return the scores of samples that were recorded last, with their name; None without any."""
    for name, recorded in reversed(run.read_scores().items()):
        try:
            return name, Scores.model_validate(recorded)
        except ValueError:  # of a judge, reconstructions or an audit
            continue
    return None
