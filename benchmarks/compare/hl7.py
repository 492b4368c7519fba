"""The join keys of HL7 v2 orders beside other parsers: messages in memory, six keys of each, answers checked.

python-hl7 builds a tree of the whole message; hl7kit (Rust) has a function for these keys.  Keys come as text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.compare.framing import entry, installed
from benchmarks.compare.runner import Goal, Task

MESSAGES = {"S": 2_000, "M": 10_000, "L": 50_000}
WHOLE_US = 3  # for all join keys of a message, from its bytes
TREES = 200  # messages of python-hl7, which takes a thousand times as long
Row = tuple[str | None, ...]

ORDER = "\r".join(
    (
        r"MSH|^~\&|RIS|RADIOLOGY|BROKER|IMAGING|20261128094000||ORM^O01|MSG{n:06}|P|2.3.1|||AL|NE||8859/1",
        "PID|||P{n:06}^^^ADT1&1.2.3&ISO||DOE^JANE^Q||19610615|F|||1234 MAIN ST^^ANYTOWN^MO^63131||||||||",
        "PV1||E|ED^^|||||1234^SMITH^BOB|5101^NELL^FREDERICK^P^^DR|||||||A|V{n:06}^^^ADT1|||||||||||||||||||||||||2026",
        "ORC|NW|A{n:06}^RIS|B{n:06}^RIS||SC||1^once^^202611281000^^S||202611280900|^ROSEWOOD^RANDOLPH||7101^ESTRADA^JAIME",
        "OBR|1|A{n:06}^RIS|B{n:06}^RIS|P1^Procedure 1^ERL^X1_A1^SP Action Item^DSS|||||||||xxx||Radiology^^^^R|7101"
        "||ACC{n:06}|RP{n:06}|SS{n:06}||||MR|||1^once^^202611281000^^S|||WALK|||||||||||A|||",
        "ZDS|1.2.826.0.1.3680043.2.1143.{n}^100^Application^DICOM",
        "",
    )
)


def messages(count: int) -> list[bytes]:
    """Orders of about 700 bytes, each of another patient and study."""
    return [ORDER.format(n=number).encode() for number in range(count)]


def row_of(number: int) -> Row:
    """What the keys of a message are: patient, accession, procedure, step, study, control ID."""
    n = f"{number:06}"
    return f"P{n}", f"ACC{n}", f"RP{n}", f"SS{n}", f"1.2.826.0.1.3680043.2.1143.{number}", f"MSG{n}"


def own_keys(data: Sequence[bytes]) -> list[Any]:
    """All join keys of every message, as dicomwire takes them; looked at when the answers are checked."""
    from dicomwire.hl7 import JoinKeys, Message

    found = []
    for one in data:
        message = Message(one)
        found.append((JoinKeys(message), message))
    return found


def own_rows(found: Sequence[Any]) -> list[Row]:
    return [
        (
            keys.patient_id,
            keys.accession_numbers[0],
            keys.requested_procedure_ids[0],
            keys.scheduled_step_ids[0],
            keys.study_instance_uids[0],
            message.control_id,
        )
        for keys, message in found
    ]


def python_hl7_rows(data: Sequence[bytes]) -> list[Row]:
    import hl7

    rows = []
    for one in data:
        tree = hl7.parse(one.decode("latin-1"))
        rows.append(
            (
                tree.extract_field("PID", 1, 3, 1, 1),
                tree.extract_field("OBR", 1, 18, 1, 1),
                tree.extract_field("OBR", 1, 19, 1, 1),
                tree.extract_field("OBR", 1, 20, 1, 1),
                tree.extract_field("ZDS", 1, 1, 1, 1),
                tree.extract_field("MSH", 1, 10, 1, 1),
            )
        )
    return rows


def hl7kit_rows(data: Sequence[bytes]) -> list[Row]:
    import hl7kit

    rows = []
    for one in data:
        message = hl7kit.parse(one)
        order = message.order()
        rows.append(
            (
                order.patient_id,
                order.accession_number,
                order.requested_procedure_id,
                order.scheduled_procedure_step_id,
                order.study_uid.value,
                message.control_id,
            )
        )
    return rows


def keys_task(size: str) -> Task:
    """Join keys of orders, from bytes."""
    count = MESSAGES[size]
    data = messages(count)
    expected = [row_of(number) for number in range(count)]

    def equal(rows: Sequence[Row]) -> str:
        return "equal" if list(rows) == expected[: len(rows)] and rows else "DIFFERENT"

    entries = [entry("dicomwire", "own", lambda: own_keys(data), lambda found: equal(own_rows(found)))]
    if installed("hl7kit"):
        entries.append(entry("hl7kit", "peer", lambda: hl7kit_rows(data), equal))
    if installed("hl7"):
        tree = entry("hl7", "peer", lambda: python_hl7_rows(data[:TREES]), equal)
        tree.scale = count / TREES
        entries.append(tree)
    return Task(
        name="hl7 keys",
        title=f"the join keys of {count:,} orders (ORM^O01) of {len(data[0])} bytes, from their bytes",
        unit="message",
        units=count,
        entries=entries,
        goals=[Goal("best peer", 10), Goal("ms", count * WHOLE_US / 1000)],
        notes=[
            "dicomwire takes 18 keys from 34 places; the peers the six that are compared. "
            f" python-hl7 runs {TREES} messages.",
        ],
        size_bytes=sum(map(len, data)),
    )


TASKS: dict[str, Callable[[str], Task]] = {"hl7-keys": keys_task}
