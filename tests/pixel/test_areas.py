"""Displayed areas, flip and turn, beside DCMTK and Pillow; areas that make no sense."""

import numpy as np
import pytest

from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.pixel import render
from dicomwire.pixel.areas import Turn, pixel_aspect, read_area
from tests.pixel.states import displayed, image, made, referring, state
from tests.pixel.test_grey import text

ROWS, COLUMNS = 6, 8
PIXELS = np.random.default_rng(1).integers(0, 256, (ROWS, COLUMNS)).astype(np.uint8)
IMAGE = image(PIXELS.tobytes(), rows=ROWS, columns=COLUMNS)
TURNS = [(rotation, flip) for rotation in (0, 90, 180, 270) for flip in "NY"]


def show(*areas, ds=IMAGE, frame=0, **options):
    """The picture of a state with these items, and other attributes of it among the options."""
    own = {key: options.pop(key) for key in list(options) if key[0].isupper()}
    made_state = state(DisplayedAreaSelectionSequence=list(areas), **own)
    return render(ds, frame, presentation_state=made_state, **options)


@pytest.mark.parametrize(("rotation", "flip"), TURNS)
def test_points_go_where_pixels_go(rotation, flip):
    turn = Turn(state(ImageRotation=rotation, ImageHorizontalFlip=flip))
    turned = turn.array(PIXELS)
    expected = np.rot90(PIXELS, -rotation // 90)
    assert np.array_equal(turned, expected[:, ::-1] if flip == "Y" else expected)
    for row, column in np.ndindex(ROWS, COLUMNS):
        x, y = turn.points(np.array([column + 0.5, row + 0.5]), ROWS, COLUMNS)
        assert turned[int(y), int(x)] == PIXELS[row, column]


@pytest.mark.parametrize(("rotation", "flip"), TURNS)
def test_an_area_is_cut_out_of_the_turned_image(rotation, flip):
    # Columns 3 to 6, rows 2 to 5; the corners are those of the picture, so that a turn exchanges them.
    cut = PIXELS[1:5, 2:6]
    for corners in (((3, 2), (6, 5)), ((6, 5), (3, 2))):
        found = show(displayed(*corners), ImageRotation=rotation, ImageHorizontalFlip=flip)
        expected = np.rot90(cut, -rotation // 90)
        assert np.array_equal(found, expected[:, ::-1] if flip == "Y" else expected)


def test_an_area_larger_than_the_image_is_black_around_it():
    found = show(displayed((-1, 0), (10, 7)))
    expected = np.zeros((8, 12), np.uint8)
    expected[1:7, 2:10] = PIXELS
    assert np.array_equal(found, expected)
    beside = show(displayed((-100, -100), (-90, -95)))
    assert beside.shape == (6, 11)
    assert not beside.any()


def test_which_item_is_meant():
    two = image(PIXELS.tobytes() * 2, rows=ROWS, columns=COLUMNS, frames="2")
    areas = (
        referring("9.9", **dict(pairs(displayed((1, 1), (1, 1))))),
        referring(frames=2, **dict(pairs(displayed((1, 1), (2, 3))))),
        referring(**dict(pairs(displayed((1, 1), (4, 5))))),
    )
    assert show(*areas, ds=two).shape == (5, 4)
    assert show(*areas, ds=two, frame=1).shape == (3, 2)
    assert show(areas[0], ds=two).shape == (ROWS, COLUMNS)
    assert show(*areas, ds=two, area=False).shape == (ROWS, COLUMNS)


def pairs(item):
    return [(element.keyword, element.value) for element in item]


def magnified(ratio):
    return displayed((1, 1), (COLUMNS, ROWS), "MAGNIFY", PresentationPixelMagnificationRatio=ratio)


def test_sizes():
    whole = ((1, 1), (COLUMNS, ROWS))
    assert show(magnified(2.5)).shape == (15, 20)
    assert show(magnified(0.5)).shape == (3, 4)
    assert show(displayed(*whole), size=(60, 1000)).shape == (60, 80)
    assert show(displayed(*whole), size=(1000, 4)).shape == (3, 4)
    # Pixels twice as high as wide; turned they are twice as wide as high.
    for values in ({"PresentationPixelAspectRatio": [2, 1]}, {"PresentationPixelSpacing": [0.5, 0.25]}):
        assert show(displayed(*whole, **values)).shape == (12, 8)
        assert show(displayed(*whole, **values), ImageRotation=90).shape == (8, 12)
        assert show(displayed(*whole, **values), size=(120, 120)).shape == (120, 80)
    assert show(displayed(*whole, PresentationPixelAspectRatio=[1, 2])).shape == (6, 16)
    true = displayed(*whole, "TRUE SIZE", PresentationPixelSpacing=[0.5, 1.0])
    assert show(true).shape == (6, 16)
    assert show(true, display_spacing_mm=0.25).shape == (12, 32)
    assert show(true, display_spacing_mm=0.25, size=(10, 10)).shape == (10, 10)


def test_what_is_larger_than_the_display_is_cut_to_its_middle():
    large = show(magnified(4.0))
    assert large.shape == (24, 32)
    assert np.array_equal(show(magnified(4.0), size=(10, 20)), large[7:17, 6:26])


def test_without_a_presentation_state_the_size_counts_too():
    assert render(IMAGE, size=(60, 60)).shape == (45, 60)
    tall = image(PIXELS.tobytes(), text(0x00280034, "2\\1", "IS"), rows=ROWS, columns=COLUMNS)
    assert render(tall).shape == (ROWS, COLUMNS)
    assert render(tall, size=(60, 60)).shape == (60, 40)
    assert pixel_aspect(made(PixelSpacing=[0.3, 0.6])) == 0.5
    assert pixel_aspect(made(PixelSpacing=[0.3, 0])) == 1
    for size in ((0, 5), (5, 70000), (60000, 60000)):
        with pytest.raises(ValueError, match="size="):
            render(IMAGE, size=size)


def test_pictures_that_are_scaled_are_those_of_pillow():
    Image = pytest.importorskip("PIL.Image")
    noise = np.random.default_rng(2).integers(0, 256, (50, 70)).astype(np.uint8)
    ds = image(noise.tobytes(), rows=50, columns=70)
    for corners, size in (
        (((1, 1), (70, 50)), (500, 700)), (((11, 6), (40, 35)), (77, 77)), (((1, 1), (70, 50)), (5, 7)),
        (((3, 4), (68, 41)), (19, 33)),
    ):  # fmt: skip
        found = show(displayed(*corners), ds=ds, size=size)
        (left, top), (right, bottom) = corners
        theirs = Image.fromarray(noise).resize(
            found.shape[::-1], Image.Resampling.BILINEAR, box=(left - 1, top - 1, right, bottom)
        )
        assert np.abs(found.astype(int) - np.asarray(theirs)).max() <= 1


def test_colours_are_scaled_as_grey_is():
    grey = show(displayed((2, 2), (7, 5)), size=(37, 91))
    colours = np.stack([PIXELS, 255 - PIXELS, PIXELS], axis=-1)
    ds = image(colours.tobytes(), rows=ROWS, columns=COLUMNS, samples=3, photometric="RGB")
    found = show(displayed((2, 2), (7, 5)), ds=ds, size=(37, 91))
    assert np.array_equal(found[..., 0], grey)
    assert np.abs(found[..., 1].astype(int) - (255 - grey)).max() <= 1


@pytest.mark.parametrize(
    ("area", "reason"),
    [
        (displayed((1, 1), (2**31 - 1, 2**31 - 1)), "refused"),
        (displayed((-(2**31), 1), (2**31 - 1, 1)), "refused"),
        (displayed((1, 1), (8, 6), "MAGNIFY", PresentationPixelMagnificationRatio=3e38), "refused"),
        (displayed((1, 1), (8, 6), "MAGNIFY", PresentationPixelMagnificationRatio=float("nan")), "finite"),
        (displayed((1, 1), (8, 6), "MAGNIFY", PresentationPixelMagnificationRatio=-1.0), "above 0"),
        (displayed((1, 1), (8, 6), "MAGNIFY"), "missing"),
        (displayed((1, 1), (8, 6), PresentationPixelAspectRatio=[0, 1]), "no pixel"),
        (displayed((1, 1), (8, 6), PresentationPixelAspectRatio=[1, 100000]), "no pixel"),
        (displayed((1, 1), (8, 6), PresentationPixelAspectRatio=[1, 1, 1]), "3 values"),
        (made(DisplayedAreaTopLeftHandCorner=[1, 1]), "BottomRight"),
    ],
)
def test_areas_that_make_no_sense(area, reason):
    with pytest.raises(PixelError, match=reason):
        show(area)
    assert show(area, area=False).shape == (ROWS, COLUMNS)


def test_a_huge_area_is_small_on_a_display():
    found = show(displayed((-(2**31), -(2**31)), (2**31 - 1, 2**31 - 1)), size=(99, 99))
    assert found.shape == (99, 99)
    assert np.count_nonzero(found) <= 1


def test_areas_of_total_pixel_matrices_are_not_shown():
    volume = displayed((1, 1), (2, 2), PixelOriginInterpretation="VOLUME")
    assert show(volume).shape == (2, 2)  # of an image without one it is the image
    tiled = image(PIXELS.tobytes(), rows=ROWS, columns=COLUMNS)
    tiled.update({"TotalPixelMatrixRows": 100, "TotalPixelMatrixColumns": 100})
    with pytest.raises(UnsupportedError, match="Total Pixel Matrix"):
        show(volume, ds=tiled)
    assert show(volume, ds=tiled, area=False).shape == (ROWS, COLUMNS)


def test_display_spacing_is_a_number_above_0():
    true = displayed((1, 1), (8, 6), "TRUE SIZE", PresentationPixelSpacing=[1.0, 1.0])
    for spacing in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="display_spacing_mm"):
            show(true, display_spacing_mm=spacing)
    with pytest.raises(PixelError, match="PresentationPixelSpacing"):
        show(displayed((1, 1), (8, 6), "TRUE SIZE"), display_spacing_mm=1)


@pytest.mark.parametrize(("rotation", "flip"), TURNS)
def test_points_of_the_image_and_of_the_display(rotation, flip):
    made_state = state(
        ImageRotation=rotation, ImageHorizontalFlip=flip,
        DisplayedAreaSelectionSequence=[displayed((3, 2), (6, 5), "MAGNIFY", PresentationPixelMagnificationRatio=10.0)],
    )  # fmt: skip
    area = read_area(IMAGE, (ROWS, COLUMNS), presentation_state=made_state)
    picture = area.picture(PIXELS)
    for row, column in ((1, 2), (4, 5), (2, 4)):
        x, y = area.of_image(np.array([column + 0.5, row + 0.5]))
        assert picture[int(y) - 1 : int(y) + 1, int(x) - 1 : int(x) + 1].astype(int).mean() == pytest.approx(
            PIXELS[row, column], abs=16
        )
    assert area.of_display(np.array([[0, 0], [1, 1], [0.5, 0.25]])).tolist() == [[0, 0], [40, 40], [20, 10]]
    mask = np.zeros((ROWS, COLUMNS), bool)
    mask[2, 4] = True
    x, y = area.of_image(np.array([4.5, 2.5]))
    found = np.argwhere(area.mask(mask))
    assert len(found) == 100
    assert found.mean(axis=0) == pytest.approx([y - 0.5, x - 0.5])
    # Without the area, the display is still what the state specifies.
    whole = read_area(IMAGE, (ROWS, COLUMNS), presentation_state=made_state, area=False)
    assert whole.of_display(np.array([0.0, 0.0])).tolist() != [0, 0]
