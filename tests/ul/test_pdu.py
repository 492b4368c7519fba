"""The seven PDUs: bytes in sight, pynetdicom's and scapy's PDUs in both directions, and what peers get wrong."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import struct
import tracemalloc

import pytest

from dicomwire import ul
from dicomwire.dictionary import UID
from dicomwire.errors import EncodeError, RemoteProtocolError
from tests.ul import peers
from tests.ul.test_items import CT, EXPLICIT, IMPLICIT, VERIFICATION, counted, sub

CONTEXT_NAME = sub(0x10, b"1.2.840.10008.3.1.1.1")
INFORMATION = sub(0x50, sub(0x51, b"\0\0\x40\0"))
PROPOSED = sub(0x20, b"\1\0\0\0" + sub(0x30, VERIFICATION.encode()) + sub(0x40, IMPLICIT.encode()))
ACCEPTED = sub(0x21, b"\1\0\0\0" + sub(0x40, IMPLICIT.encode()))
VALUES = ul.UserInformation((ul.MaximumLength(16384),))


def pdu(pdu_type: int, body: bytes) -> bytes:
    return struct.pack(">BBI", pdu_type, 0, len(body)) + body


def fixed(called: bytes = b"ANY-SCP", calling: bytes = b"ECHOSCU", version: int = 1) -> bytes:
    return struct.pack(">HH", version, 0) + called.ljust(16) + calling.ljust(16) + bytes(32)


REQUEST = pdu(1, fixed() + CONTEXT_NAME + PROPOSED + INFORMATION)
ACCEPT = pdu(2, fixed() + CONTEXT_NAME + ACCEPTED + INFORMATION)
ONE_OF_EACH: list[tuple[ul.PDU, bytes]] = [
    (
        ul.AAssociateRQ("ANY-SCP", "ECHOSCU", (ul.ProposedContext(1, VERIFICATION, (IMPLICIT,)),), VALUES),
        REQUEST,
    ),
    (
        ul.AAssociateAC(
            "ANY-SCP",
            "ECHOSCU",
            (ul.ContextResult(1, ul.ContextResultReason.ACCEPTANCE, IMPLICIT),),
            VALUES,
        ),
        ACCEPT,
    ),
    (
        ul.AAssociateRQ("A", "B", (), VALUES, UID("1.2.3"), 3, (ul.UnknownItem(0x66, b"?"),)),
        pdu(1, fixed(b"A", b"B", 3) + sub(0x10, b"1.2.3") + INFORMATION + sub(0x66, b"?")),
    ),
    (
        ul.AAssociateRJ(
            ul.RejectResult.PERMANENT,
            ul.RejectSource.SERVICE_USER,
            ul.RejectReasonUser.CALLED_AE_TITLE_NOT_RECOGNIZED,
        ),
        pdu(3, b"\0\1\1\7"),
    ),
    (
        ul.AAssociateRJ(
            ul.RejectResult.TRANSIENT,
            ul.RejectSource.SERVICE_PROVIDER_PRESENTATION,
            ul.RejectReasonPresentation.LOCAL_LIMIT_EXCEEDED,
        ),
        pdu(3, b"\0\2\3\2"),
    ),
    (
        ul.PDataTF((ul.PDV(1, True, True, b"command"), ul.PDV(255, False, False, b""))),
        pdu(4, b"\0\0\0\x09\1\3command" + b"\0\0\0\2\xff\0"),
    ),
    (ul.AReleaseRQ(), pdu(5, bytes(4))),
    (ul.AReleaseRP(), pdu(6, bytes(4))),
    (ul.AAbort(), pdu(7, bytes(4))),
    (ul.AAbort(ul.AbortSource.SERVICE_PROVIDER, ul.AbortReason.INVALID_PDU_PARAMETER_VALUE), pdu(7, b"\0\0\2\6")),
]


@pytest.mark.parametrize(("value", "data"), ONE_OF_EACH, ids=lambda value: type(value).__name__)
def test_pdu_is_these_bytes(value, data):
    assert value.encode() == data
    decoded = ul.decode_pdu(memoryview(bytearray(data)))
    assert decoded == value
    assert type(decoded) is type(value)
    assert decoded == type(value).decode(data)
    assert decoded.encode() == decoded.as_received == data
    for twin in (pickle.loads(pickle.dumps(decoded)), copy.copy(decoded), copy.deepcopy(decoded)):
        assert twin == value
        assert twin.encode() == data


@pytest.mark.parametrize(("value", "data"), ONE_OF_EACH, ids=lambda value: type(value).__name__)
def test_no_cut_and_no_longer_pdu_is_taken(value, data):
    for cut in range(len(data)):
        with pytest.raises(RemoteProtocolError) as raised:
            ul.decode_pdu(data[:cut])
        assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE
    with pytest.raises(RemoteProtocolError):
        ul.decode_pdu(data + b"\0")


@pytest.mark.parametrize("data", [REQUEST, ACCEPT], ids=["A-ASSOCIATE-RQ", "A-ASSOCIATE-AC"])
def test_cut_under_a_true_pdu_length_is_refused_where_no_item_ends(data):
    """Row 52 of what goes wrong: items past their PDU, sub-items past their item."""
    ends = {len(data) - len(INFORMATION), 74 + len(CONTEXT_NAME)}
    for cut in range(6, len(data)):
        if cut in ends:
            assert not ul.decode_pdu(pdu(data[0], data[6:cut])).user_information.items
            continue
        with pytest.raises(RemoteProtocolError) as raised:
            ul.decode_pdu(pdu(data[0], data[6:cut]))
        assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE


@pytest.mark.parametrize("data", [REQUEST, ACCEPT], ids=["A-ASSOCIATE-RQ", "A-ASSOCIATE-AC"])
def test_every_length_that_lies_is_refused_or_stays_inside(data):
    """Each length of an item, sub-item and PDU made longer, shorter, nothing and all ones."""
    reasons = []
    for at in range(2, len(data) - 1):
        for wrong in (b"\0\0", b"\xff\xff", b"\x7f\xff", bytes((data[at], data[at + 1] ^ 1))):
            changed = data[:at] + wrong + data[at + 2 :]
            try:
                value = ul.decode_pdu(changed)
            except RemoteProtocolError as error:
                reasons.append(error.abort_reason)
            else:
                assert value.encode() == changed
    assert len(reasons) > 60
    assert set(reasons) <= {5, 6}


# --- pynetdicom and scapy


def whole(name: str) -> bytes:
    """PDU of pynetdicom's tests; one has 14 bytes more than its length says, which its items and fields fill."""
    data = peers.encoded(name)
    if name == "a_associate_ac_user":
        with pytest.raises(RemoteProtocolError, match="length 184 said, 198 found"):
            ul.decode_pdu(data)
        data = data[:2] + (len(data) - 6).to_bytes(4, "big") + data[6:]
    return data


@pytest.mark.peers
@pytest.mark.parametrize("name", peers.PDUS)
def test_pdu_of_pynetdicom(name):
    data = whole(name)
    value = peers.PDUS[name].decode(data)
    assert value.encode() == data
    if name in ("a_associate_rq_called", "a_associate_rq_calling"):  # a title of spaces, at which pynetdicom stops
        with pytest.raises(ValueError, match="entirely of spaces"):
            peers.decoded_by_pynetdicom(data, type(value))
        assert not (value.called_ae_title and value.calling_ae_title)
        with pytest.raises(EncodeError, match="AE title"):
            dataclasses.replace(value).encode()
        return
    assert peers.plain(value) == peers.decoded_by_pynetdicom(data, type(value))
    built = dataclasses.replace(value)
    assert built.as_received is None
    if name == "a_associate_rq_user_id_user_pass":  # DCMTK sends 255 where the answer has its result
        assert data[105] == 255
        data = data[:105] + b"\0" + data[106:]
    assert built.encode() == data


@pytest.mark.peers
@pytest.mark.parametrize("name", peers.PDUS)
def test_scapy_reads_the_same(name):
    data = whole(name)
    assert peers.decoded_by_scapy(data) == peers.plain(ul.decode_pdu(data))


@pytest.mark.peers
@pytest.mark.parametrize("value", [v for v, _ in ONE_OF_EACH if "UnknownItem" not in repr(v)], ids=lambda v: v.name)
def test_pynetdicom_and_scapy_read_our_pdus(value):
    data = value.encode()
    assert peers.decoded_by_scapy(data) == peers.plain(value)
    assert peers.decoded_by_pynetdicom(data, type(value)) == peers.plain(value)


def scapy_pdus():
    """PDUs built by scapy, with every sub-item that it has."""
    layer = peers.scapy_layer()

    def one(body):
        return layer.DICOMVariableItem() / body

    related = counted(b"1.2.840.10008.5.1.4.1.1.88.22")
    sub_items = [
        one(layer.DICOMMaximumLength(max_pdu_length=65536)),
        one(layer.DICOMImplementationClassUID(uid=b"1.2.3.4")),
        one(layer.DICOMImplementationVersionName(name=b"SCAPY")),
        one(layer.DICOMAsyncOperationsWindow(max_ops_invoked=3, max_ops_performed=4)),
        one(layer.DICOMSCPSCURoleSelection(sop_class_uid=CT.encode(), scu_role=1, scp_role=1)),
        one(layer.DICOMSOPClassExtendedNegotiation(sop_class_uid=CT.encode())),
        one(
            layer.DICOMSOPClassCommonExtendedNegotiation(
                sop_class_uid=CT.encode(), service_class_uid=b"1.2.840.10008.4.2", related_sop_class_uids=related
            )
        ),
        one(
            layer.DICOMUserIdentity(
                user_identity_type=2, positive_response_requested=1, primary_field=b"u", secondary_field=b"p"
            )
        ),
    ]
    # scapy's helpers pad UIDs to an even length, which the standard does not want here (PS3.8 Annex F).
    abstract = one(layer.DICOMAbstractSyntax(uid=CT.encode()))
    syntaxes = [one(layer.DICOMTransferSyntax(uid=uid.encode())) for uid in (EXPLICIT, IMPLICIT)]
    contexts = [
        one(layer.DICOMPresentationContextRQ(context_id=number, sub_items=[abstract, *syntaxes])) for number in (1, 3)
    ]
    name = one(layer.DICOMApplicationContext(uid=b"1.2.840.10008.3.1.1.1"))
    titles = {"called_ae_title": "CALLED", "calling_ae_title": "CALLING"}
    yield layer.DICOM() / layer.A_ASSOCIATE_RQ(
        **titles, variable_items=[name, *contexts, one(layer.DICOMUserInformation(sub_items=sub_items))]
    )
    accepted = layer.DICOMPresentationContextAC(
        context_id=3, result=0, sub_items=[one(layer.DICOMTransferSyntax(uid=EXPLICIT.encode()))]
    )
    refused = layer.DICOMPresentationContextAC(
        context_id=1, result=3, sub_items=[one(layer.DICOMTransferSyntax(uid=b""))]
    )
    answer = one(layer.DICOMUserIdentityResponse(server_response=b"ticket"))
    yield layer.DICOM() / layer.A_ASSOCIATE_AC(
        **titles,
        variable_items=[name, one(refused), one(accepted), one(layer.DICOMUserInformation(sub_items=[answer]))],
    )
    yield layer.DICOM() / layer.A_ASSOCIATE_RJ(result=2, source=2, reason_diag=2)
    pdvs = [
        layer.PresentationDataValueItem(context_id=3, is_command=1, is_last=1, data=b"command "),
        layer.PresentationDataValueItem(context_id=3, is_command=0, is_last=0, data=bytes(100)),
    ]
    yield layer.DICOM() / layer.P_DATA_TF(pdv_items=pdvs)
    yield layer.DICOM() / layer.A_RELEASE_RQ()
    yield layer.DICOM() / layer.A_RELEASE_RP()
    yield layer.DICOM() / layer.A_ABORT(source=2, reason_diag=1)


@pytest.mark.peers
def test_pdus_of_scapy():
    names = []
    for packet in scapy_pdus():
        data = bytes(packet)
        value = ul.decode_pdu(data)
        names.append(value.name)
        assert peers.plain(value) == peers.decoded_by_scapy(data)
        assert dataclasses.replace(value).encode() == data
    assert sorted(names) == sorted(kind.name for kind in {type(v) for v, _ in ONE_OF_EACH})


# --- AE titles


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (b"ANY-SCP         ", "ANY-SCP"),
        (b"  any SCP       ", "any SCP"),  # case and inner spaces count
        (b"SIXTEEN_LETTERS_", "SIXTEEN_LETTERS_"),
        (b"NULLED\0\0\0\0\0\0\0\0\0\0", "NULLED"),
        (bytes(16), ""),
        (b" " * 16, ""),
        (b"\xff" + b" " * 15, "\\xff"),
    ],
)
def test_spaces_around_a_title_mean_nothing_and_are_kept(raw, title):
    data = pdu(1, fixed(raw, raw[::-1]) + CONTEXT_NAME + PROPOSED + INFORMATION)
    request = ul.decode_pdu(data)
    assert request.called_ae_title == title
    assert request.called_ae_title_raw == raw
    assert request.calling_ae_title_raw == raw[::-1]
    # The answer gives back the bytes, and the reserved field behind them.
    accept = ul.AAssociateAC.answering(request, (), VALUES)
    assert accept.encode()[10:74] == data[10:74]
    assert accept.called_ae_title_raw == raw
    assert ul.decode_pdu(accept.encode()) == accept
    # Without the request it has the titles, cut if need be, because nobody may test them.
    assert len(dataclasses.replace(accept).called_ae_title_raw) == 16


def test_title_of_a_built_pdu_fills_its_sixteen_bytes():
    assert ONE_OF_EACH[0][0].called_ae_title_raw == b"ANY-SCP         "
    assert ONE_OF_EACH[1][0].calling_ae_title_raw == b"ECHOSCU         "


@pytest.mark.parametrize("title", ["", " ", "SEVENTEEN_LETTERS", "BACK\\SLASH", "TAB\t", "Ä"])
def test_title_that_is_none_is_not_proposed(title):
    for titles in ((title, "B"), ("A", title)):
        with pytest.raises(EncodeError, match="AE title") as raised:
            ul.AAssociateRQ(*titles, (), VALUES).encode()
        assert title.strip() not in str(raised.value) or not title.strip()
        assert len(ul.AAssociateAC(*titles, (), VALUES).encode()) == 6 + 68 + len(CONTEXT_NAME) + len(INFORMATION)


def test_reserved_bytes_of_the_request_come_back():
    reserved = bytes(range(32))
    data = REQUEST[:42] + reserved + REQUEST[74:]
    assert ul.AAssociateAC.answering(ul.decode_pdu(data), (), VALUES).encode()[42:74] == reserved
    assert ul.decode_pdu(data).encode() == data
    assert dataclasses.replace(ul.decode_pdu(data)).encode() == REQUEST


# --- what bends the rules and is kept, for negotiation to answer or a monitor to show


def test_contexts_are_neither_counted_nor_checked_here():
    contexts = [ul.ProposedContext(number & 255, VERIFICATION, ()) for number in (*range(300), 2, 2)]
    body = fixed() + CONTEXT_NAME + b"".join(context.encode() for context in contexts) + INFORMATION
    assert ul.decode_pdu(pdu(1, body)).presentation_contexts == tuple(contexts)


@pytest.mark.parametrize("version", [0, 2, 0xFFFF])
def test_protocol_version_is_kept(version):
    request = ul.decode_pdu(pdu(1, fixed(version=version) + CONTEXT_NAME + PROPOSED + INFORMATION))
    assert request.protocol_version == version
    assert f"protocol version: {version}" in request.describe()
    assert dataclasses.replace(request).encode() == request.encode()


def test_missing_context_name_and_user_information_have_no_value():
    request = ul.decode_pdu(pdu(1, fixed() + PROPOSED))
    assert request.application_context_name == ""
    assert request.user_information == ul.UserInformation()
    assert len(request.presentation_contexts) == 1


def test_items_in_another_order_are_the_same_and_other_bytes():
    data = pdu(1, fixed() + INFORMATION + sub(0x99, b"?") + PROPOSED + CONTEXT_NAME)
    request = ul.decode_pdu(data)
    assert request == dataclasses.replace(ONE_OF_EACH[0][0], unknown_items=(ul.UnknownItem(0x99, b"?"),))
    assert request.encode() == data


def test_numbers_that_the_standard_does_not_list():
    reject = ul.decode_pdu(pdu(3, b"\0\x09\x04\x63"))
    assert (reject.result, reject.source, reject.reason) == (9, 4, 99)
    assert reject.reason.name == "RESERVED_99"
    assert dataclasses.replace(reject).encode() == pdu(3, b"\0\x09\x04\x63")
    abort = ul.decode_pdu(pdu(7, b"\1\2\3\4"))
    assert (abort.source, abort.reason) == (3, ul.AbortReason.UNRECOGNIZED_PDU_PARAMETER)
    assert abort.encode() == pdu(7, b"\1\2\3\4")


def test_plain_numbers_become_members():
    assert ul.AAssociateRJ(1, 2, 2).reason is ul.RejectReasonACSE.PROTOCOL_VERSION_NOT_SUPPORTED
    assert ul.AAssociateRJ(1, 1, 2).reason is ul.RejectReasonUser.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
    assert ul.AAbort(2, 2).reason is ul.AbortReason.UNEXPECTED_PDU
    for wrong in (-1, 256):
        with pytest.raises(ValueError, match=str(wrong)):
            ul.AAbort(0, wrong)
        with pytest.raises(ValueError, match=str(wrong)):
            ul.AAssociateRJ(1, 1, wrong)


# --- what is refused: rows 50 to 54 of what goes wrong


@pytest.mark.parametrize("pdu_type", [0, 8, 0x16, 0x47, 0xFF])
def test_unknown_pdu_type(pdu_type):
    with pytest.raises(RemoteProtocolError, match=f"unknown type 0x{pdu_type:02x}") as raised:
        ul.decode_pdu(pdu(pdu_type, bytes(4)))
    assert raised.value.abort_reason == ul.AbortReason.UNRECOGNIZED_PDU


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n", "HTTP"),
        (b"POST /dicom-web/studies HTTP/1.1\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
    ],
)
def test_other_protocols_on_the_port_are_named(data, protocol):
    with pytest.raises(RemoteProtocolError, match=protocol) as raised:
        ul.decode_pdu(data)
    assert raised.value.abort_reason == ul.AbortReason.UNRECOGNIZED_PDU
    assert "pacs" not in str(raised.value)


@pytest.mark.parametrize("pdu_type", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("length", [0, 1, 3, 5, 0xFFFFFFFF])
def test_pdu_length_of_nothing_too_little_or_four_gigabytes(pdu_type, length):
    data = struct.pack(">BBI", pdu_type, 0, length) + bytes(min(length, 5))
    tracemalloc.start()
    with pytest.raises(RemoteProtocolError) as raised:
        ul.decode_pdu(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE
    assert peak < 100_000


def test_control_pdu_over_the_limit():
    name = sub(0x99, bytes(65535))
    data = pdu(1, fixed() + name * 16)
    with pytest.raises(RemoteProtocolError, match="at most 1048576 is taken") as raised:
        ul.decode_pdu(data)
    assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE
    assert len(ul.decode_pdu(data, max_control_length=1 << 21).unknown_items) == 16
    with pytest.raises(RemoteProtocolError, match="at most 100 is taken"):
        ul.decode_pdu(REQUEST, max_control_length=100)
    assert ul.decode_pdu(ONE_OF_EACH[5][1], max_control_length=4) == ONE_OF_EACH[5][0]  # data have their own limit


def test_memory_of_the_most_hostile_request_is_bounded():
    """The smallest items there are, as many as there is room for: at most 64 bytes for each one that came."""
    size = 1 << 16
    for smallest in (sub(0x99, b""), sub(0x20, bytes(4)), sub(0x20, bytes(4) + sub(0x40, b"") * 1000)):
        data = pdu(1, fixed() + smallest * ((size - 68) // len(smallest)))
        tracemalloc.start()
        ul.decode_pdu(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 64 * size


def test_items_are_counted_so_that_many_empty_ones_cost_little_time():
    empty = sub(0x20, bytes(4))
    assert len(ul.decode_pdu(pdu(1, fixed() + empty * 16384)).presentation_contexts) == 16384
    many = sub(0x20, bytes(4) + sub(0x40, b"") * 16000)  # the transfer syntaxes count too
    for body in (empty * 16385, sub(0x99, b"") * 16385, many * 3):
        with pytest.raises(RemoteProtocolError, match="more than 16384 items") as raised:
            ul.decode_pdu(pdu(1, fixed() + body))
        assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE


@pytest.mark.parametrize("pdu_type", [1, 2])
def test_association_without_any_item(pdu_type):
    with pytest.raises(RemoteProtocolError, match="no items") as raised:
        ul.decode_pdu(pdu(pdu_type, fixed()))
    assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (pdu(1, fixed() + CONTEXT_NAME + CONTEXT_NAME), 74 + len(CONTEXT_NAME)),
        (pdu(1, fixed() + INFORMATION + INFORMATION), 74 + len(INFORMATION)),
        (pdu(1, fixed() + ACCEPTED), 74),
        (pdu(2, fixed() + PROPOSED), 74),
    ],
)
def test_item_a_second_time_or_of_the_other_direction(data, at):
    with pytest.raises(RemoteProtocolError, match=rf"offset {at} ") as raised:
        ul.decode_pdu(data)
    assert raised.value.abort_reason == ul.AbortReason.UNEXPECTED_PDU_PARAMETER


def test_error_says_where_in_the_pdu():
    wrong = sub(0x50, sub(0x51, b"\0\0\x40"))
    with pytest.raises(RemoteProtocolError) as raised:
        ul.decode_pdu(pdu(1, fixed() + CONTEXT_NAME + wrong))
    assert str(raised.value) == ("maximum length: 4 bytes expected, 3 found; offset 107 (0x6b); PS3.8 section D.1.1")


@pytest.mark.parametrize("maximum", [0, 1, 11])
def test_maximum_length_of_nothing_and_nearly_nothing_is_read_as_it_is(maximum):
    information = sub(0x50, sub(0x51, maximum.to_bytes(4, "big")))
    assert ul.decode_pdu(pdu(1, fixed() + PROPOSED + information)).user_information.maximum_length == maximum


@pytest.mark.parametrize(
    "body",
    [
        b"",  # no PDV
        b"\0\0\0\2\1",  # cut header
        b"\0\0\0\0\1\3",  # PDV lengths 0 and 1: not even its own two bytes
        b"\0\0\0\1\1\3",
        b"\0\0\0\3\1\3",  # past the PDU
        b"\xff\xff\xff\xff\1\3",
        b"\0\0\0\2\1\3" + b"\0\0\0\2",
    ],
)
def test_pdv_that_does_not_fit(body):
    with pytest.raises(RemoteProtocolError, match="P-DATA-TF") as raised:
        ul.decode_pdu(pdu(4, body))
    assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE


def test_reserved_bits_of_a_control_header_are_kept():
    data = pdu(4, b"\0\0\0\3\1\xfe!")
    value = ul.decode_pdu(data)
    assert value.pdvs == (ul.PDV(1, False, True, b"!"),)
    assert value.encode() == data


def test_pdu_of_another_type_than_expected():
    with pytest.raises(RemoteProtocolError, match="A-ASSOCIATE-AC expected, A-RELEASE-RQ found") as raised:
        ul.AAssociateAC.decode(pdu(5, bytes(4)))
    assert raised.value.abort_reason == ul.AbortReason.UNEXPECTED_PDU


@pytest.mark.parametrize(
    "value",
    [
        ul.PDataTF((ul.PDV(256, True, True, b""),)),
        dataclasses.replace(ONE_OF_EACH[0][0], protocol_version=65536),
        dataclasses.replace(ONE_OF_EACH[0][0], application_context_name=UID("1" * 65536)),
    ],
)
def test_what_does_not_fit_its_field_is_not_encoded(value):
    with pytest.raises(EncodeError):
        value.encode()


# --- printing


def test_description_of_an_association():
    request = dataclasses.replace(
        ONE_OF_EACH[0][0],
        user_information=ul.UserInformation(
            (ul.MaximumLength(16384), ul.UserIdentityRQ(ul.UserIdentityType.USERNAME, False, b"jane"))
        ),
    )
    assert request.describe().splitlines() == [
        "A-ASSOCIATE-RQ",
        "  called AE title: ANY-SCP",
        "  calling AE title: ECHOSCU",
        "  application context: 1.2.840.10008.3.1.1.1 DICOM Application Context Name",
        "  presentation context 1: 1.2.840.10008.1.1 Verification SOP Class",
        "    1.2.840.10008.1.2 Implicit VR Little Endian",
        "  user information",
        "    maximum length: 16384",
        "    user identity: user name, primary field of 4 bytes",
    ]
    assert "jane" not in repr(ul.decode_pdu(request.encode()))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (ONE_OF_EACH[0][0], "A-ASSOCIATE-RQ: ECHOSCU to ANY-SCP, 1 presentation context"),
        (ONE_OF_EACH[1][0], "A-ASSOCIATE-AC: 1 of 1 presentation context accepted"),
        (
            ONE_OF_EACH[3][0],
            "A-ASSOCIATE-RJ: rejected permanently, by the service user: called AE title not recognized (1, 1, 7)",
        ),
        (ONE_OF_EACH[5][0], "P-DATA-TF: 2 PDVs"),
        (ul.AReleaseRQ(), "A-RELEASE-RQ"),
        (ul.AAbort(), "A-ABORT: by the service user (0, 0)"),
        (ul.AAbort(2, 1), "A-ABORT: by the service provider: PDU type not recognized (2, 1)"),
    ],
)
def test_line_for_a_log(value, line):
    assert str(value) == line


def test_description_of_data_has_sizes_and_no_data():
    value = ul.decode_pdu(ONE_OF_EACH[5][1])
    assert value.describe().splitlines() == [
        "P-DATA-TF",
        "  PDV: context 1, command, 7 bytes, last",
        "  PDV: context 255, data set, 0 bytes",
    ]
    assert "'command" not in repr(value)


def test_titles_cannot_drive_a_terminal():
    request = ul.decode_pdu(pdu(1, fixed(b"\x1b[2J\n", b"\xe2\x80\xaeABC") + CONTEXT_NAME + PROPOSED + INFORMATION))
    for text in (request.describe(), str(request), repr(request)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert len(str(request).splitlines()) == 1
