"""Charts as inline SVG that take the page's colours, light or dark.

Plotted by matplotlib, so that axes are its business. Called by the templates of the pages.
"""

import io
import re
from typing import Any

from latent_diffusion.inspection.plots import Panel

INK = "#010203"  # stands for the page's own text colour
SERIES = tuple(f"#0a0b{number:02x}" for number in range(5))  # stand for its --series-0, -1, …
MOST_MARKED = 24  # points of a curve; more are a line
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 9,
    "axes.linewidth": 0.6,
}
SURPLUS = (
    r"^.*?(?=<svg)",
    r"<metadata>.*?</metadata>",
    r"<style.*?</style>",
    r' id="[a-z0-9]+_\d+"',
    r' (?:width|height)="[\d.]+pt"(?=[^>]* viewBox)',
)


def svg(panel: Panel) -> str:
    """Return one chart.

    It holds no text of users': names of curves belong into the page, beside `SERIES` colours.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    with rc_context(SETTINGS):
        figure = Figure(figsize=(4.2, 2.7), layout="constrained")
        axes = figure.subplots()
        for number, curve in enumerate(panel.curves):
            first_of_many = number == 0 and len(panel.curves) > 1
            axes.errorbar(
                curve.x,
                curve.y,
                yerr=curve.error,
                color=SERIES[number % len(SERIES)],
                linewidth=3 if first_of_many else 1.5,  # shows under another that is the same
                capsize=2,
                marker="o" if len(curve.x) <= MOST_MARKED else None,
                markersize=3.5,
            )
        for level in panel.levels.values():
            axes.axhline(level, color=INK, linewidth=0.8, linestyle="--", alpha=0.6)
        if panel.log_x:
            axes.set_xscale("log")
        if panel.log_y:
            axes.set_yscale("log")
        logarithmic = [axes.xaxis] * panel.log_x + [axes.yaxis] * panel.log_y
        for axis in logarithmic:
            axis.set_major_formatter("{x:g}")  # the usual powers are mathematical markup
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        axes.grid(alpha=0.15, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return recoloured(buffer.getvalue())


def recoloured(text: str) -> str:
    """Return matplotlib's file as part of a page.

    It is without what only a file has, and its colours are those of the page.
    """
    for pattern in SURPLUS:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--sans)", text)
    for number, colour in enumerate(SERIES):
        text = text.replace(colour, f"var(--series-{number})")
    return text.replace(INK, "currentColor")
