"""Messages: other people's encoded ones give the same fields and the same bytes; fields are checked both ways."""

from __future__ import annotations

import io
import struct
from dataclasses import fields

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pynetdicom import dimse_messages
from pynetdicom.tests import encoded_dimse_msg, encoded_dimse_n_msg

from _dicomwire.command import command_vr
from dicomwire.dictionary import UID, tag_for_keyword
from dicomwire.dictionary.tags import dictionary_entry
from dicomwire.dimse import messages
from dicomwire.dimse.command import FIELDS, MESSAGES, NO_DATA_SET, CommandField, DataSetUse
from dicomwire.dimse.messages import (
    MESSAGE_CLASSES,
    CCancelRQ,
    CEchoRQ,
    CFindRQ,
    CFindRSP,
    CGetRSP,
    CMoveRQ,
    CommandMessage,
    CStoreRQ,
    NActionRSP,
    NCreateRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
    Response,
    decode_message,
)
from dicomwire.errors import DecodeError, ElementError, EncodeError, TruncatedError, ValueDecodeError
from tests.builders import implicit

CT = UID("1.2.840.10008.5.1.4.1.1.2")
PACKAGE = {
    f"{module.__name__.rpartition('.')[2]}.{name}": encoded[1:]  # without the message control header
    for module in (encoded_dimse_msg, encoded_dimse_n_msg)
    for name, encoded in vars(module).items()
    if "_cmd" in name
}
# Four US fields with four bytes each where there should be two, and a group length that does not count the added ones.
REPEATED = "encoded_dimse_msg.c_move_rsp_cmd_with_dup"


def us(tag: int, *values: int) -> bytes:
    return implicit.element(tag, "", struct.pack(f"<{len(values)}H", *values))


def ui(tag: int, uid: str) -> bytes:
    return implicit.element(tag, "", (uid + "\0" * (len(uid) % 2)).encode())


def command(*elements: bytes, group_length: int | None = None) -> bytes:
    """A command set of encoded elements; ``group_length`` is what it says, -1 leaves it out."""
    body = b"".join(elements)
    if group_length == -1:
        return body
    return implicit.element(0, "", struct.pack("<I", len(body) if group_length is None else group_length)) + body


def example(cls: type[CommandMessage]) -> CommandMessage:
    """A message of this kind with every field set."""
    values: dict[str, object] = {}
    for item in fields(cls):
        entry = next((entry for entry in FIELDS.values() if entry.attribute == item.name), None)
        if entry is None or item.name == "command_data_set_type":
            continue
        values[item.name] = {
            "UI": UID(f"1.2.{entry.tag}"),
            "US": entry.tag & 1,
            "AE": "TITLE",
            "LO": "a comment",
            "AT": (0x00100010, 0x7FE00010),
        }[entry.vr]
    use = MESSAGES[cls.command_field].data_set
    if "status" in values:
        values["status"] = 0xFF00 if cls is CFindRSP else 0xFE00
    return cls(command_data_set_type=NO_DATA_SET if use is DataSetUse.NEVER else 1, **values)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------- against other code


def read_with_pydicom(data: bytes) -> Dataset:
    return read_dataset(io.BytesIO(data), is_implicit_VR=True, is_little_endian=True)


def shown(value: object) -> object:
    """A value of pydicom's as ours: no multi-value classes, no padding."""
    if isinstance(value, str):
        return value.strip(" \0")
    if hasattr(value, "__iter__"):
        return tuple(value)
    return value


def test_the_package_has_all_kinds_of_messages() -> None:
    kinds = {decode_message(data).command_field for data in PACKAGE.values()}
    # C-CANCEL alone has no example there.
    assert kinds == set(CommandField) - {CommandField.C_CANCEL_RQ}
    assert len(PACKAGE) >= 26


@pytest.mark.parametrize("name", PACKAGE)
def test_fields_are_those_that_pydicom_and_pynetdicom_find(name: str) -> None:
    data = PACKAGE[name]
    message = decode_message(data)
    second = read_with_pydicom(data)
    theirs = dimse_messages._MESSAGE_TYPES[int(message.command_field)]
    assert theirs[0].replace("_", "-") == message.command_field.label
    ours = {
        item.keyword: getattr(message, item.attribute)
        for item in FIELDS.values()
        if getattr(message, item.attribute, None) is not None
    }
    expected = {element.keyword: shown(element.value) for element in second if element.tag.element}
    if name == REPEATED:
        # A field of one value has two: the first counts, as pynetdicom takes it too.
        expected = {
            keyword: value[0] if isinstance(value, tuple) and keyword.startswith("Number") else value
            for keyword, value in expected.items()
        }
    assert {keyword: shown(value) for keyword, value in ours.items()} == {
        keyword: (value,) if FIELDS[tag_for_keyword(keyword)].vr == "AT" and not isinstance(value, tuple) else value
        for keyword, value in expected.items()
    }
    assert message.extra_elements is None


@pytest.mark.parametrize("name", PACKAGE)
def test_bytes_are_those_of_the_package(name: str) -> None:
    data = PACKAGE[name]
    message = decode_message(data)
    again = message.encode(check=False)
    if name == REPEATED:
        assert [deviation.kind for deviation in message.deviations][:5] == ["group_length", *["value_length"] * 4]
        assert len(again) == len(data) - 4 * 2
        assert decode_message(again) == message
    else:
        assert again == data


@pytest.mark.parametrize("cls", MESSAGE_CLASSES)
def test_messages_of_ours_are_read_by_pydicom(cls: type[CommandMessage]) -> None:
    message = example(cls)
    data = message.encode()
    second = read_with_pydicom(data)
    assert second.CommandGroupLength == len(data) - 12
    assert second.CommandField == cls.command_field
    for item in FIELDS.values():
        value = getattr(message, item.attribute, None)
        if value is None:
            assert item.keyword not in second
        else:
            assert shown(second[item.keyword].value) == value
    assert [element.tag for element in second] == sorted(element.tag for element in second)


def test_fields_are_those_that_pynetdicom_gives_each_message() -> None:
    for cls in MESSAGE_CLASSES:
        expected = set(dimse_messages._COMMAND_SET_KEYWORDS[cls.command_field.label]) - {"CommandGroupLength"}
        description = MESSAGES[cls.command_field]
        ours = {
            FIELDS[tag].keyword for tag in (*description.mandatory, *description.optional, 0x0100, 0x0800)
        }
        # Attribute Identifier List comes with status 0107H, PS3.7 Annex C; pynetdicom has it in N-GET-RQ alone.
        differs = {"AttributeIdentifierList", "ErrorComment", "ErrorID", "OffendingElement"}
        assert expected - differs == ours - differs, cls


# ------------------------------------------------------------------------------------------------------------ our own


def test_fields_are_those_of_the_dictionary() -> None:
    for tag, item in FIELDS.items():
        entry = dictionary_entry(tag)
        assert entry is not None
        assert (item.vr, item.keyword) == (entry[0], entry[4])
        assert command_vr(tag) == item.vr
        assert item.attribute.replace("_", "") == item.keyword.lower()


@pytest.mark.parametrize("cls", MESSAGE_CLASSES)
def test_what_is_encoded_is_decoded(cls: type[CommandMessage]) -> None:
    message = example(cls)
    again = decode_message(message.encode(), policy="strict")
    assert again == message
    assert again.deviations == ()
    assert type(again) is cls
    assert not hasattr(again, "__dict__")
    text = message.describe()
    assert text.startswith(cls.command_field.label)
    assert text.count("\n") == len(read_with_pydicom(message.encode())) - 2  # the group length, and the first line


def test_each_kind_has_one_class() -> None:
    assert {cls.command_field for cls in MESSAGE_CLASSES} == set(CommandField) == set(MESSAGES)
    for cls in MESSAGE_CLASSES:
        assert getattr(messages, cls.__name__) is cls
        assert cls.__name__.upper() == cls.command_field.name.replace("_", "")


def test_elements_of_no_message_are_kept() -> None:
    data = command(*ECHO, us(0x0850, 3), implicit.element(0x9999, "", b"abc"))
    message = decode_message(data)
    assert message.extra_elements == {0x0850: 3, 0x9999: b"abc"}
    assert message.encode(check=False) == data
    assert "(0000,9999) unknown: 61 62 63" in message.describe()
    assert [deviation.kind for deviation in message.deviations] == ["odd_length"]


def test_responses_answer_their_request() -> None:
    request = CStoreRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"), priority=2)
    response = request.response(status=0xB000, error_comment="why")
    assert response.message_id_being_responded_to == 7
    assert (response.sop_class_uid, response.sop_instance_uid, response.status) == (CT, "1.2.3", 0xB000)
    assert decode_message(response.encode()) == response
    for cls in MESSAGE_CLASSES:
        if issubclass(cls, Request):
            asked = example(cls)
            assert isinstance(asked, Request)
            answer = asked.response()
            assert answer.command_field == cls.command_field | 0x8000
            assert answer.message_id_being_responded_to == asked.message_id
            assert answer.sop_class_uid == asked.sop_class_uid is not None
            if cls is not CFindRQ:
                assert answer.encode()
    unnamed = NCreateRQ(message_id=1, affected_sop_class_uid=CT).response()
    assert unnamed.affected_sop_instance_uid is None
    assert CEchoRQ(message_id=1).response().encode()


def test_uids_that_no_response_can_name_are_left_out() -> None:
    data = CStoreRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("../../etc")).encode
    with pytest.raises(EncodeError, match="not a UID"):
        data()
    request = decode_message(data(check=False))
    assert isinstance(request, CStoreRQ)
    assert [deviation.kind for deviation in request.deviations] == ["bad_uid"]
    assert request.response().sop_instance_uid is None
    # Leading zeros are wrong and frequent: named back as they came.
    request.affected_sop_instance_uid = UID("1.2.03")
    assert request.response().encode()


def test_a_data_set_is_announced_by_the_sender_or_by_the_field() -> None:
    pending = CFindRQ(message_id=1, affected_sop_class_uid=CT).response(status=0xFF00)
    assert not pending.has_data_set
    with pytest.raises(EncodeError, match="CommandDataSetType"):
        pending.encode()
    again = decode_message(pending.encode(has_data_set=True))
    assert again.has_data_set
    assert again.command_data_set_type == 1
    assert decode_message(again.encode(has_data_set=False, check=False)).command_data_set_type == NO_DATA_SET


WRONG = {
    "a request without a UID": CStoreRQ(message_id=1, affected_sop_class_uid=CT),
    "a title of 17 characters": CMoveRQ(message_id=1, affected_sop_class_uid=CT, move_destination="A" * 17),
    "no destination": CMoveRQ(message_id=1, affected_sop_class_uid=CT),
    "a priority of 3": CFindRQ(message_id=1, affected_sop_class_uid=CT, priority=3),
    "a message ID of 65536": CEchoRQ(message_id=65536),
    "a negative message ID": CEchoRQ(message_id=-1),
    "no data set": CFindRQ(message_id=1, affected_sop_class_uid=CT, command_data_set_type=NO_DATA_SET),
    "a data set": CEchoRQ(message_id=1, command_data_set_type=0),
    "a data set with a pending retrieval": CGetRSP(status=0xFF00, command_data_set_type=1),
    "a data set after the last match": CFindRSP(status=0, command_data_set_type=1),
    "remaining sub-operations at the end": CGetRSP(status=0, number_of_remaining_suboperations=0),
    "an unknown status": CFindRSP(status=0x7777),
    "a comment of 65 characters": CFindRSP(status=0xC000, error_comment="x" * 65),
    "a comment with an umlaut": CFindRSP(status=0xC000, error_comment="ü"),
    "a comment in another script": CFindRSP(status=0xC000, error_comment="語"),
    "a tag of 33 bits": NGetRQ(
        message_id=1,
        requested_sop_class_uid=CT,
        requested_sop_instance_uid=CT,
        attribute_identifier_list=(1 << 32,),
    ),
    "an action reply without its type": NActionRSP(command_data_set_type=1),
    "text for a number": CEchoRQ(message_id="7"),  # type: ignore[arg-type]
    "an element of another group": CEchoRQ(message_id=1, extra_elements={0x00080016: b""}),
    "a group length among the rest": CEchoRQ(message_id=1, extra_elements={0: 5}),
    "more than 64 KiB": CEchoRQ(message_id=1, extra_elements={0x9999: bytes(65536)}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_not_sent(name: str) -> None:
    with pytest.raises(EncodeError) as caught:
        WRONG[name].encode()
    assert "PS3." in str(caught.value)


ECHO = (ui(2, "1.2.840.10008.1.1"), us(0x0100, 0x30), us(0x0110, 7), us(0x0800, 0x0101))
STORE = (ui(2, CT), us(0x0100, 1), us(0x0110, 7), us(0x0700, 0), us(0x0800, 1), ui(0x1000, "1.2.3"))

TOLERATED = {
    "no group length": (command(*ECHO, group_length=-1), "group_length", "CommandGroupLength", 0),
    "a wrong group length": (command(*ECHO, group_length=2), "group_length", "CommandGroupLength", 0),
    "a group length of 2 bytes": (us(0, 56) + b"".join(ECHO), "group_length", "CommandGroupLength", 0),
    "exchanged elements": (command(*ECHO[1:], ECHO[0]), "tag_order", "AffectedSOPClassUID", 42),
    "an element twice": (command(*ECHO, us(0x0800, 1)), "duplicate_tag", "CommandDataSetType", 68),
    "two values": (command(*ECHO[:2], us(0x0110, 7, 8), ECHO[3]), "value_length", "MessageID", 48),
    "no UID": (command(*ECHO[1:]), "missing_field", "AffectedSOPClassUID", 0),
    "a UID with a letter": (command(ui(2, "1.2.x"), *ECHO[1:]), "bad_uid", "AffectedSOPClassUID", 12),
    "no priority": (command(*STORE[:3], *STORE[4:]), "missing_field", "Priority", 0),
    "a priority of 5": (command(*STORE[:3], us(0x0700, 5), *STORE[4:]), "bad_value", "Priority", 0),
    "an empty priority": (command(*STORE[:3], us(0x0700), *STORE[4:]), "value_length", "Priority", 66),
    "a store without a data set": (
        command(*STORE[:4], us(0x0800, 0x0101), STORE[5]),
        "data_set",
        "CommandDataSetType",
        0,
    ),
    "an echo with a data set": (command(*ECHO[:3], us(0x0800, 0)), "data_set", "CommandDataSetType", 0),
    "an unknown status": (
        command(us(0x0100, 0x8001), us(0x0120, 1), us(0x0800, 0x0101), us(0x0900, 0x1234)),
        "bad_value",
        "Status",
        0,
    ),
}


@pytest.mark.parametrize("name", TOLERATED)
def test_what_can_be_read_is_read_and_listed(name: str) -> None:
    data, kind, path, offset = TOLERATED[name]
    message = decode_message(data)
    first = message.deviations[0]
    assert (first.kind, first.path, first.offset) == (kind, path, offset)
    assert "PS3." in first.message
    assert decode_message(data, policy="ignore").deviations == ()
    with pytest.raises(ElementError) as caught:
        decode_message(data, policy="strict")
    assert (caught.value.path, caught.value.offset) == (path, offset)
    assert decode_message(message.encode(check=False), policy="ignore") == message


REFUSED = {
    "a header cut": (command(*ECHO)[:-1], TruncatedError, 58),
    "a tag cut": (command(*ECHO) + b"\0\0", TruncatedError, 68),
    "a length past the end": (command(*ECHO, implicit.element(0x0902, "", b"", length=2)), TruncatedError, 68),
    "a length of 4 GB": (command(*ECHO, implicit.element(0x0902, "", b"", length=0xFFFFFFFF)), TruncatedError, 68),
    "another group": (command(*ECHO, implicit.element(0x00080016, "", b"")), ElementError, 68),
    "64 KiB and a little": (command(*ECHO, implicit.element(0x9999, "", bytes(65536))), DecodeError, None),
    "no command field": (command(ECHO[0], *ECHO[2:]), ElementError, None),
    "an unknown command field": (command(ECHO[0], us(0x0100, 0x31), *ECHO[2:]), ElementError, None),
    "an empty command field": (command(ECHO[0], us(0x0100), *ECHO[2:]), ElementError, None),
    "no message ID": (command(*ECHO[:2], ECHO[3]), ElementError, None),
    "no command data set type": (command(*ECHO[:3]), ElementError, None),
    "no status": (command(us(0x0100, 0x8001), us(0x0120, 1), us(0x0800, 0x0101)), ElementError, None),
    "a message ID of 3 bytes": (
        command(*ECHO[:2], implicit.element(0x0110, "", b"\1\0\0"), ECHO[3]),
        ValueDecodeError,
        48,
    ),
    "a tag of 6 bytes": (
        command(us(0x0100, 0x8001), us(0x0120, 1), us(0x0800, 0x0101), us(0x0900, 0), us(0x0901, 1, 2, 3)),
        ValueDecodeError,
        52,
    ),
    "nothing": (b"", ElementError, None),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("policy", messages.POLICIES)
def test_what_cannot_be_read_is_an_error(name: str, policy: str) -> None:
    data, error, offset = REFUSED[name]
    with pytest.raises(DecodeError) as caught:
        decode_message(data, policy=policy)
    if policy != "strict":
        assert type(caught.value) is error
        assert caught.value.offset == offset
    assert "PS3." in str(caught.value)


def test_requests_that_lack_something_get_an_answer() -> None:
    lacking = {
        "AffectedSOPInstanceUID": command(*STORE[:5]),
        "AffectedSOPClassUID": command(*STORE[1:]),
        "data set": command(*STORE[:4], us(0x0800, 0x0101), STORE[5]),
        "RequestedSOPInstanceUID": NSetRQ(message_id=7, requested_sop_class_uid=CT).encode(check=False),
        "MoveDestination": CMoveRQ(message_id=7, affected_sop_class_uid=CT).encode(check=False),
    }
    for missing, data in lacking.items():
        for policy in ("report", "ignore"):
            request = decode_message(data, policy=policy)
            assert isinstance(request, Request)
            refusal = request.refusal()
            assert refusal is not None
            assert (refusal.status, refusal.message_id_being_responded_to) == (0x0110, 7)
            assert refusal.error_comment == f"{missing} is missing"
            assert isinstance(decode_message(refusal.encode(), policy="strict"), Response)
    complete = decode_message(command(*STORE[:3], *STORE[4:]))  # without a priority
    assert isinstance(complete, Request)
    assert complete.refusal() is None
    event = NEventReportRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=CT, event_type_id=1)
    assert event.refusal() is None


def test_a_policy_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="policy"):
        decode_message(CEchoRQ(message_id=1).encode(), policy="lenient")


def test_cancel_is_no_request() -> None:
    cancel = CCancelRQ(message_id_being_responded_to=5)
    assert not isinstance(cancel, Request | Response)
    assert decode_message(cancel.encode(), policy="strict") == cancel
    assert cancel.sop_class_uid is None
    assert cancel.sop_instance_uid is None
