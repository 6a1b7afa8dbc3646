"""Charts as inline SVG that take the page's colours, light or dark. Drawn by matplotlib, so that axes are its business."""

import io
import re

from latent_diffusion.inspection.plots import Panel

INK = "#010203"  # stands for the page's own text colour
SERIES = tuple(
    f"#0a0b{number:02x}" for number in range(5)
)  # stand for the page's --series-0, -1, …
SETTINGS = {
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
    """One chart. It holds no text of users': names of curves belong into the page, beside `SERIES` colours."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    with rc_context(SETTINGS):
        figure = Figure(figsize=(4.2, 2.7), layout="constrained")
        axes = figure.subplots()
        for number, curve in enumerate(panel.curves):
            few = len(curve.x) <= 24  # more points are a line
            under = (
                number == 0 and len(panel.curves) > 1
            )  # wider, so that it shows under one that is the same
            axes.errorbar(
                curve.x,
                curve.y,
                yerr=curve.error,
                color=SERIES[number % len(SERIES)],
                linewidth=3 if under else 1.5,
                capsize=2,
                marker="o" if few else None,
                markersize=3.5,
            )
        for level in panel.levels.values():
            axes.axhline(level, color=INK, linewidth=0.8, linestyle="--", alpha=0.6)
        if panel.log_x:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(
                "{x:g}"
            )  # in plain figures: the usual powers are mathematical markup
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        axes.grid(alpha=0.15, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return recoloured(buffer.getvalue())


def recoloured(text: str) -> str:
    """Matplotlib's file as part of a page: without what only a file has, its colours those of the page."""
    for pattern in SURPLUS:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--sans)", text)
    for number, colour in enumerate(SERIES):
        text = text.replace(colour, f"var(--series-{number})")
    return text.replace(INK, "currentColor")
