"""Plots by matplotlib: panels of curves side by side, one subject a picture.

Called by studies and by whatever else writes a plot; report/charts.py draws the same panels as SVG.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#3b6fb6", "#d1663a", "#4a9a62", "#8a5fb0", "#b0a03a")
Points = Sequence[float] | np.ndarray


@dataclass
class Curve:
    """Points of one line, with the half lengths of their error bars (or none)."""

    name: str
    x: Points
    y: Points
    error: Points | None = None


@dataclass
class Panel:
    """One plot of a picture; `levels` are horizontal lines by name."""

    title: str
    x_label: str
    y_label: str
    curves: list[Curve]
    levels: dict[str, float] = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False
    ticks: Sequence[str] | None = None  # names of the points instead of their numbers
    scattered: bool = False  # points without lines, except those of the first curve


def plot(panels: Sequence[Panel], path: Path, columns: int = 4) -> Path:
    """Write the panels into one PNG, in rows of at most `columns`; return its path."""
    from matplotlib.figure import Figure  # not pyplot: no window system, no state

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.4 * columns + 0.6, 2.9 * rows + 0.3), dpi=110, layout="constrained")
    all_axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, panel in zip(all_axes, panels, strict=False):
        plot_panel(axes, panel)
    for axes in all_axes[len(panels) :]:
        axes.remove()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def plot_panel(axes: "Axes", panel: Panel) -> None:
    """Plot one panel."""
    for number, curve in enumerate(panel.curves):
        axes.errorbar(
            curve.x,
            curve.y,
            yerr=curve.error,
            label=curve.name,
            color=COLOURS[number % len(COLOURS)],
            marker="o",
            markersize=5 if panel.scattered else 3,
            capsize=2,
            linewidth=0 if panel.scattered and number else 1.4,
        )
    for name, level in panel.levels.items():
        axes.axhline(level, color="#888888", linewidth=1, linestyle="--", label=name)
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    if panel.ticks:
        axes.set_xticks(range(len(panel.ticks)), panel.ticks, rotation=40, ha="right", fontsize=7)
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x_label, fontsize=8)
    axes.set_ylabel(panel.y_label, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    if len(panel.curves) > 1 or panel.levels:
        axes.legend(fontsize=7, frameon=False)
