"""Long sequences of undefined length at the top level: walked as far as they are asked for.

Whatever the order in which a data set is asked, the answers are those of one that was walked at once: a deflated one
is, and one that is read strictly.
"""

import copy
import gc
import os
import pickle
import struct
import sys
import zlib

import pytest

import dicomwire
from tests import builders
from tests.builders import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, JPEG, PIXEL_DATA, UNDEFINED, part10

LONG = 0x52009230  # Per-Frame Functional Groups Sequence
INNER = 0x00209113  # Plane Position Sequence
NUMBER = 0x00201041  # Slice Location
NOTE = 0x00204000  # Image Comments
BEFORE = 0x00100010
BEHIND = 0x60000022  # Overlay Description
ITEMS = 600

ENCODINGS = {
    "explicit": (EXPLICIT, builders.explicit),
    "implicit": (IMPLICIT, builders.implicit),
    "big endian": (BIG_ENDIAN, builders.big_endian),
}


def frame(encoder, i, *, undefined=True, size=0):
    """An item with a nested number and a note."""
    inner = encoder.item(encoder.element(NUMBER, "DS", b"%05d." % i), undefined=undefined)
    note = b"note %d" % i + b" " * size
    note += b" " * (len(note) & 1)
    return encoder.item(
        encoder.element(NOTE, "LT", note) + encoder.sequence(INNER, inner, undefined=undefined), undefined=undefined
    )


def content(encoder, *, items=ITEMS, undefined=True, size=0, rest=b"", vr="SQ", inside=None):
    frames = [frame(inside or encoder, i, undefined=undefined, size=size) for i in range(items)]
    end = (inside or encoder).sequence_end()
    return (
        encoder.element(BEFORE, "PN", b"Doe^John")
        + encoder.element(LONG, vr, b"".join(frames) + end, length=UNDEFINED)
        + rest
    )


@pytest.fixture(params=list(ENCODINGS))
def encoding(request):
    return ENCODINGS[request.param]


@pytest.fixture(params=["path", "bytes"])
def read(request, tmp_path):
    """Reads bytes as a file or as a buffer."""

    def from_path(data, **options):
        path = tmp_path / "long.dcm"
        path.write_bytes(data)
        return dicomwire.dcmread(path, **options)

    return from_path if request.param == "path" else dicomwire.dcmread


def flat(elements):
    """Path, VR and value of elements, nested ones too."""
    return [
        (e.path, e.VR, len(e.value) if e.VR == "SQ" else bytes(e.value) if isinstance(e.value, memoryview) else e.value)
        for e in elements
    ]


def is_frame(item, i):
    assert item[INNER].value[0][NUMBER].value == i
    assert item[NOTE].value.split() == ["note", str(i)]
    assert item[INNER].path == f"PerFrameFunctionalGroupsSequence.{i}.PlanePositionSequence"
    return True


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("size", [0, 500, 6000])
def test_items_in_any_order(encoding, read, undefined, size):
    syntax, encoder = encoding
    items = ITEMS if size < 6000 else 400
    data = part10(content(encoder, items=items, undefined=undefined, size=size), syntax)
    orders = [
        [items - 1],
        [300, 301, 299, 5, items - 1, 350],
        [-1, 0, -items],
        range(items),
        range(0, items, 17),
        range(items - 1, 0, -37),
    ]
    for order in orders:
        sequence = read(data)[LONG].value
        assert all(is_frame(sequence[i], i % items) for i in order)
        assert len(sequence) == items
        assert all(is_frame(sequence[i], i % items) for i in order)
    for wrong in (items, items + 1, 10**12, -items - 1):
        sequence = read(data)[LONG].value
        with pytest.raises(IndexError):
            sequence[wrong]
        assert is_frame(sequence[items - 1], items - 1)


def test_loops(encoding, read):
    syntax, encoder = encoding
    data = part10(content(encoder), syntax)
    assert [is_frame(item, i) for i, item in enumerate(read(data)[LONG].value)] == [True] * ITEMS
    sequence = read(data)[LONG].value
    one, other = iter(sequence), iter(sequence)
    for i in range(ITEMS):
        assert is_frame(next(one), i)
        if i == 200:
            assert is_frame(sequence[500], 500)
        if i % 2:
            assert is_frame(next(other), i // 2)
    with pytest.raises(StopIteration):
        next(one)
    assert [item[NOTE].value.split()[1] for item in sequence[90:400:3]] == [str(i) for i in range(90, 400, 3)]


def test_all_elements_are_those_of_one_that_was_walked_at_once(encoding, read):
    syntax, encoder = encoding
    rest = encoder.element(BEHIND, "LO", b"ab")
    data = part10(content(encoder, rest=rest, size=30), syntax)
    whole = flat(dicomwire.dcmread(data, policy="strict").iterall())
    assert len(whole) == 2 + 3 * ITEMS + 1
    assert flat(read(data).iterall()) == whole
    for index in (0, 40, 400, ITEMS - 1):
        ds = read(data)
        ds[LONG].value[index]
        assert flat(ds.iterall()) == whole
    for ask in (len, list, repr, lambda ds: ds.get(0x00080018), lambda ds: 0x7FE00010 in ds, lambda ds: ds.tape(),
                lambda ds: ds[LONG].length, lambda ds: ds[LONG].raw, lambda ds: ds[BEHIND]):
        ds = read(data)
        ask(ds)
        assert flat(ds.iterall()) == whole
        assert ds.deviations == []


def test_a_walk_goes_on_where_others_have_gone_on(read):
    data = part10(content(builders.explicit, rest=builders.explicit.element(BEHIND, "LO", b"ab")))
    whole = flat(read(data).iterall())
    for at in (1, 50, 700, 1700):
        for ask in (len, lambda ds: ds[LONG].value[500], lambda ds: list(ds.iterall()), lambda ds: ds[BEHIND]):
            ds = read(data)
            found = []
            for n, element in enumerate(ds.iterall()):
                found += flat([element])
                if n == at:
                    ask(ds)
            assert found == whole


def test_what_stands_behind(encoding, read):
    syntax, encoder = encoding
    rest = encoder.element(BEHIND, "LO", b"ab") + encoder.element(
        PIXEL_DATA, "OW", bytes(100_000)
    )
    data = part10(content(encoder, rest=rest), syntax)
    assert read(data)[BEHIND].value == "ab"
    assert len(read(data).PixelData) == 100_000
    assert [e.tag for e in read(data)] == [BEFORE, LONG, BEHIND, PIXEL_DATA]
    assert len(read(data)) == 4
    assert BEHIND in read(data)
    assert 0x60000023 not in read(data)
    assert read(data, stop_before_pixels=True).get("PixelData") is None
    assert len(read(data, stop_before_pixels=True)) == 3
    assert len(read(data, stop_at=BEHIND)) == 2
    assert len(read(data, specific_tags=[BEHIND])) == 1
    assert len(read(data, specific_tags=[LONG])[LONG].value) == ITEMS


def test_encapsulated_pixel_data_wait_behind_it(read):
    encoder = builders.explicit
    pixels = encoder.element(PIXEL_DATA, "OB", length=UNDEFINED) + encoder.item() + encoder.item(
        b"\xff\xd8" * 5000) * 3 + encoder.sequence_end()
    data = part10(content(encoder, rest=pixels), JPEG)
    for ask in (lambda ds: None, len, lambda ds: ds[LONG].value[500], lambda ds: list(ds), lambda ds: ds.tape()):
        ds = read(data)
        ask(ds)
        assert len(ds.PixelData) == 3
        assert bytes(ds.PixelData[2]) == b"\xff\xd8" * 5000
        assert is_frame(ds[LONG].value[ITEMS - 1], ITEMS - 1)
        assert [e.tag for e in ds] == [BEFORE, LONG, PIXEL_DATA]


def test_two_of_them(encoding, read):
    syntax, encoder = encoding
    second = encoder.element(0x52009231, "SQ", b"".join(frame(encoder, i) for i in range(ITEMS))
                             + encoder.sequence_end(), length=UNDEFINED)
    if not encoder.explicit:
        second = second.replace(encoder.tag(0x52009231), encoder.tag(0x00720080))
        data = part10(second + content(encoder), syntax)
        first, last = 0x00720080, LONG
    else:
        data = part10(content(encoder, rest=second), syntax)
        first, last = LONG, 0x52009231
    for order in [(first, last), (last, first)]:
        for index in (3, 444, ITEMS - 1):
            ds = read(data)
            for tag in order:
                assert ds[tag].value[index][INNER].value[0][NUMBER].value == index
            assert [len(ds[tag].value) for tag in order] == [ITEMS, ITEMS]
    assert flat(read(data).iterall()) == flat(read(data, policy="ignore").iterall())
    assert len(list(read(data).iterall())) == 3 + 6 * ITEMS


def test_un_of_undefined_length(read):
    """Its items are in implicit VR little endian, whatever is around them (PS3.5 section 6.2.2)."""
    for syntax, encoder in (ENCODINGS["explicit"], ENCODINGS["big endian"]):
        data = part10(content(encoder, vr="UN", inside=builders.implicit), syntax)
        sequence = read(data)[LONG].value
        assert is_frame(sequence[500], 500)
        assert all(is_frame(item, i) for i, item in enumerate(sequence))


def test_copies_and_pickles(encoding, read):
    syntax, encoder = encoding
    data = part10(content(encoder), syntax)
    ds = read(data)
    again = pickle.loads(pickle.dumps(ds[LONG].value))
    assert len(again) == ITEMS
    assert is_frame(ds[LONG].value[5], 5)
    assert again == read(data)[LONG].value
    assert pickle.loads(pickle.dumps(read(data)[LONG].value[400]))[NOTE].value.strip() == "note 400"
    assert pickle.loads(pickle.dumps(read(data)[LONG])).value[7][NOTE].value.strip() == "note 7"
    assert pickle.loads(pickle.dumps(read(data))) == ds
    copied = copy.deepcopy(ds)
    copied[LONG].value[400][NOTE].value = "changed"
    assert ds[LONG].value[400][NOTE].value.strip() == "note 400"
    assert copied[LONG].value[400][NOTE].value == "changed"


def test_raw_bytes(read):
    data = content(builders.explicit)
    ds = read(part10(data))
    assert ds[LONG].is_undefined_length
    at = ds[LONG].offset
    assert bytes(ds[LONG].raw) == part10(data)[at:-8]
    assert read(part10(data))[LONG].length == len(part10(data)) - 8 - at


def test_a_character_set_of_an_item_far_behind(read):
    encoder = builders.explicit
    late = encoder.item(
        encoder.element(0x00080005, "CS", b"ISO_IR 192") + encoder.element(NOTE, "LT", "Größe ".encode() + b" "),
        undefined=True,
    )
    early = encoder.item(encoder.element(NOTE, "LT", "Größe ".encode("latin-1")), undefined=True)
    body = (
        encoder.element(0x00080005, "CS", b"ISO_IR 100")
        + encoder.element(BEFORE, "PN", "Müller".encode("latin-1"))
        + encoder.element(LONG, "SQ", early * 900 + late + early + encoder.sequence_end(), length=UNDEFINED)
    )
    for order in [(0, 900, 901), (900, 0, 901), (901, 900, 0)]:
        ds = read(part10(body))
        assert ds.PatientName == "Müller"
        assert [ds[LONG].value[i][NOTE].value for i in order] == ["Größe"] * 3
    assert {item[NOTE].value for item in read(part10(body))[LONG].value} == {"Größe"}


@pytest.mark.parametrize("damage", ["cut", "no item end", "no sequence end", "odd", "unordered", "tail", "deep"])
@pytest.mark.parametrize("ask", ["items", "length", "walk", "search", "one"])
def test_damage_beyond_the_beginning(read, damage, ask):
    """What is tolerated is the same as in a data set that was walked at once, and so is what comes out of it."""
    encoder = builders.explicit
    body = bytearray(content(encoder, rest=encoder.element(BEHIND, "LO", b"ab")))
    at = body.index(b"note 500")
    if damage == "cut":
        del body[at + 4 :]
    elif damage == "no item end":
        end = body.index(encoder.item_end() + encoder.tag(0xFFFEE000), at)
        del body[end : end + 8]
    elif damage == "no sequence end":
        end = body.index(encoder.sequence_end() + encoder.tag(BEHIND))
        del body[end : end + 8]
    elif damage == "odd":
        body[at - 2 : at + 8] = struct.pack("<H", 7) + b"note 50"
    elif damage == "unordered":
        body += encoder.element(0x00080060, "CS", b"CT")
    elif damage == "tail":
        body += b"\0\0\1"
    else:
        body[at - 8 : at - 8] = builders.nested(40, undefined=True, tag=0x00081140)
    data = bytes(body)
    deflate = zlib.compressobj(wbits=-15)
    deflated = deflate.compress(data) + deflate.flush()
    whole = dicomwire.dcmread(part10(deflated, DEFLATED))
    expected = flat(whole.iterall())
    ds = read(part10(data))
    if ask == "items":
        assert len(list(ds[LONG].value)) == len(whole[LONG].value)
    elif ask == "length":
        assert len(ds[LONG].value) == len(whole[LONG].value)
    elif ask == "search":
        assert ds.get("Modality") == whole.get("Modality")
    elif ask == "one":
        assert ds[LONG].value[300][NOTE].value == "note 300"
    found = flat(ds.iterall())
    if damage == "unordered" and ask == "walk":     # what comes too late is given late
        found.insert(0, found.pop(-2))
    assert found == expected
    assert {(d.kind, d.path) for d in ds.deviations} == {(d.kind, d.path) for d in whole.deviations}


def test_nesting_too_deep_far_behind_is_an_error_each_time(read):
    encoder = builders.explicit
    frames = b"".join(frame(encoder, i) for i in range(ITEMS))
    deep = encoder.item(builders.nested(2000, undefined=True), undefined=True)
    body = encoder.element(LONG, "SQ", frames + deep + encoder.sequence_end(), length=UNDEFINED)
    ds = read(part10(body))
    messages = set()
    for _ in range(2):
        for ask in (lambda: len(ds[LONG].value), lambda: ds.get("PatientID"), lambda: list(ds.iterall())):
            with pytest.raises(dicomwire.errors.NestingError) as caught:
                ask()
            messages.add(str(caught.value))
        assert len(messages) == 1
        assert is_frame(ds[LONG].value[2], 2)
    with pytest.raises(dicomwire.errors.NestingError):
        read(part10(body), policy="strict")


def test_opening_reads_no_more_than_the_beginning(tmp_path):
    path = tmp_path / "long.dcm"
    path.write_bytes(part10(content(builders.explicit, items=20_000)))
    ds = dicomwire.dcmread(path)
    assert ds.PatientName == "Doe^John"
    assert is_frame(ds[LONG].value[10_000], 10_000)
    # Changed far behind: it was not read so far.
    at = path.read_bytes().index(b"note 19000")
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"NOTE 19000")
    assert ds[LONG].value[19_000][NOTE].value == "NOTE 19000"


def test_many_open_files(tmp_path):
    """Descriptors beyond a number are closed, and opened again for what is read later."""
    path, other = tmp_path / "long.dcm", tmp_path / "other.dcm"
    data = part10(content(builders.explicit, items=4000))
    path.write_bytes(data)
    opened = [dicomwire.dcmread(path) for _ in range(200)]
    assert all(is_frame(ds[LONG].value[3000], 3000) for ds in opened)
    assert {len(ds[LONG].value) for ds in opened} == {4000}
    opened = [dicomwire.dcmread(path) for _ in range(200)]
    other.write_bytes(data)
    os.replace(other, path)
    with pytest.raises(dicomwire.errors.DecodeError, match="changed since"):
        len(opened[-1][LONG].value)
    assert is_frame(opened[-1][LONG].value[2], 2)


def test_a_file_that_shrinks_gives_what_is_left(tmp_path):
    path = tmp_path / "long.dcm"
    data = part10(content(builders.explicit, items=20_000))
    path.write_bytes(data)
    ds = dicomwire.dcmread(path)
    os.truncate(path, data.index(b"note 12000"))
    sequence = ds[LONG].value
    assert is_frame(sequence[11_999], 11_999)
    assert 12_000 <= len(sequence) <= 12_001
    assert {d.kind for d in ds.deviations} & {"truncated_value", "truncated_header", "missing_delimiter"}


def test_nothing_grows(tmp_path):
    path = tmp_path / "long.dcm"
    path.write_bytes(part10(content(builders.explicit, rest=builders.explicit.element(BEHIND, "LO", b"ab"))))

    def use():
        ds = dicomwire.dcmread(path)
        kept = ds[LONG].value[400][INNER].value
        flat(ds.iterall())
        assert kept[0][NUMBER].value == 400

    for _ in range(5):
        use()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(50):
        use()
    gc.collect()
    assert sys.getallocatedblocks() - before < 100
