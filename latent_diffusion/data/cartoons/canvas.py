"""A brush over Pillow's ImageDraw, which all cartoons use: flat shapes in a frame that moves.

The frame is 64 units wide whatever the size of the picture: x from -32 (left) to 32, y from -32
(top) to 32 (bottom), so at 64x64 one unit is one pixel. Colours are (r, g, b) tuples of 0..255.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from latent_diffusion.data.cartoons.flaws import Colour, Flaw, Layer, Point

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
        flaw: Flaw | None = None,
    ):
        self.draw = draw
        self.flaw = flaw
        self.matrix = matrix
        self.ink = ink
        self.rim_width = rim_width
        self.detail = detail
        a, b, c, d = matrix[:4]
        self.scale = math.sqrt(abs(a * d - b * c))  # pixels a unit
        self.unit = draw.im.size[0] / FRAME  # pixels a unit of the picture's own frame
        self.rim = rim_width * self.unit / self.scale  # outline in this frame's units

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
        return Brush(self.draw, matrix, self.ink, self.rim_width, self.detail, self.flaw)

    def inked(self, ink: Colour) -> Brush:
        """Return this brush with another outline colour."""
        return Brush(self.draw, self.matrix, ink, self.rim_width, self.detail, self.flaw)

    def polygon(self, points: Sequence[Point], fill: Colour, rim: bool = False) -> None:
        """Paint a closed polygon with straight sides."""
        self._shape(lambda grow: [_grown(points, grow) if grow else points], fill, rim)

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
        circle = _circle(self._corners(max(rx, ry)))

        def outline(grow: float) -> list[Sequence[Point]]:
            p, q = (rx + grow) * cos, (rx + grow) * sin
            r, s = -(ry + grow) * sin, (ry + grow) * cos
            return [[(x + p * u + r * v, y + q * u + s * v) for u, v in circle]]

        self._shape(outline, fill, rim)

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
        end = (width if end_width is None else end_width) / 2
        start = width / 2

        def outline(grow: float) -> list[Sequence[Point]]:
            return [
                self._disc(path[0], start + grow),
                self._disc(path[-1], end + grow),
                _ribbon(path, start + grow, end + grow),
            ]

        self._shape(outline, fill, rim)

    def _disc(self, middle: Point, radius: float) -> list[Point]:
        """A circle as a polygon."""
        (x, y), circle = middle, _circle(self._corners(radius))
        return [(x + radius * u + 0.0 * v, y + 0.0 * u + radius * v) for u, v in circle]

    def _corners(self, radius: float) -> int:
        """As many as keep the polygon within a fifth of a supersampled pixel of the curve."""
        return 4 * math.ceil(1.25 * math.sqrt(radius * self.scale))

    def _shape(
        self, outline: Callable[[float], list[Sequence[Point]]], fill: Colour, rim: bool
    ) -> None:
        """Paint a shape, with a rim in ink under it.

        `outline(grow)` is the shape grown by so much, as polygons to be filled.
        """
        layers: list[Layer] = [(0.0, fill, (0.0, 0.0))]
        if rim:
            layers.insert(0, (self.rim, self.ink, (0.0, 0.0)))
            if self.flaw:
                layers = self.flaw.layers(layers, self._share(outline(0.0)))
        for grow, colour, moved in layers:
            for points in outline(grow):
                self._fill(points, colour, moved)

    def _share(self, polygons: list[Sequence[Point]]) -> float:
        """The share of the picture that the largest of some polygons takes."""
        return max(map(_area, polygons)) * (self.scale / self.unit / FRAME) ** 2

    def _fill(self, points: Sequence[Point], fill: Colour, moved: Point) -> None:
        """Fill a polygon, moved by so many units of the picture's own frame."""
        a, b, c, d, e, f = self.matrix
        e, f = e + 0.5 + moved[0] * self.unit, f + 0.5 + moved[1] * self.unit
        # Whole pixels of the supersampled canvas: the last bit of a machine's cosine cannot show.
        self.draw.polygon(
            [(int(a * x + c * y + e), int(b * x + d * y + f)) for x, y in points], fill=fill
        )


def canvas(
    size: int, background: Colour, ink: Colour, rim_width: float, flaw: Flaw | None = None
) -> tuple[Image.Image, Brush]:
    """Return an empty picture at SUPERSAMPLING times `size`, and a brush in its 64-unit frame.

    What the brush paints has the flaw, if one is given.
    """
    image = Image.new("RGB", (size * SUPERSAMPLING, size * SUPERSAMPLING), background)
    unit = size * SUPERSAMPLING / FRAME
    middle = size * SUPERSAMPLING / 2
    matrix = (unit, 0.0, 0.0, unit, middle, middle)
    detail = 6 if size <= 128 else 16  # points between two of a curve: no facets, no time wasted
    return image, Brush(ImageDraw.Draw(image), matrix, ink, rim_width, detail, flaw)


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
    sides = list(zip(points, [*points[1:], points[0]], strict=True))
    by = by if _turn(points) > 0 else -by
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


def _turn(points: Sequence[Point]) -> float:
    """Twice the area of a polygon, negative where it runs against the clock's hands."""
    sides = zip(points, [*points[1:], points[0]], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in sides)


def _area(points: Sequence[Point]) -> float:
    return abs(_turn(points)) / 2
