"""Any bytes are the values of a slow reader of command sets or a DecodeError, and go around through a message."""

from pynetdicom.tests import encoded_dimse_msg, encoded_dimse_n_msg

from _dicomwire.command import decode_command, echo_response, encode_command
from dicomwire.dimse import CCancelRQ, CEchoRQ, CommandMessage, Request, decode_message
from dicomwire.dimse.messages import POLICIES
from dicomwire.errors import DecodeError, EncodeError
from tests.fuzz.harness import Harness, exact
from tests.oracles import command_set

SEEDS = [
    encoded[1:]
    for module in (encoded_dimse_msg, encoded_dimse_n_msg)
    for name, encoded in vars(module).items()
    if "_cmd" in name
] + [CCancelRQ(message_id_being_responded_to=1).encode(), CEchoRQ(message_id=1).encode()]
TRICKY = (
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\1",
    b"\0\0\0\x08\2\0\0\0",
    b"\0\0\0\x09\2\0\0\0\0\xff",
    b"\0\0\x02\0",
    b"\x08\0\x16\0",
    b"\x01\x01",
    b"\0\0\0\0UL\4\0",
    b".",
    b"\x1b$B",
)


def cites(error: Exception) -> None:
    """An error names the section of the standard."""
    assert "PS3." in str(error)


def decoded(data: bytes, policy: str) -> CommandMessage | None:
    """The message, or None where the policy refuses it."""
    try:
        return decode_message(data, policy=policy)
    except DecodeError as error:
        cites(error)
        return None


def check(data: bytes) -> None:
    """Decode with everything, compare with the slow reader, and go around."""
    try:
        elements, findings = decode_command(exact(data))  # type: ignore[arg-type]
    except DecodeError as error:
        cites(error)
        try:
            command_set.decode(data)
        except command_set.Unreadable:
            pass
        else:
            raise AssertionError("refused, and the slow reader reads it") from error
        for policy in POLICIES:
            assert decoded(data, policy) is None
        return
    assert elements == command_set.decode(data)
    again = encode_command(elements, check=False)
    second, left = decode_command(again)
    assert second == elements
    # What the order, repetition and group length were is gone; what the values are is not.
    kinds = {finding[0] for finding in left or ()}
    assert kinds <= {finding[0] for finding in findings or ()} - {"group_length", "tag_order", "duplicate_tag"}
    answer = echo_response(data)
    for policy in POLICIES:
        message = decoded(data, policy)
        if message is None:
            assert answer is None
            continue
        assert policy == "report" or not message.deviations
        assert message.describe()
        assert decoded(message.encode(check=False), "ignore") == message
        if isinstance(message, Request):
            response = message.response()
            assert response.encode(check=False)
            refusal = message.refusal()
            assert refusal is None or refusal.encode()
            assert answer is None or answer == response.encode()
        try:
            message.encode()
        except EncodeError as error:
            cites(error)


HARNESS = Harness("command", lambda: SEEDS, check, TRICKY, 512)
