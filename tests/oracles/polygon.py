"""Polygons, a pixel and an edge at a time."""

from __future__ import annotations

from fractions import Fraction


def is_inside(points: list[tuple[int, int]], x: int, y: int) -> bool:
    """Whether a point with whole coordinates is inside a polygon by the even-odd rule, or on one of its edges."""
    inside = False
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if (x1 - x0) * (y - y0) == (y1 - y0) * (x - x0) and min(x0, x1) <= x <= max(x0, x1) \
                and min(y0, y1) <= y <= max(y0, y1):  # fmt: skip
            return True
        if (y0 > y) != (y1 > y) and x < x0 + Fraction((y - y0) * (x1 - x0), y1 - y0):
            inside = not inside
    return inside
