"""Lines and areas, beside Pillow and obvious twins; what would cost too much."""

import numpy as np
import pytest

from dicomwire.errors import PixelError
from dicomwire.pixel import drawing
from dicomwire.pixel.drawing import Canvas, curve, ellipse, fill, line, polygon_mask

RANDOM = np.random.default_rng(5)


def canvas(rows=20, columns=30):
    return Canvas(np.zeros((rows, columns), np.uint8))


def drawn(points, thickness=1.0, rows=20, columns=30):
    found = canvas(rows, columns)
    line(found, np.array(points, float), 255, thickness)
    return found.array == 255


def test_lines_are_thin_and_without_gaps():
    for _ in range(100):
        begin, end = RANDOM.uniform(0, 20, (2, 2))
        found = np.argwhere(drawn([begin, end]))
        steps = np.abs(np.floor(end) - np.floor(begin)).max()
        assert steps + 1 <= len(found) <= steps + 3
        assert len(found) == 1 or all(
            sorted(np.abs(found - place).max(axis=1))[1] == 1 for place in found
        )  # each pixel has a neighbour
        assert drawn([begin, end])[int(begin[1]), int(begin[0])]
        # Never further from the line than half the diagonal of a pixel.
        ahead = (end - begin) / np.hypot(*(end - begin))
        away = np.abs((found[:, 1] + 0.5 - begin[0]) * ahead[1] - (found[:, 0] + 0.5 - begin[1]) * ahead[0])
        assert away.max() < 0.75


def test_lines_that_leave_the_picture():
    assert np.argwhere(drawn([[-1e30, 3.5], [1e30, 3.5]])).tolist() == [[3, column] for column in range(30)]
    assert np.argwhere(drawn([[4.5, -100], [4.5, 3e9]])).tolist() == [[row, 4] for row in range(20)]
    diagonal = np.argwhere(drawn([[-1000.0, -1000.0], [1000.0, 1000.0]]))
    assert diagonal.tolist() == [[place, place] for place in range(20)]
    assert not drawn([[-5, 100], [500, 100]]).any()
    assert not drawn([[-5, -5]]).any()
    assert np.argwhere(drawn([[2.9, 7.1]])).tolist() == [[7, 2]]


@pytest.mark.parametrize("thickness", [1, 2, 3, 4, 7, 12])
def test_thickness(thickness):
    found = drawn([[2, 50.5], [98, 50.5]], thickness, 100, 100)
    assert found[:, 50].sum() == thickness
    assert abs(np.argwhere(found[:, 50]).mean() - 50) <= 0.5
    thick, thicker = (drawn([[50, 50]], width, 100, 100).sum() for width in (32, 1e9))
    assert thick == thicker


def test_polygons_are_filled_as_pillow_fills_them():
    Image, ImageDraw = pytest.importorskip("PIL.Image"), pytest.importorskip("PIL.ImageDraw")
    for _ in range(30):
        points = RANDOM.uniform(-20, 120, (RANDOM.integers(3, 9), 2))
        ours = polygon_mask(points, 100, 100)
        scale = 16  # Pillow knows no parts of pixels: the same, larger, and its middle
        theirs = Image.new("1", (100 * scale, 100 * scale))
        ImageDraw.Draw(theirs).polygon([tuple(point * scale) for point in points], fill=1)
        theirs = np.asarray(theirs)[scale // 2 :: scale, scale // 2 :: scale]
        # It takes whole numbers: a sixteenth of a pixel, where an edge crosses a row.
        assert (ours != theirs).sum() <= 0.15 * drawing.crossings(points, 100) + 2
        found = canvas(100, 100)
        fill(found, points, 255)
        assert np.array_equal(found.array == 255, ours)


def test_a_curve_goes_through_its_points():
    points = RANDOM.uniform(0, 50, (7, 2))
    found = curve(points)
    assert np.abs(found[::16] - points).max() < 1e-9
    assert np.abs(np.diff(found, axis=0)).max() < 10
    closed = np.concatenate([points, points[:1]])
    around = curve(closed)
    assert np.abs(around[::16] - closed).max() < 1e-9
    # No corner where it closes: a point of a circle is as good as another one.
    angle = np.linspace(0, 2 * np.pi, 9)[:, None]
    circle = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    circle[-1] = circle[0]
    assert np.ptp(np.hypot(*curve(circle).T)) < 0.03
    assert np.array_equal(curve(points[:2]), points[:2])


def test_an_ellipse():
    found = ellipse(np.array([10.0, 20.0]), np.array([5.0, 0.0]), np.array([0.0, 3.0]))
    assert np.abs(((found - [10, 20]) / [5, 3]) ** 2 @ [1, 1] - 1).max() < 1e-9
    assert np.abs(found[0] - found[-1]).max() < 1e-9
    assert len(ellipse(np.zeros(2), np.array([1e30, 0]), np.array([0, 1e30]))) <= 4097


def test_a_picture_becomes_one_of_colours_where_it_must():
    grey = np.zeros((2, 3), np.uint8)
    grey.flags.writeable = False
    shown = Canvas(grey)
    shown.paint(np.array([[True, False, False], [False, False, False]]), (7, 7, 7))
    assert shown.array.tolist() == [[7, 0, 0], [0, 0, 0]]
    line(shown, np.array([[1.5, 1.5]]), (1, 2, 3))
    assert shown.is_colour
    assert shown.array[1].tolist() == [[0, 0, 0], [1, 2, 3], [0, 0, 0]]
    assert shown.array[0, 0].tolist() == [7, 7, 7]
    shown.blend(0, 2, np.array([[128]], np.uint8), 255)
    assert shown.array[0, 2].tolist() == [128] * 3
    assert not grey.any()


def test_what_would_cost_too_much(monkeypatch):
    monkeypatch.setattr(drawing, "_MOST_STEPS", 1000)
    zigzag = np.array([[0, 0], [29, 19]] * 30, float)
    with pytest.raises(PixelError, match="more than 1000"):
        line(canvas(), zigzag, 255)
    with pytest.raises(PixelError, match="more than 1000"):
        fill(canvas(), zigzag, 255)
    several = canvas()
    fill(several, zigzag[:3], 255)
    line(several, zigzag[:10], 255)
    with pytest.raises(PixelError, match="more than 1000"):
        line(several, zigzag, 255)


def test_polygons_in_blocks(monkeypatch):
    zigzag = RANDOM.uniform(-10, 40, (50, 2))
    inside = polygon_mask(zigzag, 20, 30)
    monkeypatch.setattr(drawing, "_AT_ONCE", 7)
    assert np.array_equal(polygon_mask(zigzag, 20, 30), inside)
