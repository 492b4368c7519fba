"""Storage user: instances sent by C-STORE as their files have them, not a byte decoded (PS3.4 Annex B, PS3.7 9.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from dicomwire.dimse.messages import CStoreRQ
from dicomwire.errors import LocalProtocolError, UnsupportedError
from dicomwire.net.storage.source import open_instance

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dicomwire.net.association import Association
    from dicomwire.net.invoking import Answer
    from dicomwire.net.storage.source import FileToSend, Instance, StorageSource
    from dicomwire.ul.negotiation import AcceptedContext


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

    The data set goes in its own transfer syntax, in the context that was accepted for it and its SOP class.  Of a file
    that is larger than a mebibyte only a piece is in memory at a time; reading it holds up the event loop as long as
    the disk takes for a piece.

    UnsupportedError when the peer accepted the SOP class in other transfer syntaxes only, LocalProtocolError when it
    accepted none, AssociationAborted when the association ends first, errors of reading as of `open_instance`.  All but
    the third leave the association as it is, unless a file ends before its time.
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
        if whole is not None:
            return await association.request(message, whole, context_id=context.context_id, timeout_s=timeout_s)
        return await association.request_in_parts(
            message, instance.pieces(), context_id=context.context_id, timeout_s=timeout_s
        )


def context_for(association: Association, instance: Instance | FileToSend) -> AcceptedContext:
    """Return the context to send an instance in, by SOP class and transfer syntax."""
    assert association.negotiated is not None
    context = association.negotiated.context_for(instance.sop_class_uid, instance.transfer_syntax)
    if context is not None:
        return context
    others = [
        context.transfer_syntax.name
        for context in association.negotiated.contexts_of(instance.sop_class_uid)
        if context.is_scu
    ]
    if others:
        raise UnsupportedError(
            f"the instance is in {instance.transfer_syntax.name}, the peer accepted {', '.join(others)} for its SOP "
            "class; instances are sent as they are encoded",
            what="transfer syntax",
        )
    raise LocalProtocolError(
        f"C-STORE-RQ: no presentation context was accepted for SOP class {instance.sop_class_uid} "
        f"({instance.sop_class_uid.name}) in the role of SCU",
        section="PS3.7 D.3.3",
    )
