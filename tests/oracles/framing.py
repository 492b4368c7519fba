"""Upper Layer framing as PS3.8 section 9.3 reads, slow and obvious: all bytes at once, one PDV after the other."""

from __future__ import annotations

import struct

Item = tuple[object, ...]

FIXED = (3, 5, 6, 7)


def frame(data: bytes, max_control_length: int = 1 << 20, max_pdu_length: int = 0) -> list[Item]:
    """Return what a stream carries so far: ("control", type, bytes), ("run", context, command, last, bytes), in order.

    A fragment that is not complete counts as far as it is there.  The last item may be ("invalid", reason, offset).
    """
    items: list[Item] = []
    at = 0
    while len(data) - at >= 6:
        kind, length = struct.unpack(">BxI", data[at : at + 6])
        if not 1 <= kind <= 7:
            return [*items, ("invalid", 1, at)]
        too_long = max_pdu_length and length > max_pdu_length if kind == 4 else length > max_control_length
        if (kind in FIXED and length != 4) or (kind not in FIXED and too_long) or (kind == 4 and length == 0):
            return [*items, ("invalid", 6, at)]
        end = at + 6 + length
        if kind != 4:
            if end > len(data):
                break
            items.append(("control", kind, data[at:end]))
            at = end
            continue
        at += 6
        while at < end:
            if end - at < 6:
                return [*items, ("invalid", 6, at)]
            if len(data) - at < 6:
                return items
            length, context_id, control = struct.unpack(">IBB", data[at : at + 6])
            if length < 2 or at + 4 + length > end:
                return [*items, ("invalid", 6, at)]
            stop = at + 4 + length
            payload = data[at + 6 : stop]
            if payload or length == 2:
                items.append(("run", context_id, control & 1 == 1, control & 2 == 2 and stop <= len(data), payload))
            at = stop
            if at > len(data):
                return items
    return items


def merged(items: list[Item]) -> list[Item]:
    """Return the items with successive runs of one command or data set as one."""
    result: list[Item] = []
    for item in items:
        before = result[-1] if result else ()
        if item[0] == "run" and before and before[0] == "run" and before[1:3] == item[1:3] and not before[3]:
            result[-1] = ("run", item[1], item[2], item[3], before[4] + item[4])  # type: ignore[operator]
        else:
            result.append(item)
    return result


def p_data(*values: tuple[int, int, bytes]) -> bytes:
    """Return a P-DATA-TF of (context ID, message control header, fragment) values."""
    body = b"".join(struct.pack(">IBB", len(data) + 2, number, control) + data for number, control, data in values)
    return struct.pack(">BBI", 4, 0, len(body)) + body


def fragments(context_id: int, is_command: bool, payload: bytes, fragment_length: int) -> bytes:
    """Return a command set or data set as PDUs of one fragment each."""
    cuts = [payload[at : at + fragment_length] for at in range(0, len(payload), fragment_length)] or [b""]
    kind = 1 if is_command else 0
    return b"".join(p_data((context_id, kind, cut)) for cut in cuts[:-1]) + p_data((context_id, kind | 2, cuts[-1]))
