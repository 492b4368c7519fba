"""Storage user: instances sent by C-STORE as their files have them, or encoded anew for a peer that takes nothing else
(PS3.4 Annex B, PS3.7 9.1.1).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from dicomwire.dictionary.uids import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from dicomwire.dimse.messages import CStoreRQ
from dicomwire.errors import LocalProtocolError, UnsupportedError
from dicomwire.file import can_reencode
from dicomwire.net.storage.decoding import can_decode
from dicomwire.net.storage.source import open_instance, reencoded

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from dicomwire.dictionary import UID
    from dicomwire.net.association import Association
    from dicomwire.net.invoking import Answer
    from dicomwire.net.storage.source import FileToSend, Instance, StorageSource
    from dicomwire.ul.negotiation import AcceptedContext

# What data sets are encoded in anew, the best first: nothing is lost in explicit VR, and deflating takes its time.
REENCODED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


class StoreOptions(TypedDict, total=False):
    """Further arguments of `c_store`.

    priority    0 medium, 1 high, 2 low
    message_id  where it is not to be chosen here
    move_originator_ae_title, move_originator_message_id   of the C-MOVE that this is a part of
    timeout_s   seconds to wait for the answer, once all is sent
    """

    priority: int
    message_id: int
    move_originator_ae_title: str | None
    move_originator_message_id: int | None
    timeout_s: float | None


async def c_store(association: Association, source: StorageSource, **options: Unpack[StoreOptions]) -> Answer:
    """Store an instance with the peer and return the answer; its `status` says whether it is stored.

    source    path, bytes of a file, binary stream, or a data set that was read; see `open_instance`

    The data set goes in its own transfer syntax, in the context that was accepted for it and its SOP class; where the
    peer accepted only others, in one of those in which it can be encoded anew (docs/reencoding.md).  Of a file that is
    larger than a mebibyte only a piece is in memory at a time; reading it holds up the event loop as long as the disk
    takes for a piece.  Compressed pixel data are decoded, in memory and in a thread, for a peer that takes no others.

    UnsupportedError when that is impossible, LocalProtocolError when the peer accepted no context for the SOP class,
    AssociationAborted when the association ends first, errors of reading as of `open_instance`.  All but the third
    leave the association as it is, unless a file ends before its time, or turns out in mid-message to be no data set
    that can be encoded anew.
    """
    association.check_established()
    with open_instance(source) as instance:
        context = context_for(association, instance)
        message = CStoreRQ(
            affected_sop_class_uid=instance.sop_class_uid,
            affected_sop_instance_uid=instance.sop_instance_uid,
            priority=options.get("priority", 0),
            message_id=options.get("message_id", 0),
            move_originator_application_entity_title=options.get("move_originator_ae_title"),
            move_originator_message_id=options.get("move_originator_message_id"),
        )
        whole, timeout_s = instance.whole, options.get("timeout_s")
        if context.transfer_syntax != instance.transfer_syntax:
            if not can_reencode(instance.transfer_syntax, context.transfer_syntax):
                # All is read here: whoever is cancelled closes the source, and the thread would go on to read from it.
                decoding = partial(_decoded, instance, list(instance.pieces()), context.transfer_syntax)
                data = await asyncio.get_running_loop().run_in_executor(None, decoding)
                return await association.request(message, data, context_id=context.context_id, timeout_s=timeout_s)
            pieces = reencoded(instance, instance.pieces(), context.transfer_syntax)
            return await association.request_in_parts(
                message, pieces, context_id=context.context_id, timeout_s=timeout_s
            )
        if whole is not None:
            return await association.request(message, whole, context_id=context.context_id, timeout_s=timeout_s)
        return await association.request_in_parts(
            message, instance.pieces(), context_id=context.context_id, timeout_s=timeout_s
        )


def _decoded(instance: Instance, pieces: list[Buffer], transfer_syntax: UID) -> bytes:
    return b"".join(reencoded(instance, pieces, transfer_syntax))


def context_for(association: Association, instance: Instance | FileToSend) -> AcceptedContext:
    """Return the context to send an instance in: in its own transfer syntax, or else in one to encode it anew in."""
    assert association.negotiated is not None
    own = instance.transfer_syntax
    context = association.negotiated.context_for(instance.sop_class_uid, own)
    if context is not None:
        return context
    others = [context for context in association.negotiated.contexts_of(instance.sop_class_uid) if context.is_scu]
    for syntax in REENCODED:
        for context in others:
            if context.transfer_syntax == syntax and (can_reencode(own, syntax) or can_decode(own, syntax)):
                return context
    if others:
        accepted = ", ".join(context.transfer_syntax.name for context in others)
        raise UnsupportedError(
            f"the instance is in {own.name}, the peer accepted {accepted} for its SOP class",
            what="transfer syntax",
        )
    raise LocalProtocolError(
        f"C-STORE-RQ: no presentation context was accepted for SOP class {instance.sop_class_uid} "
        f"({instance.sop_class_uid.name}) in the role of SCU",
        section="PS3.7 D.3.3",
    )
