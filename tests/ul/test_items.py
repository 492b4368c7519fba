"""Items of association PDUs: bytes in sight, pynetdicom's own encoded items, and what peers get wrong."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from dicomwire import ul
from dicomwire.dictionary import UID
from dicomwire.errors import EncodeError, RemoteProtocolError
from tests.ul import peers

CT = UID("1.2.840.10008.5.1.4.1.1.2")
SR = UID("1.2.840.10008.5.1.4.1.1.88.22")
STORAGE = UID("1.2.840.10008.4.2")
VERIFICATION = UID("1.2.840.10008.1.1")
IMPLICIT = UID("1.2.840.10008.1.2")
EXPLICIT = UID("1.2.840.10008.1.2.1")


def sub(item_type: int, value: bytes) -> bytes:
    return bytes((item_type, 0)) + len(value).to_bytes(2, "big") + value


def counted(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


ONE_OF_EACH: list[tuple[ul.Item, bytes]] = [
    (
        ul.ProposedContext(3, CT, (EXPLICIT, IMPLICIT)),
        sub(0x20, b"\3\0\0\0" + sub(0x30, CT.encode()) + sub(0x40, EXPLICIT.encode()) + sub(0x40, IMPLICIT.encode())),
    ),
    (ul.ProposedContext(255, CT, ()), sub(0x20, b"\xff\0\0\0" + sub(0x30, CT.encode()))),
    (
        ul.ContextResult(3, ul.ContextResultReason.ACCEPTANCE, EXPLICIT),
        sub(0x21, b"\3\0\0\0" + sub(0x40, EXPLICIT.encode())),
    ),
    (ul.ContextResult(5, ul.ContextResultReason.TRANSFER_SYNTAXES_NOT_SUPPORTED), sub(0x21, b"\5\0\4\0")),
    (ul.ContextResult(5, ul.ContextResultReason.USER_REJECTION, UID("")), sub(0x21, b"\5\0\1\0" + sub(0x40, b""))),
    (ul.MaximumLength(0), sub(0x51, bytes(4))),
    (ul.MaximumLength(0xFFFFFFFF), sub(0x51, b"\xff" * 4)),
    (ul.ImplementationClassUID(UID("1.2.3")), sub(0x52, b"1.2.3")),
    (ul.AsynchronousOperationsWindow(0, 65535), sub(0x53, b"\0\0\xff\xff")),
    (ul.RoleSelection(CT, scu=False, scp=True), sub(0x54, counted(CT.encode()) + b"\0\1")),
    (ul.RoleSelection(CT, scu=True, scp=False), sub(0x54, counted(CT.encode()) + b"\1\0")),
    (ul.ImplementationVersionName("DICOMWIRE_1"), sub(0x55, b"DICOMWIRE_1")),
    (ul.SOPClassExtendedNegotiation(CT, b"\2\0\3"), sub(0x56, counted(CT.encode()) + b"\2\0\3")),
    (
        ul.SOPClassCommonExtendedNegotiation(CT, STORAGE, (SR, CT)),
        sub(
            0x57,
            counted(CT.encode()) + counted(STORAGE.encode()) + counted(counted(SR.encode()) + counted(CT.encode())),
        ),
    ),
    (
        ul.SOPClassCommonExtendedNegotiation(CT, STORAGE),
        sub(0x57, counted(CT.encode()) + counted(STORAGE.encode()) + b"\0\0"),
    ),
    *(
        (
            ul.UserIdentityRQ(kind, positive, b"first field", second),
            sub(0x58, bytes((kind, positive)) + counted(b"first field") + counted(second)),
        )
        for kind, positive, second in [
            (ul.UserIdentityType.USERNAME, False, b""),
            (ul.UserIdentityType.USERNAME_AND_PASSCODE, True, b"second field"),
            (ul.UserIdentityType.KERBEROS, True, b""),
            (ul.UserIdentityType.SAML, False, b""),
            (ul.UserIdentityType.JWT, True, b""),
        ]
    ),
    (ul.UserIdentityAC(b"ticket"), sub(0x59, counted(b"ticket"))),
    (ul.UserIdentityAC(b""), sub(0x59, b"\0\0")),
    (ul.UnknownItem(0x5F, b"vendor"), sub(0x5F, b"vendor")),
    (
        ul.UserInformation((ul.MaximumLength(16384), ul.UnknownItem(0x77, b""))),
        sub(0x50, sub(0x51, b"\0\0\x40\0") + sub(0x77, b"")),
    ),
    (ul.UserInformation(), sub(0x50, b"")),
]


@pytest.mark.parametrize(("item", "data"), ONE_OF_EACH, ids=lambda value: type(value).__name__)
def test_item_is_these_bytes(item, data):
    assert item.encode() == data
    decoded = type(item).decode(memoryview(data))
    assert decoded == item
    assert decoded.as_received == data
    assert decoded.encode() == data
    assert pickle.loads(pickle.dumps(decoded)) == item


@pytest.mark.parametrize(("item", "data"), ONE_OF_EACH, ids=lambda value: type(value).__name__)
def test_no_cut_and_no_longer_item_is_taken(item, data):
    for cut in range(len(data)):
        with pytest.raises(RemoteProtocolError) as raised:
            type(item).decode(data[:cut])
        assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE
        assert raised.value.section.startswith("PS3.")
    with pytest.raises(RemoteProtocolError, match="1 bytes behind"):
        type(item).decode(data + b"\0")


@pytest.mark.parametrize(("item", "data"), ONE_OF_EACH, ids=lambda value: type(value).__name__)
def test_body_cut_under_a_true_item_length_is_refused_or_shorter(item, data):
    """An item whose header is right and whose fields are cut: those of fixed form are refused, lists end earlier."""
    free = (ul.ImplementationClassUID, ul.ImplementationVersionName, ul.UnknownItem, ul.SOPClassExtendedNegotiation)
    listed = (ul.ProposedContext, ul.ContextResult, ul.UserInformation)
    for cut in range(len(data) - 4):
        short = sub(data[0], data[4 : 4 + cut])
        if isinstance(item, (*free, *listed)):
            try:
                decoded = type(item).decode(short)
            except RemoteProtocolError:
                continue
            assert decoded != item
            assert decoded.encode() == short
        else:
            with pytest.raises(RemoteProtocolError) as raised:
                type(item).decode(short)
            assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE


def test_item_of_another_type_is_not_expected():
    with pytest.raises(RemoteProtocolError, match="0x51 expected, 0x52 found") as raised:
        ul.MaximumLength.decode(sub(0x52, b"1.2"))
    assert raised.value.abort_reason == ul.AbortReason.UNEXPECTED_PDU_PARAMETER


# --- pynetdicom's encoded items


@pytest.mark.peers
@pytest.mark.parametrize("name", peers.ITEMS)
def test_item_of_pynetdicom(name):
    kind, data = peers.ITEMS[name], peers.encoded(name)
    item = kind.decode(data)
    assert item.encode() == data
    if name == "presentation_context_rq_utf8":  # zero-width spaces inside a UID; a reserved byte that is not zero
        with pytest.raises(ValueError, match="ascii"):
            peers.decoded_by_pynetdicom(data, kind)
        assert item.abstract_syntax.count("\u200b") == 7
        assert "\u200b" not in item.describe()
        assert dataclasses.replace(item).encode() == data.replace(b"\xff", b"\0")
        return
    assert peers.plain(item) == peers.decoded_by_pynetdicom(data, kind)
    assert dataclasses.replace(item).encode() == data


@pytest.mark.peers
def test_every_encoded_item_of_pynetdicom_is_looked_at():
    assert {*peers.PDUS, *peers.ITEMS, *peers.PARTS} == peers.all_names()


@pytest.mark.peers
@pytest.mark.parametrize(
    "item",
    [item for item, _ in ONE_OF_EACH if "UnknownItem" not in repr(item)],  # at which pynetdicom stops
    ids=lambda item: type(item).__name__,
)
def test_pynetdicom_reads_our_items(item):
    assert peers.decoded_by_pynetdicom(item.encode(), type(item)) == peers.plain(item)


# --- what bends the rules and is kept


@pytest.mark.parametrize("padding", [b"\0", b" ", b"\0\0 "])
def test_padded_uids_are_the_same_uids_and_other_bytes(padding):
    data = sub(0x20, b"\1\0\0\0" + sub(0x30, CT.encode() + padding) + sub(0x40, b"1.2.3" + padding))
    context = ul.ProposedContext.decode(data)
    assert context == ul.ProposedContext(1, CT, (UID("1.2.3"),))
    assert context.encode() == data
    assert len(dataclasses.replace(context).encode()) == len(data) - 2 * len(padding)


def test_registered_uids_are_shared():
    one, two = (ul.ProposedContext.decode(ONE_OF_EACH[0][1]) for _ in range(2))
    assert one.abstract_syntax is two.abstract_syntax
    assert one.transfer_syntaxes[0] is two.transfer_syntaxes[0]


def test_uid_that_is_no_text_prints_as_escapes():
    item = ul.ImplementationClassUID.decode(sub(0x52, b"1.\xff\x1b[31m"))
    assert item.uid == "1.\\xff\x1b[31m"
    assert not item.uid.is_valid
    assert item.describe() == "implementation class UID: 1.\\xff\\x1b[31m"


def test_context_without_syntaxes_or_with_unknown_items_is_left_to_negotiation():
    assert ul.ProposedContext.decode(sub(0x20, b"\1\0\0\0")) == ul.ProposedContext(1, UID(""), ())
    unknown = sub(0x20, b"\2\0\0\0" + sub(0x41, b"?") + sub(0x30, CT.encode()) + sub(0x40, b""))
    context = ul.ProposedContext.decode(unknown)
    assert context == ul.ProposedContext(2, CT, (UID(""),))
    assert context.encode() == unknown


@pytest.mark.parametrize(
    "data",
    [
        sub(0x20, b"\1\0\0\0" + sub(0x30, b"1.2") + sub(0x30, b"1.2")),
        sub(0x21, b"\1\0\0\0" + sub(0x40, b"1.2") + sub(0x40, b"1.2")),
    ],
)
def test_second_syntax_where_one_is_due_is_not_expected(data):
    kind = ul.ProposedContext if data[0] == 0x20 else ul.ContextResult
    with pytest.raises(RemoteProtocolError, match=r"context 1: .*second") as raised:
        kind.decode(data)
    assert raised.value.abort_reason == ul.AbortReason.UNEXPECTED_PDU_PARAMETER


def test_rejected_context_may_hold_anything():
    data = sub(0x21, b"\1\0\3\0" + sub(0x40, b"1.2") + sub(0x40, b"1.2"))
    result = ul.ContextResult.decode(data)
    assert not result.accepted
    assert result.encode() == data


def test_result_that_the_standard_does_not_list():
    context = ul.ContextResult.decode(sub(0x21, b"\1\0\xc8\0"))
    assert context.result == 200
    assert context.result.name == "RESERVED_200"
    assert not context.accepted
    assert dataclasses.replace(context).encode() == sub(0x21, b"\1\0\xc8\0")
    assert pickle.loads(pickle.dumps(context)) == context


@pytest.mark.parametrize("octet", [2, 255])
def test_only_one_gives_a_role(octet):
    role = ul.RoleSelection.decode(sub(0x54, counted(b"1.2") + bytes((octet, 1))))
    assert (role.scu, role.scp) == (False, True)


def test_common_extended_negotiation_of_a_later_version_keeps_what_follows():
    data = bytearray(sub(0x57, counted(b"1.2") + counted(b"1.3") + counted(b"") + b"later"))
    data[1] = 1
    item = ul.SOPClassCommonExtendedNegotiation.decode(data)
    assert item == ul.SOPClassCommonExtendedNegotiation(UID("1.2"), UID("1.3"))
    assert item.encode() == data


@pytest.mark.parametrize(
    "body",
    [
        b"\2\0" + counted(b"name") + b"\xff\xffpass",  # secondary field past the item
        b"\2\0\xff\xffname" + counted(b""),
        b"\1\0" + counted(b"name"),  # no length of the secondary field
        b"\1\0" + counted(b"name") + counted(b"") + b"\0",
        b"\1",
        b"",
    ],
)
def test_user_identity_with_lying_lengths_is_refused_without_its_bytes(body):
    with pytest.raises(RemoteProtocolError, match="user identity") as raised:
        ul.UserIdentityRQ.decode(sub(0x58, body))
    assert raised.value.abort_reason == ul.AbortReason.INVALID_PDU_PARAMETER_VALUE
    assert "name" not in str(raised.value)
    assert "pass" not in str(raised.value)


def test_related_uid_past_its_list_is_refused_at_its_place():
    data = sub(0x57, counted(b"1.2") + counted(b"1.3") + counted(b"\0\x091.4"))
    with pytest.raises(RemoteProtocolError, match=r"value says 9 bytes, 3 left; offset 16 \(0x10\)"):
        ul.SOPClassCommonExtendedNegotiation.decode(data)


# --- user information


def test_user_information_gives_the_first_of_each_kind():
    roles = ul.RoleSelection(CT, scu=True, scp=True), ul.RoleSelection(SR, scu=False, scp=True)
    extended = ul.SOPClassExtendedNegotiation(CT, b"\1"), ul.SOPClassExtendedNegotiation(SR, b"")
    common = ul.SOPClassCommonExtendedNegotiation(CT, STORAGE)
    identity = ul.UserIdentityRQ(ul.UserIdentityType.JWT, True, b"token")
    window = ul.AsynchronousOperationsWindow(4, 0)
    information = ul.UserInformation(
        (
            ul.UnknownItem(0x60, b"x"),
            *roles,
            ul.MaximumLength(4096),
            ul.MaximumLength(8192),
            ul.ImplementationVersionName("NAME"),
            ul.ImplementationClassUID(UID("1.2.3")),
            *extended,
            common,
            identity,
            window,
        )
    )
    again = ul.UserInformation.decode(information.encode())
    assert again == information
    assert again.maximum_length == 4096
    assert again.implementation_class_uid == "1.2.3"
    assert again.implementation_version_name == "NAME"
    assert again.asynchronous_operations_window == window
    assert again.roles == roles
    assert again.extended_negotiations == extended
    assert again.common_extended_negotiations == (common,)
    assert again.user_identity == identity
    assert again.unknown_items == (ul.UnknownItem(0x60, b"x"),)


def test_what_user_information_does_not_say_is_none():
    information = ul.UserInformation()
    assert information.maximum_length is None  # not the same as 0, which says that any length is taken
    assert ul.UserInformation((ul.MaximumLength(0),)).maximum_length == 0
    assert information.implementation_class_uid is None
    assert information.implementation_version_name is None
    assert information.asynchronous_operations_window is None
    assert information.user_identity is None
    assert information.roles == information.extended_negotiations == information.common_extended_negotiations == ()


# --- printing


def test_secrets_are_never_printed():
    secrets = [b"jane.doe", b"hunter2", b"granted-ticket", b"vendor-key"]
    items = (
        ul.UserIdentityRQ(ul.UserIdentityType.USERNAME_AND_PASSCODE, True, secrets[0], secrets[1]),
        ul.UserIdentityAC(secrets[2]),
        ul.UnknownItem(0x70, secrets[3]),
    )
    information = ul.UserInformation.decode(ul.UserInformation(items).encode())
    printed = "\n".join(f"{item.describe()}{item}{item!r}" for item in (*items, information))
    for secret in secrets:
        assert secret.decode() not in printed
        assert secret.hex() not in printed
    assert information.describe().splitlines() == [
        "user information",
        "  user identity: user name and passcode, primary field of 8 bytes, secondary field of 7 bytes, "
        "response requested",
        "  user identity: accepted, response of 14 bytes",
        "  unknown item of type 0x70, 10 bytes",
    ]


@pytest.mark.parametrize(
    ("item", "lines"),
    [
        (
            ul.ProposedContext(1, CT, (IMPLICIT, UID("1.2.3"))),
            [
                "presentation context 1: 1.2.840.10008.5.1.4.1.1.2 CT Image Storage",
                "  1.2.840.10008.1.2 Implicit VR Little Endian",
                "  1.2.3",
            ],
        ),
        (
            ul.ContextResult(1, ul.ContextResultReason.ACCEPTANCE, IMPLICIT),
            ["presentation context 1: accepted, 1.2.840.10008.1.2 Implicit VR Little Endian"],
        ),
        (
            ul.ContextResult(3, ul.ContextResultReason.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT),
            ["presentation context 3: abstract syntax not supported"],
        ),
        (ul.MaximumLength(0), ["maximum length: unlimited"]),
        (ul.AsynchronousOperationsWindow(0, 1), ["asynchronous operations window: invoked unlimited, performed 1"]),
        (
            ul.RoleSelection(CT, scu=True, scp=True),
            ["role selection: 1.2.840.10008.5.1.4.1.1.2 CT Image Storage: SCU and SCP"],
        ),
        (ul.RoleSelection(UID("1.2"), scu=False, scp=False), ["role selection: 1.2: none"]),
        (ul.SOPClassExtendedNegotiation(UID("1.2"), bytes(40)), ["extended negotiation: 1.2: " + "00 " * 32 + "..."]),
        (
            ul.SOPClassCommonExtendedNegotiation(UID("1.2"), UID("1.3"), (UID("1.4"),)),
            ["common extended negotiation: 1.2: 1.3", "  1.4"],
        ),
    ],
)
def test_description(item, lines):
    assert item.describe().splitlines() == lines
    assert str(item) == item.describe()


# --- what cannot be encoded


@pytest.mark.parametrize(
    "item",
    [
        ul.ProposedContext(256, CT, ()),
        ul.ProposedContext(-1, CT, ()),
        ul.ProposedContext(1, CT, (UID("1" * 60000), UID("1" * 6000))),
        ul.ContextResult(256, ul.ContextResultReason.ACCEPTANCE, CT),
        ul.ContextResult(1, ul.ContextResultReason.ACCEPTANCE, UID("1" * 65530)),
        ul.MaximumLength(1 << 32),
        ul.MaximumLength(-1),
        ul.AsynchronousOperationsWindow(65536, 1),
        ul.AsynchronousOperationsWindow(1, -1),
        ul.RoleSelection(UID("1" * 65536), scu=True, scp=True),
        ul.RoleSelection(UID("1" * 65533), scu=True, scp=True),
        ul.UserIdentityRQ(ul.UserIdentityType.SAML, True, bytes(65536)),
        ul.UserInformation((ul.UserIdentityRQ(ul.UserIdentityType.SAML, True, bytes(65529)),)),
    ],
)
def test_what_does_not_fit_its_field_is_not_encoded(item):
    with pytest.raises(EncodeError) as raised:
        item.encode()
    assert raised.value.section


def test_longest_user_identity_fits():
    item = ul.UserIdentityRQ(ul.UserIdentityType.SAML, True, bytes(65529))
    assert ul.UserIdentityRQ.decode(item.encode()) == item
