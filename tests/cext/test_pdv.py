"""Fragmentation: the bytes are the slow twin's, the payload's memory is the caller's, and a reader finds it again."""

from __future__ import annotations

import random
import tracemalloc
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.pdu import PDUReader, PDVRun, join
from _dicomwire.pdv import Fragmenter, fragment, message_buffers
from dicomwire.errors import EncodeError, LocalProtocolError
from tests.oracles.framing import Item, fragments, frame, merged
from tests.support import missing

MIB = 1 << 20


def fragment_length(max_pdu_length: int) -> int:
    """The even number of bytes that fit a PDU of one fragment."""
    return ((max_pdu_length or MIB) - 6) // 2 * 2


def carried(stream: bytes, max_pdu_length: int) -> list[Item]:
    """What a stream carries, found by the reader under the peer's limit and by the twin."""
    items = PDUReader(max_pdu_length=max_pdu_length).feed(stream)
    assert all(isinstance(item, PDVRun) for item in items)
    found = [("run", item.context_id, item.is_command, item.is_last, b"".join(item.views)) for item in items]
    assert found == merged(frame(stream, max_pdu_length=max_pdu_length))
    return found


# ------------------------------------------------------------------------------------------------------------- fragment


@pytest.mark.parametrize("max_pdu_length", [12, 13, 14, 15, 16, 100, 4096, 16384, 16385, 131072, 0])
@pytest.mark.parametrize("length", [0, 1, 2, 5, 6, 7, 8, 9, 93, 94, 95, 188, 40_000, 2_500_001])
def test_fragments_are_those_of_the_twin(length, max_pdu_length):
    if length // fragment_length(max_pdu_length) > 20_000:
        length = 20_000 * fragment_length(max_pdu_length) + length % 2
    payload = random.Random(length).randbytes(length)
    buffers = fragment(3, False, payload, max_pdu_length)
    stream = b"".join(buffers)
    assert stream == fragments(3, False, payload, fragment_length(max_pdu_length))
    assert carried(stream, max_pdu_length) == [("run", 3, False, True, payload)]


def test_command_bit():
    assert b"".join(fragment(1, True, b"abcd", 0)) == bytes.fromhex("04 00 0000000a 00000006 01 03") + b"abcd"
    assert b"".join(fragment(1, False, b"abcd", 0)) == bytes.fromhex("04 00 0000000a 00000006 01 02") + b"abcd"


def test_payload_is_named_and_not_copied():
    payload = bytearray(1000)
    buffers = fragment(1, False, payload, 106)
    assert [len(buffer) for buffer in buffers] == [12, 100] * 10
    for number, view in enumerate(buffers[1::2]):
        assert isinstance(view, memoryview)
        assert view.obj is payload
        assert view.readonly
        payload[number * 100] = number + 1
        assert view[0] == number + 1
    with pytest.raises(BufferError):
        payload.append(0)
    del buffers, view
    payload.append(0)


def test_large_payload_costs_headers_alone():
    payload = bytes(100_000_000)
    tracemalloc.start()
    try:
        buffers = fragment(1, False, payload, 16384)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    pdus = -(-len(payload) // 16378)
    assert len(buffers) == 2 * pdus
    assert sum(map(len, buffers)) == len(payload) + 12 * pdus
    assert peak < pdus * 400


@given(
    st.lists(st.binary(max_size=60), max_size=12),
    st.sampled_from([12, 15, 20, 37, 64, 0]),
    st.booleans(),
    st.sampled_from([bytes, bytearray, memoryview]),
)
def test_payload_in_many_buffers(parts, max_pdu_length, is_command, kind):
    payload = b"".join(parts)
    expected = fragments(9, is_command, payload, fragment_length(max_pdu_length))
    buffers = fragment(9, is_command, [kind(part) for part in parts], max_pdu_length)
    assert b"".join(buffers) == expected
    assert sum(len(buffer) for buffer in buffers if isinstance(buffer, memoryview)) == len(payload)
    assert b"".join(fragment(9, is_command, iter(parts), max_pdu_length)) == expected


def test_buffers_of_every_kind():
    words = array("H", range(100))
    expected = fragments(1, False, words.tobytes(), 94)
    for payload in (words, memoryview(words), words.tobytes(), [words]):
        assert b"".join(fragment(1, False, payload, 100)) == expected
    for wrong in ("text", ["text"], 7, [7], memoryview(b"abcd")[::2]):
        with pytest.raises(TypeError):
            fragment(1, False, wrong, 100)


@pytest.mark.parametrize("max_pdu_length", range(1, 12))
def test_row_54_maximum_length_without_room_for_data(max_pdu_length):
    for make in (
        lambda: fragment(1, False, b"ab", max_pdu_length),
        lambda: message_buffers(1, b"ab", None, max_pdu_length),
        lambda: Fragmenter(1, False, max_pdu_length),
    ):
        with pytest.raises(EncodeError, match=f"maximum length {max_pdu_length}, at least 12 expected"):
            make()


@pytest.mark.parametrize("max_pdu_length", [0xFFFFFFFF, 0xFFFFFFFE, 1 << 31])
def test_huge_maximum_lengths_do_not_wrap(max_pdu_length):
    assert b"".join(fragment(1, False, b"abcd", max_pdu_length)) == fragments(1, False, b"abcd", 4)
    with pytest.raises(OverflowError):
        fragment(1, False, b"abcd", 1 << 32)
    with pytest.raises(OverflowError):
        fragment(1, False, b"abcd", -1)


@pytest.mark.parametrize("context_id", [0, 2, 254, 256, 257, -1])
def test_context_ids_are_odd_and_fit_a_byte(context_id):
    for make in (
        lambda: fragment(context_id, False, b"ab", 0),
        lambda: message_buffers(context_id, b"ab", None, 0),
        lambda: Fragmenter(context_id, False, 0),
    ):
        with pytest.raises(EncodeError, match="presentation context ID"):
            make()


@pytest.mark.peers
@pytest.mark.parametrize("max_pdu_length", [100, 4096, 16384, 131072])
@pytest.mark.parametrize("length", [2, 94, 4090, 40_000, 300_000])
def test_pynetdicom_makes_the_same_bytes_and_reads_ours(length, max_pdu_length):
    try:
        from pynetdicom.dimse_messages import C_STORE_RQ
        from pynetdicom.pdu import P_DATA_TF
    except ImportError:
        missing("pynetdicom is not installed")
    payload = random.Random(length).randbytes(length)
    message = C_STORE_RQ()
    message.command_set.CommandDataSetType = 1
    message.data_set.write(payload)
    pdus = []
    for primitive in message.encode_msg(3, max_pdu_length):
        pdus.append(P_DATA_TF())
        pdus[-1].from_primitive(primitive)
    stream = b"".join(pdu.encode() for pdu in pdus)
    (command, data_set) = PDUReader(max_pdu_length=max_pdu_length).feed(stream)
    assert b"".join(message_buffers(3, join(command.views), payload, max_pdu_length)) == stream
    assert (data_set.is_last, join(data_set.views)) == (True, payload)


@pytest.mark.peers
def test_scapy_reads_ours():
    try:
        from scapy.contrib.dicom import DICOM, P_DATA_TF
    except ImportError:
        missing("scapy is not installed")
    payload = random.Random(3).randbytes(1000)
    buffers = fragment(7, True, payload, 106)
    items = []
    for headers, view in zip(buffers[::2], buffers[1::2], strict=True):
        items += DICOM(headers + view)[P_DATA_TF].pdv_items
    assert [(item.context_id, item.is_command, item.is_last) for item in items] == [(7, 1, 0)] * 9 + [(7, 1, 1)]
    assert b"".join(item.data for item in items) == payload


# ------------------------------------------------------------------------------------------------------ message_buffers


def test_small_message_is_one_buffer():
    command, data_set = bytes(range(68)), bytes(4000)
    assert message_buffers(1, command, None, 16384) == [fragments(1, True, command, 16378)]
    assert message_buffers(1, command, data_set, 16384) == [
        fragments(1, True, command, 16378) + fragments(1, False, data_set, 16378)
    ]
    assert message_buffers(1, command, b"", 16384) == [fragments(1, True, command, 16378) + fragments(1, False, b"", 2)]


def test_long_data_set_is_named_behind_headers_and_command():
    command, data_set = bytes(100), bytearray(40_000)
    buffers = message_buffers(1, command, data_set, 16384)
    assert [len(buffer) for buffer in buffers] == [12 + 100 + 12, 16378, 12, 16378, 12, 40_000 - 2 * 16378]
    assert all(view.obj is data_set for view in buffers[1::2])
    *_, last = message_buffers(1, command, data_set[:36_000], 16384)
    assert len(last) == 12 + 36_000 - 2 * 16378


@given(
    st.integers(0, 300),
    st.one_of(st.none(), st.lists(st.integers(0, 9000), max_size=5)),
    st.sampled_from([12, 50, 4096, 8192, 0]),
)
def test_messages_are_those_of_the_twin(command_length, lengths, max_pdu_length):
    noise = random.Random(command_length)
    command = noise.randbytes(command_length)
    parts = None if lengths is None else [noise.randbytes(length) for length in lengths]
    expected = fragments(5, True, command, fragment_length(max_pdu_length))
    if parts is not None:
        expected += fragments(5, False, b"".join(parts), fragment_length(max_pdu_length))
    buffers = message_buffers(5, command, parts, max_pdu_length)
    assert b"".join(buffers) == expected
    assert all(len(buffer) >= 4096 for buffer in buffers if isinstance(buffer, memoryview))


# ----------------------------------------------------------------------------------------------------------- Fragmenter


def written(chunks: list[bytes], max_pdu_length: int) -> list[bytes | memoryview]:
    fragmenter = Fragmenter(7, False, max_pdu_length)
    buffers = [buffer for chunk in chunks for buffer in fragmenter.write(chunk)]
    return buffers + fragmenter.finish()


@given(st.lists(st.binary(max_size=50), max_size=20), st.sampled_from([12, 15, 20, 37, 64, 0]))
def test_short_writes_make_even_fragments_and_one_last(chunks, max_pdu_length):
    payload = b"".join(chunks)
    stream = b"".join(written(chunks, max_pdu_length))
    assert carried(stream, max_pdu_length) == [("run", 7, False, True, payload)]
    pieces = [len(item[4]) for item in frame(stream)]  # type: ignore[arg-type]
    assert all(length % 2 == 0 and length > 0 for length in pieces[:-1])
    assert pieces[-1] > 0 or not payload


@pytest.mark.parametrize("max_pdu_length", [4096, 16384, 131072, 0])
@pytest.mark.parametrize("size", [1, 999, 4096, 16378, 16379, 65_536, 300_001])
def test_long_writes(size, max_pdu_length):
    payload = random.Random(size).randbytes(min(3 * size, 900_000) + 1)
    chunks = [payload[at : at + size] for at in range(0, min(len(payload), 200 * size), size)]
    payload = b"".join(chunks)
    stream = b"".join(written(chunks, max_pdu_length))
    assert carried(stream, max_pdu_length) == [("run", 7, False, True, payload)]
    assert all(len(item[4]) % 2 == 0 and item[4] for item in frame(stream)[:-1])  # type: ignore[arg-type]


def test_long_writes_are_named_but_for_two_bytes():
    chunk = bytearray(100_000)
    fragmenter = Fragmenter(1, False, 0)
    (headers, view) = fragmenter.write(chunk)
    assert (len(headers), len(view), view.obj is chunk) == (12, 99_998, True)
    (headers, view) = fragmenter.write(chunk)
    assert (len(headers), len(view), view.obj is chunk) == (14, 99_998, True)
    (last,) = fragmenter.finish()
    assert len(last) == 14


def test_short_writes_are_collected_into_whole_fragments():
    fragmenter = Fragmenter(1, False, 4096)
    sizes = [sum(map(len, fragmenter.write(bytes(100)))) for _ in range(83)]
    assert [(number, size) for number, size in enumerate(sizes, 1) if size] == [(41, 12 + 4090), (82, 12 + 4090)]
    assert len(b"".join(fragmenter.finish())) == 12 + 8300 - 2 * 4090


def test_nothing_written_is_one_empty_last_fragment():
    assert Fragmenter(1, True, 0).finish() == [bytes.fromhex("04 00 00000006 00000002 01 03")]


def test_finished_fragmenter_takes_nothing_more():
    fragmenter = Fragmenter(1, False, 0)
    fragmenter.finish()
    for again in (fragmenter.finish, lambda: fragmenter.write(b"ab")):
        with pytest.raises(LocalProtocolError, match="last fragment"):
            again()
