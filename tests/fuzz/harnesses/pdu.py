"""Any bytes are a PDU, or an item, that encodes to the same bytes, or a RemoteProtocolError that says where."""

import dataclasses
import pickle

from dicomwire import ul
from dicomwire.errors import EncodeError, RemoteProtocolError
from tests.fuzz.harness import Harness
from tests.ul.test_items import ONE_OF_EACH as ITEMS
from tests.ul.test_items import sub
from tests.ul.test_pdu import CONTEXT_NAME, fixed, pdu
from tests.ul.test_pdu import ONE_OF_EACH as PDUS

ITEM_TYPES = [0x00, 0x10, 0x20, 0x21, 0x30, 0x40, *range(0x50, 0x5B), 0xFF]
KINDS = sorted({type(item) for item, _ in ITEMS}, key=lambda kind: kind.__name__)
RICH = [
    pdu(1, fixed() + CONTEXT_NAME + b"".join(data for item, data in ITEMS if isinstance(item, ul.ProposedContext))),
    pdu(2, fixed() + CONTEXT_NAME + b"".join(data for item, data in ITEMS if isinstance(item, ul.ContextResult))),
    pdu(1, fixed() + CONTEXT_NAME + sub(0x50, b"".join(data for _, data in ITEMS if 0x51 <= data[0] <= 0x5F))),
]
SEEDS = [data for _, data in PDUS] + RICH


def check(data: bytes) -> None:
    """Decode a PDU and use it."""
    try:
        value = ul.decode_pdu(data)
    except RemoteProtocolError as error:
        if error.abort_reason not in (1, 5, 6) or not error.section or "offset" not in str(error):
            raise AssertionError("an error without its place") from error
        return
    use(value, data)


def check_item(kind: type[ul.Item], data: bytes) -> None:
    """Decode an item of this kind and use it."""
    try:
        item = kind.decode(data)
    except RemoteProtocolError as error:
        if error.abort_reason not in (5, 6):
            raise AssertionError("an error without its reason") from error
        return
    use(item, data)


def use(value: ul.PDU | ul.Item, data: bytes) -> None:
    """Everything that can be asked of what was decoded."""
    assert value.encode() == data
    assert value == pickle.loads(pickle.dumps(value))
    assert hash(value) == hash(type(value).decode(data))
    assert str(value).isprintable() or isinstance(value, ul.Item)
    assert all(line.isprintable() for line in value.describe().split("\n"))
    assert repr(value)
    try:
        built = dataclasses.replace(value).encode()
    except EncodeError:  # an AE title that is none
        assert isinstance(value, ul.AAssociateRQ)
        return
    # Padding, order and reserved bytes may be lost, values not; an acceptance's titles, which mean nothing, may be cut.
    again = type(value).decode(built)
    if isinstance(value, ul.AAssociateAC):
        again = dataclasses.replace(
            again, called_ae_title=value.called_ae_title, calling_ae_title=value.calling_ae_title
        )
    assert again == value


def run(data: bytes) -> None:
    """First byte: a PDU as it stands, the body of a PDU, its items, its user information, or the body of an item."""
    if not data:
        return
    how, body = data[0], data[1:]
    if how < 8:
        check(pdu(how, body) if how else body)
    elif how < 16:
        pdu_type, items = 1 + (how & 1), body
        if how & 2:
            items = CONTEXT_NAME + sub(0x50, body)
        check(pdu(pdu_type, fixed() + items))
    else:
        kind = KINDS[how % len(KINDS)]
        check_item(kind, sub(getattr(kind, "item_type", 0x60) if kind is not ul.UnknownItem else 0x60, body))


def starts() -> list[bytes]:
    """Each PDU in the ways that ``run`` takes them, and each item."""
    result = [b"\0" + data for data in SEEDS] + [data[:1] + data[6:] for data in SEEDS]
    first = next(number for number in range(16, 256) if number % len(KINDS) == 0)
    for item, data in ITEMS:
        result += [b"\x08" + data, b"\x09" + data, b"\x0a" + data, bytes([first + KINDS.index(type(item))]) + data[4:]]
    return result


WORDS = (*(bytes([kind, 0, 0, 4]) for kind in ITEM_TYPES), b"\xff\xff", b"\0\0", b"1.2.840.10008.1.2", b" ", b"\0\1")
HARNESS = Harness("pdu", starts, run, WORDS, 1024)
