"""Display shutters of images and presentation states, beside an obvious twin and DCMTK."""

import struct

import numpy as np
import pytest

from dicomwire import DataSet
from dicomwire.pixel import read_shutter, render
from tests.builders import element, item, sequence
from tests.oracles.polygon import is_inside
from tests.pixel.states import COLOR, image, referring, state
from tests.pixel.test_grey import functional_groups, text, words
from tests.pixel.test_overlays import overlay, packed

ROWS, COLUMNS = 12, 14
PIXELS = np.full((ROWS, COLUMNS), 100, np.uint8)
IMAGE = image(PIXELS.tobytes(), rows=ROWS, columns=COLUMNS)
RECTANGLE = {
    "ShutterLeftVerticalEdge": 3, "ShutterRightVerticalEdge": 10, "ShutterUpperHorizontalEdge": 2,
    "ShutterLowerHorizontalEdge": 8,
}  # fmt: skip
WHOLE = (128, 256)
RANDOM = np.random.default_rng(11)


def seen(*, ds=IMAGE, **values):
    """Which pixels a state with these attributes leaves to be seen."""
    deviations = []
    hidden = read_shutter(ds, (ROWS, COLUMNS), presentation_state=state(**values), deviations=deviations)
    assert deviations == []
    return ~hidden


def square():
    expected = np.zeros((ROWS, COLUMNS), bool)
    expected[1:8, 2:10] = True
    return expected


def test_a_rectangle_has_its_edges():
    assert np.array_equal(seen(ShutterShape="RECTANGULAR", **RECTANGLE), square())
    beyond = {**RECTANGLE, "ShutterLeftVerticalEdge": -5, "ShutterLowerHorizontalEdge": 2**31 - 1}
    assert np.argwhere(seen(ShutterShape="RECTANGULAR", **beyond)).tolist() == [
        [row, column] for row in range(1, ROWS) for column in range(10)
    ]
    corners = [2, 3, 2, 10, 8, 10, 8, 3]
    assert np.array_equal(seen(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=corners), square())


@pytest.mark.parametrize("radius", [0, 1, 4, 5, 300])
def test_a_circle(radius):
    found = seen(ShutterShape="CIRCULAR", CenterOfCircularShutter=[6, 7], RadiusOfCircularShutter=radius)
    for row, column in np.ndindex(ROWS, COLUMNS):
        assert found[row, column] == ((row + 1 - 6) ** 2 + (column + 1 - 7) ** 2 <= radius**2)


def test_a_circle_is_round_where_pixels_are_not_square():
    tall = image(PIXELS.tobytes(), text(0x00280034, "2\\1", "IS"), rows=ROWS, columns=COLUMNS)
    found = seen(ds=tall, ShutterShape="CIRCULAR", CenterOfCircularShutter=[6, 7], RadiusOfCircularShutter=4)
    assert np.flatnonzero(found[:, 6]).tolist() == [3, 4, 5, 6, 7]
    assert np.flatnonzero(found[5]).tolist() == list(range(2, 11))


@pytest.mark.parametrize("corners", [3, 4, 5, 9, 200])
def test_polygons_are_those_of_the_twin(corners):
    for _ in range(20):
        points = RANDOM.integers(-4, 20, (corners, 2))
        found = seen(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=points.ravel().tolist())
        xy = [(int(column), int(row)) for row, column in points]
        for row, column in np.ndindex(ROWS, COLUMNS):
            assert found[row, column] == is_inside(xy, column + 1, row + 1), (points, row, column)


def test_shapes_are_combined():
    circle = {"CenterOfCircularShutter": [6, 7], "RadiusOfCircularShutter": 4}
    polygon = {"VerticesOfThePolygonalShutter": [1, 1, 1, 14, 12, 1]}
    alone = [
        seen(ShutterShape="RECTANGULAR", **RECTANGLE), seen(ShutterShape="CIRCULAR", **circle),
        seen(ShutterShape="POLYGONAL", **polygon),
    ]  # fmt: skip
    together = seen(ShutterShape=["POLYGONAL", "CIRCULAR", "RECTANGULAR"], **RECTANGLE, **circle, **polygon)
    assert np.array_equal(together, alone[0] & alone[1] & alone[2])
    assert 0 < together.sum() < min(each.sum() for each in alone)


def test_what_is_hidden_has_the_value_of_the_shutter():
    for value, shown in ((None, 0), (0, 0), (0x8000, 128), (65535, 255)):
        more = {} if value is None else {"ShutterPresentationValue": value}
        found = render(IMAGE, presentation_state=state(ShutterShape="RECTANGULAR", **RECTANGLE, **more))
        assert np.array_equal(found, np.where(square(), 100, shown))
        assert (render(IMAGE, presentation_state=state(ShutterShape="RECTANGULAR", **RECTANGLE), shutters=False)
                == 100).all()  # fmt: skip


RED = [35579, 53662, 50858]  # about sRGB (255, 0, 0)


def test_colours_of_shutters():
    colours = image(np.repeat(PIXELS[..., None], 3, axis=2).tobytes(), rows=ROWS, columns=COLUMNS, samples=3,
                    photometric="RGB")  # fmt: skip
    both = {"ShutterPresentationValue": 0x8000, "ShutterPresentationColorCIELabValue": RED}
    found = render(colours, presentation_state=state(COLOR, ShutterShape="RECTANGULAR", **RECTANGLE, **both))
    assert (found[square()] == 100).all()
    assert np.abs(found[~square()].astype(int) - [255, 0, 0]).max() <= 2
    # A grey picture takes grey, and becomes one of colours where there is nothing else.
    assert render(IMAGE, presentation_state=state(ShutterShape="RECTANGULAR", **RECTANGLE, **both)).ndim == 2
    del both["ShutterPresentationValue"]
    promoted = render(IMAGE, presentation_state=state(ShutterShape="RECTANGULAR", **RECTANGLE, **both))
    assert np.array_equal(promoted, found)
    deviations = []
    both["ShutterPresentationColorCIELabValue"] = [1, 2]
    black = render(IMAGE, presentation_state=state(ShutterShape="RECTANGULAR", **RECTANGLE, **both),
                   deviations=deviations)  # fmt: skip
    assert np.array_equal(black, np.where(square(), 100, 0))
    assert [each.kind for each in deviations] == ["shutter"]


def shuttered(shape="RECTANGULAR", left=3):
    values = zip(range(0x00181602, 0x0018160A, 2), (left, 10, 2, 8), strict=True)
    edges = b"".join(text(tag, str(value), "IS") for tag, value in values)
    return text(0x00181600, shape, "CS") + edges + element(0x00181622, "US", words(0x4000))


def with_shutter(more, **options):
    ds = image(PIXELS.tobytes(), rows=ROWS, columns=COLUMNS, **options)
    for each in image(b"", more):
        if each.tag >> 16 == 0x18:
            ds.add(each)
    return ds


def test_the_shutter_of_an_image():
    ds = with_shutter(shuttered())
    assert np.array_equal(render(ds, window=WHOLE), np.where(square(), 100, 64))
    assert (render(ds, window=WHOLE, shutters=False) == 100).all()
    # A presentation state without a shutter has none.
    assert (render(ds, presentation_state=state()) == 100).all()


def test_the_shutter_of_a_frame():
    first = sequence(0x00189472, item(shuttered()))
    groups = functional_groups(("1", "0", first), ("1", "0", b""))
    ds = image(PIXELS.tobytes() * 2, rows=ROWS, columns=COLUMNS, frames="2")
    for each in image(b"", groups):
        if each.tag >> 16 == 0x5200:
            ds.add(each)
    assert np.array_equal(read_shutter(ds, (ROWS, COLUMNS)), ~square())
    assert read_shutter(ds, (ROWS, COLUMNS), frame=1) is None


def test_the_shutter_of_a_frame_in_a_presentation_state():
    two = image(PIXELS.tobytes() * 2, rows=ROWS, columns=COLUMNS, frames="2")
    own = state(FrameDisplayShutterSequence=[referring(frames=2, ShutterShape="RECTANGULAR", **RECTANGLE)])
    assert read_shutter(two, (ROWS, COLUMNS), presentation_state=own) is None
    assert np.array_equal(read_shutter(two, (ROWS, COLUMNS), frame=1, presentation_state=own), ~square())


def bitmap(bits, origin=(3, 3), group=0x6000, **values):
    ds = state(ShutterShape="BITMAP", ShutterOverlayGroup=group, **values)
    rows, columns = bits.shape
    for each in image(b"", overlay(0x6000, rows, columns, packed(bits), origin=origin)):
        if each.tag >> 16 == 0x6000:
            ds.add(each)
    return ds


def test_a_bitmap_hides_where_it_is_1():
    bits = RANDOM.integers(0, 2, (5, 6)).astype(np.uint8)
    found = render(IMAGE, presentation_state=bitmap(bits, ShutterPresentationValue=65535))
    expected = PIXELS.copy()
    expected[2:7, 2:8][bits == 1] = 255
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ShutterShape": "OVAL"}, "does not have"),
        ({"ShutterShape": "RECTANGULAR"}, "LeftVerticalEdge is missing"),
        ({"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [1], "RadiusOfCircularShutter": 3}, "1 values"),
        ({"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [1, 1], "RadiusOfCircularShutter": -3}, "below 0"),
        ({"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 2, 3, 4, 5]}, "even number"),
        ({"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 2, 3, 4]}, "even number"),
        ({"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6002}, "without its overlay"),
    ],
)
def test_shutters_that_make_no_sense_are_left_out_and_told(values, reason):
    deviations = []
    found = render(IMAGE, presentation_state=state(**values), deviations=deviations)
    assert (found == 100).all()
    assert [(each.kind, each.path) for each in deviations] == [("shutter", "00181600")]
    assert reason in deviations[0].message
    # What else there is counts.
    both = {**values, **RECTANGLE, "ShutterShape": [values["ShutterShape"], "RECTANGULAR"]}
    if values["ShutterShape"] != "RECTANGULAR":
        assert np.array_equal(render(IMAGE, presentation_state=state(**both)), np.where(square(), 100, 0))


def test_polygons_have_a_bound():
    deviations = []
    many = DataSet({"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 2] * 32769})
    assert read_shutter(IMAGE, (ROWS, COLUMNS), presentation_state=many, deviations=deviations) is None
    assert "65538 values" in deviations.pop().message
    rows = 4000
    vertices = state(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=[1, 1, rows, 1] * 2500)
    tall = image(bytes(rows), rows=rows, columns=1)
    assert read_shutter(tall, (rows, 1), presentation_state=vertices, deviations=deviations) is None
    assert "refused" in deviations[0].message


def test_another_value_in_the_place_of_a_number():
    wrong = element(0x00181600, "CS", b"CIRCULAR") + element(0x00181610, "FD", struct.pack("<2d", float("nan"), 1))
    deviations = []
    assert read_shutter(with_shutter(wrong), (ROWS, COLUMNS), deviations=deviations) is None
    assert len(deviations) == 1
