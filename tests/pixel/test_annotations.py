"""Graphics, text and layers of presentation states; what is left out, and what would cost too much."""

import sys

import numpy as np
import pytest

from dicomwire import dcmread
from dicomwire.errors import UnsupportedError
from dicomwire.pixel import drawing, read_annotations, render
from tests.builders import element, item, part10, sequence
from tests.pixel.states import COLOR, annotated, displayed, graphic, image, layer, made, referring, state
from tests.pixel.test_grey import text as string
from tests.pixel.test_overlays import overlay, packed

SIDE = 64
PIXELS = np.full((SIDE, SIDE), 100, np.uint8)
IMAGE = image(PIXELS.tobytes(), rows=SIDE, columns=SIDE)
GREEN = [57500, 10800, 53900]
ALL = {"DisplayedAreaSelectionSequence": [displayed((1, 1), (SIDE, SIDE))]}


def show(*objects, layers=(), ds=IMAGE, **options):
    own = {key: options.pop(key) for key in list(options) if key[0].isupper()}
    own.setdefault("GraphicAnnotationSequence", [annotated(*objects)])
    return render(ds, presentation_state=state(GraphicLayerSequence=list(layers), **own), **options)


def places(*objects, **options):
    """(row, column) of what is drawn in white."""
    return {tuple(place) for place in np.argwhere(show(*objects, **options) == 255).tolist()}


def box(first, last, **more):
    return graphic("POLYLINE", [first, first, last, first, last, last, first, last, first, first], **more)


FILLED = {(row, column) for row in range(10, 21) for column in range(10, 21)}
OUTLINE = {place for place in FILLED if {10, 20} & set(place)}


def test_a_polyline_is_where_it_is_said_to_be():
    # 10.5 is the middle of the eleventh pixel: PIXEL counts from the corner of the first one.
    assert places(box(10.5, 20.5)) == OUTLINE
    assert places(box(10.5, 20.5, GraphicFilled="N")) == OUTLINE
    assert places(box(10.5, 20.5, GraphicFilled="Y")) == FILLED
    open_one = graphic("POLYLINE", [10.5, 10.5, 20.5, 10.5, 20.5, 20.5], GraphicFilled="Y")
    assert len(places(open_one)) == 21
    assert (show(box(10.5, 20.5), annotations=False) == 100).all()


def test_units_of_the_display():
    area = [displayed((11, 21), (42, 36), "MAGNIFY", PresentationPixelMagnificationRatio=2.0)]
    half = graphic("POLYLINE", [0, 0.5, 1, 0.5], units="DISPLAY")
    assert places(half, DisplayedAreaSelectionSequence=area) == {(16, column) for column in range(64)}
    # The display is not turned with the image.
    assert places(half, ImageRotation=90, DisplayedAreaSelectionSequence=area) == {
        (32, column) for column in range(32)
    }
    pixel = graphic("POLYLINE", [10.5, 20.5, 41.5, 20.5])
    assert places(pixel, DisplayedAreaSelectionSequence=area) == {(1, column) for column in range(1, 64)}


@pytest.mark.parametrize(("rotation", "flip"), [(0, "Y"), (90, "N"), (180, "Y"), (270, "N"), (270, "Y")])
def test_graphics_turn_with_the_image(rotation, flip):
    crooked = graphic("POLYLINE", [3.5, 5.5, 30.5, 5.5, 30.5, 40.5])
    plain = show(crooked)
    found = show(crooked, ImageRotation=rotation, ImageHorizontalFlip=flip)
    expected = np.rot90(plain, -rotation // 90)
    assert np.array_equal(found, expected[:, ::-1] if flip == "Y" else expected)


def test_circles_ellipses_points_and_curves():
    circle = np.array(sorted(places(graphic("CIRCLE", [32, 32, 42, 32]))))
    distance = np.hypot(*(circle + 0.5 - 32).T)
    assert distance.min() > 9.2
    assert distance.max() < 10.8
    assert len(circle) >= 56
    flat = np.array(sorted(places(graphic("ELLIPSE", [12, 32, 52, 32, 32, 27, 32, 37]))))
    assert (flat[:, 1].min(), flat[:, 1].max()) == (12, 52)
    assert (flat[:, 0].min(), flat[:, 0].max()) == (27, 37)
    inside = places(graphic("ELLIPSE", [12, 32, 52, 32, 32, 27, 32, 37], GraphicFilled="Y"))
    assert len(inside) == pytest.approx(np.pi * 20.5 * 5.5, rel=0.05)
    assert places(graphic("POINT", [32.5, 20.5])) == {(20, 32 + i) for i in range(-3, 4)} | {
        (20 + i, 32) for i in range(-3, 4)
    }
    through = [5.5, 5.5, 20.5, 40.5, 40.5, 10.5, 60.5, 60.5]
    curved = places(graphic("INTERPOLATED", through))
    assert {(int(y), int(x)) for x, y in zip(through[::2], through[1::2], strict=True)} <= curved
    assert curved != places(graphic("POLYLINE", through))


def test_layers_have_their_colours_and_their_order():
    first, second = (annotated(box(10.5, 20.5 + i, GraphicFilled="Y"), layer=name) for i, name in enumerate("AB"))
    layers = [
        layer("A", 2, GraphicLayerRecommendedDisplayGrayscaleValue=0x4000),
        layer("B", 1, GraphicLayerRecommendedDisplayGrayscaleValue=0),
    ]
    found = show(GraphicAnnotationSequence=[first, second], layers=layers)
    assert (found[10:21, 10:21] == 64).all()  # A is on top
    assert (found[21, 10:22] == 0).all()
    layers.reverse()
    layers[0].GraphicLayerOrder = 3
    found = show(GraphicAnnotationSequence=[first, second], layers=layers)
    assert (found[10:22, 10:22] == 0).all()
    order = [each.layer for each in read_annotations(
        state(GraphicAnnotationSequence=[first, second], GraphicLayerSequence=layers), IMAGE)]  # fmt: skip
    assert order == ["A", "B"]


def test_a_colour_makes_a_picture_of_colours():
    green = [layer("A", 1, GraphicLayerRecommendedDisplayCIELabValue=GREEN)]
    found = show(box(10.5, 20.5), layers=green)
    assert found.shape == (SIDE, SIDE, 3)
    assert found[10, 10, 1] > 200 > 100 > found[10, 10, 0]
    assert found[0, 0].tolist() == [100, 100, 100]
    # With a grey one beside it, a grey picture stays what it is, and one of colours takes the colour.
    both = [layer("A", 1, GraphicLayerRecommendedDisplayCIELabValue=GREEN,
                  GraphicLayerRecommendedDisplayGrayscaleValue=65535)]  # fmt: skip
    assert show(box(10.5, 20.5), layers=both).ndim == 2
    colours = image(np.repeat(PIXELS[..., None], 3, axis=2).tobytes(), rows=SIDE, columns=SIDE, samples=3,
                    photometric="RGB")  # fmt: skip
    assert np.array_equal(show(box(10.5, 20.5), layers=both, ds=colours, SOPClassUID=COLOR), found)


def test_styles_of_their_own():
    line_style = [made(PatternOnColorCIELabValue=GREEN, LineThickness=3.0)]
    fill_style = [made(PatternOnColorCIELabValue=[0, 32896, 32896])]
    found = show(box(10.5, 20.5, GraphicFilled="Y", LineStyleSequence=line_style, FillStyleSequence=fill_style))
    assert found[15, 15].tolist() == [0, 0, 0]
    assert found[10, 15, 1] == found[9, 15, 1] == found[11, 15, 1] > 200
    assert found[12, 15].tolist() == [0, 0, 0]
    half = [made(PatternOnColorCIELabValue=[0, 32896, 32896], PatternOnOpacity=0.5)]
    through = show(box(10.5, 20.5, GraphicFilled="Y", FillStyleSequence=half))
    assert through[15, 15] == 50
    assert through[10, 15] == 255


def test_which_annotations_are_meant():
    two = image(PIXELS.tobytes() * 2, rows=SIDE, columns=SIDE, frames="2")
    kept = annotated(box(1.5, 3.5))
    chosen = state(
        GraphicAnnotationSequence=[
            referring("9.9", GraphicLayer="A", GraphicObjectSequence=[box(10.5, 20.5)]),
            referring(frames=[2, 3], GraphicLayer="A", GraphicObjectSequence=[graphic("POINT", [5, 5])]),
            kept,
        ]
    )
    assert [each.kind for each in read_annotations(chosen, two)] == ["POLYLINE"]
    assert [each.kind for each in read_annotations(chosen, two, frame=1)] == ["POINT", "POLYLINE"]


def test_overlays_are_drawn_where_a_state_activates_them():
    bits = np.ones((4, 4), np.uint8)

    def plane(group, at, activation=None):
        more = b"" if activation is None else string(group << 16 | 0x1001, activation, "CS")
        data = element(group << 16 | 0x3000, "OW")[:6]
        head, tail = overlay(group, 4, 4, packed(bits), origin=(at, at)).split(data, 1)
        return head + more + data + tail

    def added(ds, *planes):
        for each in image(b"", b"".join(planes)):
            if each.tag >> 16 >= 0x6000 and each.tag >> 16 < 0x6020:
                ds.add(each)
        return ds

    ds = added(image(PIXELS.tobytes(), rows=SIDE, columns=SIDE), plane(0x6000, 1), plane(0x6002, 11), plane(0x6004, 21))
    assert np.count_nonzero(render(ds, window=(128, 256)) == 255) == 48
    layers = [layer("A", 1), layer("B", 2, GraphicLayerRecommendedDisplayGrayscaleValue=0)]
    own = added(state(GraphicLayerSequence=layers), plane(0x6002, 41, "B"), plane(0x6006, 51, ""))
    own.add_new(0x60001001, "CS", "A")
    found = render(ds, presentation_state=own)
    assert np.argwhere(found == 255).tolist() == [[row, column] for row in range(4) for column in range(4)]
    assert np.argwhere(found == 0).tolist() == [[row, column] for row in range(40, 44) for column in range(40, 44)]
    assert (render(ds, presentation_state=own, overlays=False) == 100).all()
    # They are magnified with the image.
    doubled = displayed((1, 1), (32, 32), "MAGNIFY", PresentationPixelMagnificationRatio=2.0)
    own.DisplayedAreaSelectionSequence = [doubled]
    large = render(ds, presentation_state=own)
    assert np.count_nonzero(large == 255) == 64


# ------------------------------------------------------------------------------------------------------------- text


def writing(value, corners=None, anchor=None, units="PIXEL", **more):
    values = {"UnformattedTextValue": value, **more}
    if corners is not None:
        values |= {
            "BoundingBoxAnnotationUnits": units, "BoundingBoxTopLeftHandCorner": list(map(float, corners[:2])),
            "BoundingBoxBottomRightHandCorner": list(map(float, corners[2:])),
        }  # fmt: skip
    if anchor is not None:
        values |= {"AnchorPointAnnotationUnits": units, "AnchorPoint": list(map(float, anchor))}
    return made(**values)


def extent(found):
    where = np.argwhere(found != 100)
    return (*where.min(axis=0).tolist(), *where.max(axis=0).tolist())


@pytest.fixture
def _pillow():
    pytest.importorskip("PIL.ImageFont")


@pytest.mark.usefixtures("_pillow")
def test_text_is_in_its_box():
    for just, where in (("LEFT", 5), ("CENTER", 32), ("RIGHT", 59)):
        found = show(writing("ab", (5, 10, 59, 30), BoundingBoxTextHorizontalJustification=just))
        top, left, bottom, right = extent(found)
        assert top >= 9
        assert bottom <= 30
        middle = {"LEFT": left, "RIGHT": right, "CENTER": (left + right) / 2}[just]
        assert abs(middle - where) <= 2
        assert found.max() > 200
    # Lines, and a font that shrinks until they fit.
    small = extent(show(writing("mmmmmmm\r\nmmm", (5, 10, 63, 60))))
    assert small[3] <= 63
    assert extent(show(writing("Hi", (5, 10, 63, 60))))[2] > 25


@pytest.mark.usefixtures("_pillow")
def test_text_stays_upright_and_follows_the_image():
    found = show(writing("F", (0, 0, 20, 20)))
    turned = show(writing("F", (0, 0, 20, 20)), ImageRotation=180)
    top, left, bottom, right = extent(found)
    there = extent(turned)
    assert there[0] > 40
    assert there[1] > 40
    letter = turned[there[0] : there[2] + 1, there[1] : there[3] + 1]
    assert np.array_equal(letter, found[top : bottom + 1, left : right + 1])


@pytest.mark.usefixtures("_pillow")
def test_anchors():
    hidden = show(writing("a", anchor=(30.5, 30.5), AnchorPointVisibility="N"))
    top, left, _, _ = extent(hidden)
    assert 30 < top < 40
    assert 30 < left < 40
    shown = show(writing("a", anchor=(30.5, 30.5), AnchorPointVisibility="Y"))
    assert shown[30, 30] == 255
    boxed = show(writing("a", (2, 2, 20, 20), anchor=(50.5, 60.5), AnchorPointVisibility="Y"))
    assert boxed[60, 50] == 255
    assert extent(boxed)[2:] == (60, 50)
    # Text that would lie outside is moved in.
    assert extent(show(writing("mm", anchor=(63.9, 63.9), AnchorPointVisibility="N")))[2] <= 63
    coloured = show(writing("a", (2, 2, 20, 20), TextStyleSequence=[made(TextColorCIELabValue=GREEN)]))
    assert coloured.ndim == 3


@pytest.mark.usefixtures("_pillow")
def test_text_partly_and_wholly_outside():
    assert (show(writing("mmmmmm", (-500, -500, -400, -450))) == 100).all()
    part = show(writing("mmmmmm", (-20, 10, 30, 40)))
    assert (part[:, 0] != 100).any()
    # Neither control characters nor a box without a size matter.
    assert show(writing("a\x07\tb", (5, 5, 5, 5))).shape == (SIDE, SIDE)
    assert (show(writing(" \r\n ", (5, 5, 50, 50))) == 100).all()


@pytest.mark.usefixtures("_pillow")
def test_a_font_of_ones_own(tmp_path):
    from PIL import ImageFont

    font = tmp_path / "own.ttf"
    font.write_bytes(ImageFont.load_default(10).path.getvalue())
    with_own = show(writing("ab", (5, 10, 59, 30)), font=str(font))
    assert np.array_equal(with_own, show(writing("ab", (5, 10, 59, 30))))
    with pytest.raises(UnsupportedError, match="no font"):
        show(writing("ab", (5, 10, 59, 30)), font=str(tmp_path / "none.ttf"))


def test_text_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UnsupportedError, match="dicomwire\\[image\\]") as caught:
        show(writing("ab", (5, 10, 59, 30)))
    assert caught.value.extra == "image"
    assert len(places(box(10.5, 20.5))) == 40  # graphics do without


# --------------------------------------------------------------------------------------------- what makes no sense


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (graphic("POLYLINE", [1, 2, 3]), "3 values"),
        (graphic("CIRCLE", [1, 2]), "1 points: expected 2"),
        (graphic("ELLIPSE", [1, 2, 3, 4, 5, 6]), "3 points: expected 4"),
        (graphic("POINT", [1, 2, 3, 4]), "2 points: expected 1"),
        (graphic("STAR", [1, 2, 3, 4]), "does not have"),
        (graphic("POLYLINE", [float("nan"), 2, 3, 4]), "finite"),
        (graphic("POLYLINE", [1, 2, float("inf"), 4]), "finite"),
        (graphic("POLYLINE", [1, 2, 3, 4], units="INCH"), "none of PIXEL"),
        (graphic("POLYLINE", [1, 2, 3, 4], GraphicDimensions=3), "GraphicDimensions"),
        (made(GraphicType="POLYLINE", GraphicAnnotationUnits="PIXEL"), "GraphicData is missing"),
        (graphic("POLYLINE", [1, 2, 3, 4], LineStyleSequence=[made(LineThickness=float("nan"))]), "finite"),
        (graphic("POLYLINE", [1, 2, 3, 4], LineStyleSequence=[made(PatternOnColorCIELabValue=[1])]), "1 values"),
        (writing("PRIVATE"), "neither Bounding Box nor Anchor Point"),
        (made(BoundingBoxAnnotationUnits="PIXEL", BoundingBoxTopLeftHandCorner=[1.0, 1.0],
              BoundingBoxBottomRightHandCorner=[2.0, 2.0]), "without UnformattedTextValue"),
        (writing("PRIVATE", (1, 2, 3, float("nan"))), "finite"),
        (writing("PRIVATE" * 2000, (1, 2, 30, 40)), "14000 characters"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_left_out_and_told(bad, reason):
    if "characters" in reason:
        pytest.importorskip("PIL")
    deviations = []
    assert places(bad, box(10.5, 20.5), deviations=deviations) >= OUTLINE
    assert [(each.kind, each.path) for each in deviations] == [("annotation", "00700001")]
    assert reason in deviations[0].message
    assert "PRIVATE" not in deviations[0].message


def test_other_values_in_the_place_of_sequences():
    for tag in (0x00700001, 0x00700060, 0x0070005A, 0x00283110):
        odd = string(tag, "text", "LO")
        assert (render(IMAGE, presentation_state=dcmread(part10(odd))) == 100).all()
    inner = dcmread(part10(sequence(0x00700001, item(string(0x00700009, "text", "LO")))))
    assert read_annotations(inner, IMAGE) == []


def test_huge_coordinates_and_counts(monkeypatch):
    far = places(graphic("POLYLINE", [-3e38, 3.5, 3e38, 3.5]))
    assert far == {(3, column) for column in range(SIDE)}
    assert show(graphic("CIRCLE", [0, 0, 3e38, 3e38], GraphicFilled="Y")).shape == (SIDE, SIDE)
    assert show(graphic("ELLIPSE", [0, 0, 3e38, 3e38, -3e38, 3e38, 3e38, -3e38])).shape == (SIDE, SIDE)
    monkeypatch.setattr(drawing, "_MOST_STEPS", 5000)
    deviations = []
    many = graphic("POLYLINE", [0.5, 0.5, 63.5, 63.5] * 100)
    assert places(many, box(10.5, 20.5), deviations=deviations) == OUTLINE
    assert "refused" in deviations[0].message


def test_units_of_the_total_pixel_matrix():
    whole = graphic("POLYLINE", [10.5, 10.5, 20.5, 10.5, 20.5, 20.5, 10.5, 20.5, 10.5, 10.5], units="MATRIX")
    assert places(whole) == OUTLINE  # without one it is the image
    tiled = image(PIXELS.tobytes() * 6, rows=SIDE, columns=SIDE, frames="6")
    matrix = {"TotalPixelMatrixRows": 100, "TotalPixelMatrixColumns": 150}
    tiled.update({**matrix, "DimensionOrganizationType": "TILED_FULL"})
    there = graphic("POLYLINE", [128 + 1.5, 64 + 2.5, 128 + 9.5, 64 + 2.5], units="MATRIX")
    assert places(there, ds=tiled, frame=5) == {(2, column) for column in range(1, 10)}
    assert places(there, ds=tiled, frame=4) == set()
    position = made(ColumnPositionInTotalImagePixelMatrix=129, RowPositionInTotalImagePixelMatrix=66)
    tiled.SharedFunctionalGroupsSequence = [made(PlanePositionSlideSequence=[position])]
    assert places(there, ds=tiled) == {(1, column) for column in range(1, 10)}
    for change in ({"SharedFunctionalGroupsSequence": [], "DimensionOrganizationType": "TILED_SPARSE"},
                   {"DimensionOrganizationType": "TILED_FULL", "TotalPixelMatrixRows": 0}):  # fmt: skip
        tiled.update(change)
        deviations = []
        assert places(there, ds=tiled, deviations=deviations) == set()
        assert "Total Pixel Matrix" in deviations[0].message


def test_layers_that_make_no_sense_are_white():
    deviations = []
    bad = [layer("A", 1, GraphicLayerRecommendedDisplayCIELabValue=[1, 2])]
    assert places(box(10.5, 20.5), layers=bad, deviations=deviations) == OUTLINE
