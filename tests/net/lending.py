"""Servers whose associations threads hold, and what is asked of them: for tests of loans."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dicomwire.dictionary import UID
from dicomwire.dimse.messages import CStoreRQ, CStoreRSP
from dicomwire.net import AE, Association, Server, Timeouts
from dicomwire.net.settings import Limits
from dicomwire.net.storage import Storage
from dicomwire.ul.pdu import AAbort
from dicomwire.ul.policy import AcceptorPolicy
from tests.net.raw import CT, FIND, VERIFICATION, Raw, context, message_bytes, request
from tests.net.storage.instances import data_set


def command(number: int = 1, instance: str | None = None) -> CStoreRQ:
    return CStoreRQ(
        message_id=number, affected_sop_class_uid=CT, affected_sop_instance_uid=UID(instance or f"1.2.{number}")
    )


def store(number: int = 1, pixels: int = 1000, length: int = 16384) -> bytes:
    return message_bytes(1, command(number), data_set(f"1.2.{number}", pixels=pixels), length)


@asynccontextmanager
async def serving(storage: Storage, **options: Any) -> AsyncIterator[Server]:
    timeouts = options.pop("timeouts", None)
    limits = options.pop("limits", None)
    window = options.pop("window", None)
    policy = AcceptorPolicy(asynchronous_operations_window=(window, 1)) if window else None
    ae = AE("ARCHIVE", timeouts=timeouts or Timeouts(), limits=limits or Limits())
    server = Server(ae, port=0, policy=policy, **options) if policy else Server(ae, port=0, **options)
    storage.register(server)
    async with server:
        yield server


async def associate(raw: Raw, *items: Any) -> None:
    answer = await raw.associate(request([context(1, CT), context(3, VERIFICATION), context(5, FIND)], *items))
    assert not isinstance(answer, AAbort)


async def status(raw: Raw, number: int) -> int:
    """The status of the next message, which answers this request."""
    _, answer, _ = await raw.message()
    assert isinstance(answer, CStoreRSP), answer
    assert answer.message_id_being_responded_to == number
    return int(answer.status)


def is_lent(server: Server) -> bool:
    return any(association.connection.is_held for association in server.associations)


def only(server: Server) -> Association:
    (association,) = server.associations
    return association


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("dicomwire.net.worker")]
