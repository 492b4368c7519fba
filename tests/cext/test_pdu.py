"""Framing: what a stream carries does not depend on how it is cut, nothing is copied, and lengths are judged early."""

from __future__ import annotations

import gc
import random
import sys
import tracemalloc
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.pdu import ControlPDU, InvalidPDU, PDUReader, PDVRun, join
from tests.oracles.framing import Item, frame, merged, p_data
from tests.support import missing

RELEASE_RQ = bytes.fromhex("05 00 00000004 00000000")
ABORT = bytes.fromhex("07 00 00000004 00000206")
ASSOCIATE_RQ = bytes.fromhex("01 00 00000050") + bytes(range(80))
COMMAND, LAST = 1, 2


def plain(items: list[ControlPDU | PDVRun | InvalidPDU]) -> list[Item]:
    """The items as values, successive runs of one command or data set as one."""
    result: list[Item] = []
    for item in items:
        match item:
            case PDVRun():
                data = b"".join(item.views)
                assert len(data) == item.length
                assert all(len(view) for view in item.views)
                result.append(("run", item.context_id, item.is_command, item.is_last, data))
            case ControlPDU():
                result.append(("control", item.pdu_type, item.data))
            case InvalidPDU():
                result.append(("invalid", item.abort_reason, item.offset))
    return merged(result)


def fed(data: bytes, cuts: list[int], **limits: int) -> list[Item]:
    """What a reader gives for the data in chunks that end at the cuts, and then at the end."""
    reader = PDUReader(**limits)
    items: list[Item] = []
    places = [0, *sorted(cuts), len(data)]
    for start, stop in pairwise(places):
        items += plain(reader.feed(data[start:stop]))
    return merged(items)


def check_every_cut(data: bytes, **limits: int) -> list[Item]:
    """Whole, byte by byte, at each single place and at random places the stream carries what the twin finds."""
    noise = random.Random(len(data))
    expected = merged(frame(data, limits.get("max_control_length", 1 << 20), limits.get("max_pdu_length", 0)))
    assert fed(data, [], **limits) == expected
    assert fed(data, list(range(len(data))), **limits) == expected
    for cut in range(0, len(data), max(1, len(data) // 500)):
        assert fed(data, [cut], **limits) == expected
    for _ in range(50):
        cuts = [noise.randrange(len(data) + 1) for _ in range(noise.randrange(1, 12))]
        assert fed(data, cuts, **limits) == expected
    return expected


# ------------------------------------------------------------------------------------------------ what a stream carries


def test_association_with_two_messages():
    stream = (
        ASSOCIATE_RQ
        + p_data((1, COMMAND | LAST, b"first command"))
        + p_data((3, COMMAND, b"second "), (3, COMMAND | LAST, b"command"), (3, 0, b"data "))
        + p_data((3, 0, b"set "))
        + p_data((3, LAST, b"end"))
        + RELEASE_RQ
        + ABORT
    )
    assert check_every_cut(stream) == [
        ("control", 1, ASSOCIATE_RQ),
        ("run", 1, True, True, b"first command"),
        ("run", 3, True, True, b"second command"),
        ("run", 3, False, True, b"data set end"),
        ("control", 5, RELEASE_RQ),
        ("control", 7, ABORT),
    ]


def test_fragments_of_one_data_set_are_one_run_across_pdus():
    reader = PDUReader()
    (run,) = reader.feed(b"".join(p_data((5, 0, bytes([k]) * 10)) for k in range(4)))
    assert (run.context_id, run.is_command, run.is_last, run.length) == (5, False, False, 40)
    assert [bytes(view) for view in run.views] == [bytes([k]) * 10 for k in range(4)]
    (end,) = reader.feed(p_data((5, LAST, b"ab")))
    assert end == PDVRun(5, False, True, [memoryview(b"ab")])
    assert end != run
    assert repr(end) == "<PDVRun: context 5, data set, 2 bytes in 1 views, last>"


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, COMMAND), (3, COMMAND)), ((1, COMMAND), (1, 0)), ((1, COMMAND | LAST), (1, COMMAND)), ((1, LAST), (1, LAST))],
)
def test_context_kind_and_last_fragment_end_a_run(first, second):
    items = PDUReader().feed(p_data((*first, b"ab"), (*second, b"cd")))
    assert [bytes(item.views[0]) for item in items] == [b"ab", b"cd"]
    assert check_every_cut(p_data((*first, b"ab"), (*second, b"cd")))


def test_control_pdu_ends_a_run():
    stream = p_data((1, 0, b"ab")) + RELEASE_RQ + p_data((1, LAST, b"cd"))
    assert [type(item) for item in PDUReader().feed(stream)] == [PDVRun, ControlPDU, PDVRun]
    check_every_cut(stream)


def test_empty_fragments():
    stream = p_data((1, 0, b"")) + p_data((1, 0, b"ab"), (1, LAST, b"")) + p_data((3, LAST | COMMAND, b""))
    items = PDUReader().feed(stream)
    assert [(item.length, len(item.views), item.is_last) for item in items] == [(2, 1, True), (0, 0, True)]
    check_every_cut(stream)


def test_reserved_bits_of_the_message_control_header_are_not_looked_at():
    (run,) = PDUReader().feed(p_data((1, 0xFD, b"ab")))
    assert (run.is_command, run.is_last) == (True, False)


def test_fragment_cut_by_a_border_is_handed_on_as_it_comes():
    reader = PDUReader()
    stream = p_data((1, LAST, b"abcdef"))
    assert reader.feed(stream[:12]) == []
    assert reader.feed(stream[12:14]) == [PDVRun(1, False, False, [memoryview(b"ab")])]
    assert not reader.is_between_pdus
    assert reader.feed(stream[14:17]) == [PDVRun(1, False, False, [memoryview(b"cde")])]
    assert reader.feed(stream[17:]) == [PDVRun(1, False, True, [memoryview(b"f")])]
    assert reader.is_between_pdus
    assert reader.offset == len(stream)


fragment = st.tuples(st.integers(0, 255), st.integers(0, 3), st.binary(max_size=12))
pdu = st.one_of(
    st.lists(fragment, min_size=1, max_size=4).map(lambda values: p_data(*values)),
    st.sampled_from([ASSOCIATE_RQ, RELEASE_RQ, ABORT]),
)


@given(st.lists(pdu, max_size=6).map(b"".join), st.data())
def test_any_stream_at_any_cuts(stream, data):
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert fed(stream, cuts) == merged(frame(stream))


@pytest.mark.peers
def test_every_pdu_of_pynetdicom_s_tests():
    """Other people's PDUs of all seven types in one stream; one whose length is wrong there on purpose is left out."""
    try:
        from pynetdicom.pdu import P_DATA_TF
        from pynetdicom.tests import encoded_pdu_items
    except ImportError:
        missing("pynetdicom is not installed")
    pdus = [
        value
        for name, value in vars(encoded_pdu_items).items()
        if name.startswith(("a_", "p_data_tf")) and int.from_bytes(value[2:6], "big") == len(value) - 6
    ]
    assert {pdu[0] for pdu in pdus} == {1, 2, 3, 4, 5, 6, 7}
    expected: list[Item] = []
    for pdu in pdus:
        if pdu[0] != 4:
            expected.append(("control", pdu[0], pdu))
            continue
        peer = P_DATA_TF()
        peer.decode(pdu)
        for value in peer.presentation_data_value_items:
            control, data = value.presentation_data_value[0], value.presentation_data_value[1:]
            expected.append(("run", value.presentation_context_id, control & 1 == 1, control & 2 == 2, data))
    assert check_every_cut(b"".join(pdus)) == merged(expected)


# ------------------------------------------------------------------------------------------------------------ ownership


def test_views_show_the_chunk_and_keep_it():
    chunk = bytearray(p_data((1, 0, b"abcd")) + p_data((1, LAST, b"efgh")))
    (run,) = PDUReader().feed(chunk)
    assert all(view.obj is chunk and view.readonly for view in run.views)
    chunk[12:14] = b"XY"
    assert bytes(run.views[0]) == b"XYcd"
    with pytest.raises(BufferError):
        chunk.append(0)
    views = run.views
    del run
    gc.collect()
    assert [bytes(view) for view in views] == [b"XYcd", b"efgh"]
    views.clear()
    chunk.append(0)


def test_views_outlive_reader_and_chunk():
    (run,) = PDUReader().feed(p_data((1, LAST, b"abcd" * 1000)))
    filler = [bytes(4000) for _ in range(100)]
    assert run.views[0] == b"abcd" * 1000
    assert run.views[0].obj == p_data((1, LAST, b"abcd" * 1000))
    assert len(filler) == 100


def test_views_are_ordinary_memoryviews():
    (run,) = PDUReader().feed(p_data((1, LAST, bytes(range(16)))))
    (view,) = run.views
    assert (view.nbytes, view.shape, view.strides, view.format, view.ndim) == (16, (16,), (1,), "B", 1)
    assert view.c_contiguous
    assert view[3] == 3
    assert bytes(view[4:8]) == bytes(range(4, 8))
    assert view.cast("I").tolist() == array("I", bytes(range(16))).tolist()
    assert hash(view) == hash(bytes(range(16)))
    view.release()
    with pytest.raises(ValueError, match="released"):
        bytes(view)


def test_buffers_of_every_kind_are_fed():
    stream = p_data((1, LAST, b"abcd")) + RELEASE_RQ
    window = memoryview(bytearray(b"xx" + stream + b"xx"))[2:-2]
    signed, words = memoryview(stream).cast("b"), array("H", stream)
    for data in (stream, bytearray(stream), window, signed, words):
        assert plain(PDUReader().feed(data)) == merged(frame(stream))
    with pytest.raises(TypeError):
        PDUReader().feed(memoryview(stream)[::2])
    with pytest.raises(TypeError):
        PDUReader().feed("text")


def test_length_says_how_much_of_a_buffer_counts():
    buffer = bytearray(p_data((1, LAST, b"abcd")) + b"old bytes")
    reader = PDUReader()
    assert plain(reader.feed(buffer, 16)) == [("run", 1, False, True, b"abcd")]
    assert reader.feed(buffer, 0) == []
    assert reader.offset == 16
    with pytest.raises(ValueError, match="length 26 of a buffer of 25 bytes"):
        reader.feed(buffer, 26)


def test_feeding_does_not_copy_fragments():
    stream = p_data((1, 0, bytes(1 << 16))) * 64
    reader = PDUReader()
    reader.feed(stream)
    tracemalloc.start()
    try:
        items = reader.feed(stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert items[0].length == 64 << 16
    assert peak < 64 * 400


def test_nothing_is_left_behind():
    stream = ASSOCIATE_RQ + p_data((1, 0, b"ab"), (3, LAST, b"cd")) * 20 + b"\xff" * 6

    def many(times):
        for _ in range(times):
            reader = PDUReader()
            items = reader.feed(stream[:70]) + reader.feed(stream[70:])
            assert isinstance(items[-1], InvalidPDU)
            join(items[1].views)
        del reader, items
        gc.collect()
        return sys.getallocatedblocks()

    before = many(10)
    assert many(1000) - before < 20


# ----------------------------------------------------------------------------------------------------------- violations


def broken(stream: bytes, **limits: int) -> InvalidPDU:
    """The violation that a stream ends with, which is the same at every cut."""
    (*_, expected) = check_every_cut(stream, **limits)
    reader = PDUReader(**limits)
    (*_, invalid) = reader.feed(stream)
    assert isinstance(invalid, InvalidPDU)
    assert expected == ("invalid", invalid.abort_reason, invalid.offset)
    assert reader.feed(RELEASE_RQ) == []
    assert reader.pending_bytes == 0
    return invalid


def header(pdu_type: int, length: int) -> bytes:
    return bytes([pdu_type, 0]) + length.to_bytes(4, "big")


def test_row_51_unknown_pdu_type():
    for pdu_type in (0, 8, 0x44, 0xFF):
        invalid = broken(RELEASE_RQ + header(pdu_type, 4) + bytes(4))
        assert invalid == InvalidPDU(1, f"PDU of unknown type 0x{pdu_type:02X}; PS3.8 9.3.1", 10)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"POST /x HTTP/1.1\r\n", "HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n", "HTTP"),
        (bytes.fromhex("16 0301 0200 01 0001fc"), "TLS"),
        (bytes.fromhex("15 0303 0002 02 28"), "TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
    ],
)
def test_row_50_other_protocols_are_recognized(start, name):
    invalid = broken(start)
    assert invalid.abort_reason == 1
    assert invalid.offset == 0
    assert invalid.message == f"PDU of unknown type 0x{start[0]:02X}, the bytes look like {name}; PS3.8 9.3.1"


@pytest.mark.parametrize("length", [0xFFFFFFFF, 1 << 31, 1001])
@pytest.mark.parametrize("pdu_type", [1, 2])
def test_row_50_long_association_pdus_are_refused_by_their_header(pdu_type, length):
    invalid = broken(header(pdu_type, length), max_control_length=1000)
    assert invalid.abort_reason == 6
    assert f"has PDU-length {length}, limit is 1000" in invalid.message


@pytest.mark.parametrize("length", [0, 3, 5, 0xFFFFFFFF])
@pytest.mark.parametrize("pdu_type", [3, 5, 6, 7])
def test_row_50_pdus_of_fixed_length(pdu_type, length):
    invalid = broken(header(pdu_type, length) + bytes(10))
    assert (invalid.abort_reason, invalid.offset) == (6, 0)
    assert f"has PDU-length {length}, expected 4" in invalid.message


def test_row_50_long_p_data_is_refused_by_its_header():
    fits = p_data((1, 0, bytes(94)))
    assert len(fits) == 106
    assert check_every_cut(fits, max_pdu_length=100) == [("run", 1, False, False, bytes(94))]
    invalid = broken(fits + header(4, 101), max_pdu_length=100)
    assert invalid == InvalidPDU(6, "P-DATA-TF has PDU-length 101, the maximum length is 100; PS3.8 Annex D.1", 106)
    assert PDUReader().feed(header(4, 0xFFFFFFFF)) == []


def test_row_55_p_data_without_a_value():
    assert broken(header(4, 0)) == InvalidPDU(6, "P-DATA-TF without a presentation data value; PS3.8 9.3.5", 0)


@pytest.mark.parametrize("length", [0, 1])
def test_row_55_item_length_under_two(length):
    invalid = broken(header(4, 20) + length.to_bytes(4, "big") + b"\1\0" + bytes(14))
    assert invalid == InvalidPDU(
        6, f"presentation data value item has length {length}, at least 2 expected; PS3.8 9.3.5.1", 6
    )


@pytest.mark.parametrize("length", [17, 18, 0x7FFFFFFF, 0xFFFFFFFF])
def test_row_55_item_past_its_pdu(length):
    invalid = broken(header(4, 20) + length.to_bytes(4, "big") + b"\1\0" + bytes(30))
    assert invalid.abort_reason == 6
    assert invalid.offset == 6
    assert f"has length {length}, 16 bytes left in its PDU" in invalid.message
    assert check_every_cut(header(4, 20) + (16).to_bytes(4, "big") + b"\1\0" + bytes(14))


@pytest.mark.parametrize("rest", [1, 2, 5])
def test_row_55_rest_of_a_pdu_too_short_for_an_item(rest):
    stream = p_data((1, 0, b"abcd"))
    stream = header(4, len(stream) - 6 + rest) + stream[6:]
    *before, invalid = PDUReader().feed(stream)
    assert plain(before) == [("run", 1, False, False, b"abcd")]
    assert broken(stream + bytes(rest)) == invalid
    assert invalid.offset == 16
    assert f"{rest} bytes left in a P-DATA-TF" in invalid.message
    assert PDUReader().feed(header(4, rest))[0].offset == 6


def test_row_55_what_framing_leaves_to_those_above():
    """Odd fragments, a last bit never or twice, any context, command and data mixed: fragments all the same."""
    values = [(1, 0, b"abc"), (2, COMMAND, b"d"), (1, LAST, b"e"), (1, LAST, b"f"), (0, COMMAND | LAST, b"")]
    assert check_every_cut(p_data(*values)) == [
        ("run", number, control & COMMAND == COMMAND, control & LAST == LAST, data) for number, control, data in values
    ]


def test_fragments_without_end_are_not_kept():
    reader, fragment = PDUReader(), p_data((1, 0, bytes(1000)))
    reader.feed(fragment)
    tracemalloc.start()
    try:
        for _ in range(2000):
            (run,) = reader.feed(fragment)
            assert not run.is_last
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reader.pending_bytes == 0
    assert peak < 4096


@pytest.mark.parametrize(
    "values", [[(1, 0, b"a")] * 4000, [(1, 0, b""), (3, 0, b"")] * 2000, [(1, LAST, b"a")] * 4000]
)
def test_tiny_fragments_cost_in_proportion_to_the_chunk(values):
    chunk = p_data(*values)
    tracemalloc.start()
    try:
        items = PDUReader().feed(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert items
    assert peak < 80 * len(chunk)


def test_a_length_alone_costs_no_memory():
    reader = PDUReader(max_control_length=1 << 30)
    tracemalloc.start()
    try:
        assert reader.feed(header(1, 1 << 30)) == []
        assert reader.feed(bytes(10)) == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reader.pending_bytes == 16
    assert peak < 4096


# ---------------------------------------------------------------------------------------------------- state of a reader


def test_pending_bytes_are_those_of_headers_and_control_pdus():
    reader = PDUReader()
    kept = []
    for byte in ASSOCIATE_RQ:
        items = reader.feed(bytes([byte]))
        kept.append(reader.pending_bytes)
    assert kept == [*range(1, len(ASSOCIATE_RQ)), 0]
    assert items == [ControlPDU(1, ASSOCIATE_RQ)]
    kept = []
    for byte in p_data((1, LAST, b"abc")):
        reader.feed(bytes([byte]))
        kept.append(reader.pending_bytes)
    assert kept == [1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0]


def test_reset_begins_anew_and_keeps_the_limits():
    reader = PDUReader(max_pdu_length=100)
    for start in (b"\xff" * 6, ASSOCIATE_RQ[:3], ASSOCIATE_RQ[:20], p_data((1, 0, b"abcd"))[:14]):
        reader.feed(start)
        reader.reset()
        assert (reader.pending_bytes, reader.offset, reader.is_between_pdus) == (0, 0, True)
        assert plain(reader.feed(RELEASE_RQ)) == [("control", 5, RELEASE_RQ)]
    assert isinstance(reader.feed(header(4, 101))[0], InvalidPDU)


def test_a_reader_is_not_fed_within_a_feed():
    """The collector may run anything while a feed makes its objects; it must not come between."""
    stream = p_data(*[(1, 0, b"ab"), (3, 0, b"cd")] * 200)
    reader = PDUReader()
    refused = []

    class Meddler:
        def __init__(self):
            self.me = self

        def __del__(self):
            try:
                reader.feed(b"")
            except RuntimeError as error:
                refused.append(error)

    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(200)  # reached in the middle of the feed
    try:
        for _ in range(5):
            Meddler()
        items = reader.feed(stream)
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert plain(items) == merged(frame(stream))
    assert reader.is_between_pdus
    assert refused or sys.version_info >= (3, 12)  # from there on it runs between byte codes alone


def test_limits_can_change_with_what_is_negotiated():
    reader = PDUReader(max_control_length=100, max_pdu_length=50)
    assert (reader.max_control_length, reader.max_pdu_length) == (100, 50)
    reader.max_pdu_length = 0
    reader.max_control_length = 86
    assert plain(reader.feed(p_data((1, LAST, bytes(94))))) == [("run", 1, False, True, bytes(94))]
    assert isinstance(reader.feed(header(1, 87))[0], InvalidPDU)
    for wrong in (-1, 1 << 32):
        with pytest.raises(OverflowError):
            reader.max_pdu_length = wrong
        with pytest.raises(OverflowError):
            PDUReader(max_control_length=wrong)


def test_what_was_taken_before_a_violation_is_handed_on():
    items = PDUReader().feed(RELEASE_RQ + p_data((1, 0, b"ab")) + b"\0" * 6 + RELEASE_RQ)
    assert [type(item) for item in items] == [ControlPDU, PDVRun, InvalidPDU]


def test_items_compare_and_print_without_their_values():
    control = ControlPDU(5, RELEASE_RQ)
    assert control == ControlPDU(5, RELEASE_RQ)
    assert control != ControlPDU(6, RELEASE_RQ)
    assert control != RELEASE_RQ
    assert repr(control) == "<ControlPDU: A-RELEASE-RQ, 10 bytes>"
    assert repr(ControlPDU(9, b"")) == "<ControlPDU: type 9, 0 bytes>"
    assert repr(InvalidPDU(6, "why", 3)) == "InvalidPDU(6, 'why', 3)"
    assert InvalidPDU(6, "why", 3) != InvalidPDU(6, "why", 4)
    run = PDVRun(1, True, False, [memoryview(b"secret")])
    assert "secret" not in repr(run)
    for item in (control, run, InvalidPDU(6, "why", 3)):
        with pytest.raises(TypeError, match="unhashable"):
            hash(item)


# ----------------------------------------------------------------------------------------------------------------- join


def test_join():
    views = [memoryview(bytes([k % 256]) * (k * 37 % 500)) for k in range(300)]
    for count in (0, 1, 2, 8, 9, 300):
        assert join(views[:count]) == b"".join(views[:count])
    assert join(iter([b"ab", bytearray(b"cd"), memoryview(b"efgh")[::1], array("B", b"ij")])) == b"abcdefghij"
    large = memoryview(random.Random(1).randbytes(1 << 20))
    assert join([large[:5], large[5:700_000], large[700_000:]]) == large


def test_join_refuses_what_is_no_run_of_bytes():
    for wrong in (["text"], [b"a", 3], [memoryview(b"abcd")[::2]]):
        with pytest.raises((TypeError, BufferError)):
            join(wrong)
    view = memoryview(bytearray(4))
    view.release()
    buffer = bytearray(b"ab")
    with pytest.raises(ValueError, match="released"):
        join([buffer, view])
    buffer.append(1)  # what was taken before the error is given back
