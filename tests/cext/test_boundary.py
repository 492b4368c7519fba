"""What a stream speaks, and where in its middle a PDU begins."""

from __future__ import annotations

import random

import pytest

from _dicomwire.boundary import boundary_in, protocol_of
from dicomwire.dimse.messages import CEchoRQ
from dicomwire.ul.pdu import AAbort, AAssociateRJ, AReleaseRP, AReleaseRQ
from tests.net.raw import VERIFICATION, acceptance, message_bytes, pdv, request

UNDECIDED, DICOM, MLLP, TLS, ISCL, HTTP, OTHER = range(7)
ECHO = message_bytes(1, CEchoRQ(message_id=7, affected_sop_class_uid=VERIFICATION))
PDUS = [
    request().encode(),
    acceptance(request()).encode(),
    AAssociateRJ(1, 1, 1).encode(),  # type: ignore[arg-type]
    ECHO,
    AReleaseRQ().encode(),
    AReleaseRP().encode(),
    AAbort().encode(),
    pdv(3, 0, bytes(4000)),
    pdv(3, 2, bytes(4000)),
]


@pytest.mark.parametrize("pdu", PDUS)
def test_every_pdu_is_recognized(pdu: bytes) -> None:
    """By the first bytes of it, and never for anything else on the way."""
    found = [protocol_of(pdu[:n]) for n in range(1, len(pdu) + 1)]
    assert found == sorted(found)  # undecided, then DICOM
    assert found[-1] == DICOM
    assert found.index(DICOM) < 80


@pytest.mark.parametrize("pdu", PDUS)
@pytest.mark.parametrize("before", [0, 1, 5, 77, 1000])
def test_every_pdu_is_found_behind_noise(pdu: bytes, before: int) -> None:
    noise = random.Random(before)
    for _ in range(20):
        data = noise.randbytes(before) + pdu + ECHO
        assert boundary_in(data) == (DICOM, before)


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (b"\x0bMSH|^~\\&|", MLLP),
        (b"\x0bBHS|", MLLP),
        (b"\x0bX", UNDECIDED),
        (b"\x0bXYZ", OTHER),
        (b"\x16\x03\x01\x02\x00\x01", TLS),
        (b"\x16\x03\x09\x02\x00\x01", OTHER),
        (b"\x17\x03\x03\xff\xff\x01", OTHER),  # longer than a record
        (b"GET / HTTP/1.1", HTTP),
        (b"HTTP/1.1 200 OK", HTTP),
        (b"SSH-2.0-x", OTHER),
        (b"", UNDECIDED),
        (b"\x01\x00\x00\x00\x00\x10\x00\x01", OTHER),  # too short for an A-ASSOCIATE-RQ
        (b"\x05\x00\x00\x00\x00\x05\x00\x00\x00\x00", OTHER),
        (b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x02\x00", OTHER),  # an even presentation context ID
    ],
)
def test_other_protocols(data: bytes, protocol: int) -> None:
    assert protocol_of(data) == protocol


def test_a_port_says_iscl_only_of_what_is_nothing_else() -> None:
    assert protocol_of(b"anything at all", 2761) == ISCL
    assert protocol_of(b"anything at all", 5, 2761) == ISCL
    assert protocol_of(ECHO, 2761) == DICOM


def test_pixels_are_no_boundaries() -> None:
    """Images of small numbers, in which types and short lengths are everywhere."""
    noise = random.Random(5)
    for most in (2, 3, 100, 256):
        for _ in range(4):
            data = bytes(noise.randrange(most) for _ in range(100_000))
            protocol, at = boundary_in(data)
            assert protocol == UNDECIDED
            assert len(data) - at <= 128
    assert boundary_in(bytes(1_000_000))[0] == UNDECIDED
    assert boundary_in(b"\4\0\0\0" * 100_000)[0] == UNDECIDED


def test_mllp_is_found_where_dicom_is_not_known() -> None:
    data = b"rest of a message\x1c\r\x0bMSH|^~\\&|A"
    assert boundary_in(data, False) == (MLLP, 19)
