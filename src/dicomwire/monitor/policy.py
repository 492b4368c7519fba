"""What records say of patients and places: pseudonyms, networks, and what is shown only where PHI may be."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from _dicomwire.command import decode_command
from _dicomwire.part10 import dcmread
from dicomwire.errors import DecodeError
from dicomwire.monitor.addresses import InternalNetworks
from dicomwire.monitor.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from collections.abc import Iterable

_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"


class Policy:
    """Shared by all records of a run.

    ``run`` stands in front of the names of associations, so that those of several runs can lie in one table; without
    it a run makes up eight hexadecimal digits.
    """

    def __init__(
        self,
        *,
        show_phi: bool = False,
        hide_uids: bool = False,
        key: bytes | None = None,
        internal_networks: Iterable[str] = (),
        run: str | None = None,
    ) -> None:
        self.show_phi = show_phi
        self.run = secrets.token_hex(4) if run is None else run
        self.pseudonyms = Pseudonyms(key, show_phi=show_phi, hide_uids=hide_uids)
        self.networks = InternalNetworks(internal_networks)
        # What records ask of it, once for each value.
        self.patient_id = self.pseudonyms.patient_id
        self.patient_name = self.pseudonyms.patient_name
        self.birth_date = self.pseudonyms.birth_date
        self.accession_number = self.pseudonyms.accession_number
        self.order_number = self.pseudonyms.order_number
        self.uid = self.pseudonyms.uid

    def elements(
        self, command: bytes, data_set: bytes, response: bytes, response_data_set: bytes, transfer_syntax: str | None
    ) -> dict[str, Any]:
        """Command sets as values by tag, headers of data sets as data sets; None for what is not there."""
        return {
            "request": _command(command),
            "request_data_set": _data_set(data_set, transfer_syntax),
            "response": _command(response),
            "response_data_set": _data_set(response_data_set, transfer_syntax),
        }

    def find_element(self, elements: dict[str, Any], tag: Any, response: bool) -> Any:
        """An element of the data set, by tag or keyword, or a value of the command set, by tag; None without one."""
        side = "response" if response else "request"
        data_set, command = elements[f"{side}_data_set"], elements[side]
        if data_set is not None and tag in data_set:
            return data_set[tag]
        return None if command is None or not isinstance(tag, int) else command.get(tag)


def _command(data: bytes) -> dict[int, Any] | None:
    if not data:
        return None
    try:
        return dict(decode_command(data)[0])
    except DecodeError:
        return None


def _data_set(data: bytes, transfer_syntax: str | None) -> Any:
    """The header of a data set, as far as it was kept; None if it does not read as one."""
    if not data:
        return None
    uid = (transfer_syntax or _IMPLICIT_LITTLE_ENDIAN).encode("ascii", "replace")
    uid += b"\0" * (len(uid) & 1)
    syntax = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    meta = b"\x02\x00\x00\x00UL\x04\x00" + len(syntax).to_bytes(4, "little") + syntax
    try:
        return dcmread(bytes(128) + b"DICM" + meta + data, stop_before_pixels=True)
    except DecodeError:
        return None
