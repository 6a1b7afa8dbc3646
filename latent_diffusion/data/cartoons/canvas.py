"""A brush over Pillow's ImageDraw, which all cartoons use: flat shapes in a frame that moves.

The frame is 64 units wide whatever the size of the picture: x from -32 (left) to 32, y from -32
(top) to 32 (bottom), so at 64x64 one unit is one pixel. Colours are (r, g, b) tuples of 0..255.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]
FRAME = 64.0  # units across the picture
SUPERSAMPLING = 4


class Brush:
    """Paints through an affine map (units -> pixels of the supersampled canvas).

    `at` gives a brush in a moved frame. Shapes painted with `rim=True` get an outline around them
    in the colour `ink`, `rim_width` units wide at any scale.
    """

    def __init__(
        self,
        draw: ImageDraw.ImageDraw,
        matrix: tuple[float, ...],
        ink: Colour,
        rim_width: float,
        detail: int,
    ):
        self.draw = draw
        self.matrix = matrix
        self.ink = ink
        self.rim_width = rim_width
        self.detail = detail
        a, b, c, d = matrix[:4]
        self.scale = math.sqrt(abs(a * d - b * c))  # pixels a unit
        self.rim = rim_width * draw.im.size[0] / FRAME / self.scale  # outline in this frame's units

    def at(
        self, x: float, y: float, scale: float = 1.0, tilt: float = 0.0, mirror: bool = False
    ) -> Brush:
        """Return a brush with its origin at (x, y) of this one.

        `tilt` is in degrees clockwise; `mirror` swaps left and right.
        """
        a, b, c, d, e, f = self.matrix
        cos, sin = scale * math.cos(math.radians(tilt)), scale * math.sin(math.radians(tilt))
        # The new x axis points along (ux, uy) of this frame, the new y axis along (-sin, cos).
        ux, uy = (-cos, -sin) if mirror else (cos, sin)
        across = (a * ux + c * uy, b * ux + d * uy)
        down = (c * cos - a * sin, d * cos - b * sin)
        matrix = (*across, *down, a * x + c * y + e, b * x + d * y + f)
        return Brush(self.draw, matrix, self.ink, self.rim_width, self.detail)

    def inked(self, ink: Colour) -> Brush:
        """Return this brush with another outline colour."""
        return Brush(self.draw, self.matrix, ink, self.rim_width, self.detail)

    def polygon(self, points: Sequence[Point], fill: Colour, rim: bool = False) -> None:
        """Paint a closed polygon with straight sides."""
        if rim:
            self._fill(_grown(points, self.rim), self.ink)
        self._fill(points, fill)

    def blob(self, points: Sequence[Point], fill: Colour, rim: bool = False) -> None:
        """Paint a closed smooth shape (Catmull-Rom) through the points."""
        self.polygon(_smooth([points[-1], *points, *points[:2]], self.detail), fill, rim)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        fill: Colour,
        tilt: float = 0.0,
        rim: bool = False,
    ) -> None:
        """Paint an ellipse about (x, y); `tilt` in degrees clockwise."""
        cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        # As many corners as keep the polygon within a fifth of a supersampled pixel of the curve.
        circle = _circle(4 * math.ceil(1.25 * math.sqrt(max(rx, ry) * self.scale)))
        for grow, colour in self._layers(fill, rim):
            p, q = (rx + grow) * cos, (rx + grow) * sin
            r, s = -(ry + grow) * sin, (ry + grow) * cos
            self._fill([(x + p * u + r * v, y + q * u + s * v) for u, v in circle], colour)

    def circle(self, x: float, y: float, radius: float, fill: Colour, rim: bool = False) -> None:
        """Paint a circle about (x, y)."""
        self.ellipse(x, y, radius, radius, fill, rim=rim)

    def stroke(
        self,
        points: Sequence[Point],
        width: float,
        fill: Colour,
        end_width: float | None = None,
        rim: bool = False,
    ) -> None:
        """Paint a smooth open line through the points, with round ends.

        Its width runs from `width` to `end_width`, where that is given.
        """
        path = [*_smooth([points[0], *points, points[-1]], self.detail), points[-1]]
        end_width = width if end_width is None else end_width
        for grow, colour in self._layers(fill, rim):
            for (x, y), w in ((path[0], width), (path[-1], end_width)):
                self.ellipse(x, y, w / 2 + grow, w / 2 + grow, colour)
            self._fill(_ribbon(path, width / 2 + grow, end_width / 2 + grow), colour)

    def _layers(self, fill: Colour, rim: bool) -> list[tuple[float, Colour]]:
        """What is painted one over the other: by how much each grows, and its colour."""
        outline = [(self.rim, self.ink)] if rim else []
        return [*outline, (0.0, fill)]

    def _fill(self, points: Sequence[Point], fill: Colour) -> None:
        a, b, c, d, e, f = self.matrix
        e, f = e + 0.5, f + 0.5
        # Whole pixels of the supersampled canvas: the last bit of a machine's cosine cannot show.
        self.draw.polygon(
            [(int(a * x + c * y + e), int(b * x + d * y + f)) for x, y in points], fill=fill
        )


def canvas(
    size: int, background: Colour, ink: Colour, rim_width: float
) -> tuple[Image.Image, Brush]:
    """Return an empty picture at SUPERSAMPLING times `size`, and a brush in its 64-unit frame."""
    image = Image.new("RGB", (size * SUPERSAMPLING, size * SUPERSAMPLING), background)
    unit = size * SUPERSAMPLING / FRAME
    middle = size * SUPERSAMPLING / 2
    matrix = (unit, 0.0, 0.0, unit, middle, middle)
    detail = 6 if size <= 128 else 16  # points between two of a curve: no facets, no time wasted
    return image, Brush(ImageDraw.Draw(image), matrix, ink, rim_width, detail)


def pixels(image: Image.Image) -> np.ndarray:
    """Return the finished picture, uint8 (size, size, 3), averaged down from the canvas."""
    return np.array(image.reduce(SUPERSAMPLING))


@lru_cache(maxsize=64)
def _circle(count: int) -> list[Point]:
    return [
        (math.cos(2 * math.pi * i / count), math.sin(2 * math.pi * i / count)) for i in range(count)
    ]


@lru_cache(maxsize=8)
def _weights(steps: int) -> list[tuple[float, ...]]:
    """Catmull-Rom weights of four neighbouring points at `steps` points between the middle two."""
    weights: list[tuple[float, ...]] = []
    for t in (i / steps for i in range(steps)):
        before, first = (-t + 2 * t**2 - t**3) / 2, (2 - 5 * t**2 + 3 * t**3) / 2
        second, after = (t + 4 * t**2 - 3 * t**3) / 2, (t**3 - t**2) / 2
        weights.append((before, first, second, after))
    return weights


def _smooth(points: Sequence[Point], steps: int) -> list[Point]:
    """Curve through points[1:-1], without its very last point; the first and last only steer."""
    weights = _weights(steps)
    curve: list[Point] = []
    fours = zip(points, points[1:], points[2:], points[3:], strict=False)
    for (x0, y0), (x1, y1), (x2, y2), (x3, y3) in fours:
        curve += [
            (p * x0 + q * x1 + r * x2 + s * x3, p * y0 + q * y1 + r * y2 + s * y3)
            for p, q, r, s in weights
        ]
    return curve


def _ribbon(path: Sequence[Point], start: float, end: float) -> list[Point]:
    """Outline of a line of half-width `start` at its beginning and `end` at its end."""
    left: list[Point] = []
    right: list[Point] = []
    last = len(path) - 1
    for i, (x, y) in enumerate(path):
        (x0, y0), (x1, y1) = path[max(i - 1, 0)], path[min(i + 1, last)]
        half = (start + (end - start) * i / last) / (math.hypot(x1 - x0, y1 - y0) or 1.0)
        nx, ny = (y0 - y1) * half, (x1 - x0) * half
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return left + right[::-1]


def _grown(points: Sequence[Point], by: float) -> list[Point]:
    """The polygon with every side moved outwards by `by` (corners mitred, at most twice as far)."""
    followers = [*points[1:], points[0]]
    sides = list(zip(points, followers, strict=True))
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in sides)
    by = by if area > 0 else -by
    normals = []
    for (x, y), (x1, y1) in sides:
        length = math.hypot(x1 - x, y1 - y) or 1.0
        normals.append(((y1 - y) / length, (x - x1) / length))
    grown = []
    before = [normals[-1], *normals[:-1]]
    for (x, y), (mx, my), (nx, ny) in zip(points, before, normals, strict=True):
        mitre = by / max(1 + mx * nx + my * ny, 0.5)
        grown.append((x + (mx + nx) * mitre, y + (my + ny) * mitre))
    return grown
