"""One instance on its way in: from the fragments that come to a file that is complete."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from typing import TYPE_CHECKING, cast

from _dicomwire.cstore import store_request
from dicomwire.dimse.messages import decode_message
from dicomwire.dimse.status import OUT_OF_RESOURCES, PROCESSING_FAILURE, SUCCESS, StatusKind, kind_of
from dicomwire.errors import DecodeError, ServiceError
from dicomwire.file.instance_file import Duplicates, FileWriter, file_meta_information, synchronize_names
from dicomwire.net.storage.header import HeaderReader, has_uids, rules_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from _dicomwire.dataset import DataSet
    from dicomwire.dictionary import UID
    from dicomwire.dimse.assembler import Hash
    from dicomwire.dimse.messages import CStoreRQ
    from dicomwire.net.association import Association
    from dicomwire.net.handlers import Look
    from dicomwire.net.storage.provider import Storage
    from dicomwire.ul.negotiation import AcceptedContext

DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
DUPLICATE_SOP_INSTANCE = 0x0111
INVALID_SOP_INSTANCE = 0x0117
NO_LIMIT = (1 << 64) - 1

FIRST_STAYS = (Duplicates.KEEP, Duplicates.REFUSE)

Begun = tuple[FileWriter | None, int]  # what somebody has begun to receive: its file, and the bytes in it

_log = logging.getLogger("dicomwire.net.storage")


class _Told:
    """What handlers are told of an instance."""

    __slots__ = ("_message", "_uids", "association", "context")

    def __init__(self, association: Association, message: CStoreRQ | bytes, context: AcceptedContext) -> None:
        self.association = association
        self._message = message
        self._uids: tuple[UID, UID] | None = None
        self.context = context

    def _named(self) -> tuple[UID, UID]:
        """SOP Class UID and SOP Instance UID of the command, which need not be decoded for them."""
        uids = self._uids
        if uids is None:
            request = store_request(self._message) if isinstance(self._message, bytes) else None
            if request is not None:
                uids = cast("tuple[UID, UID]", request[1:3])
            else:
                message = self.message
                uids = message.affected_sop_class_uid, message.affected_sop_instance_uid
            self._uids = uids
        return uids

    @property
    def message(self) -> CStoreRQ:
        """The request, decoded when it is first asked for."""
        message = self._message
        if isinstance(message, bytes):
            message = self._message = cast("CStoreRQ", decode_message(message))
        return message


class Arriving(_Told):
    """An instance whose header has come, and whose pixels are yet to come.

    header    the elements before the pixel data, or all where there is none, with File Meta Information
    """

    __slots__ = ("header",)

    def __init__(
        self, association: Association, message: CStoreRQ | bytes, context: AcceptedContext, header: DataSet
    ) -> None:
        super().__init__(association, message, context)
        self.header = header


class Stored(_Told):
    """An instance that has come.

    path          its file; None where nothing is written
    size          bytes of the file, File Meta Information included
    digest        of all bytes of the file, hexadecimal; None when none was asked for
    header        as `Arriving` has it, None when no handler asked for it and no name needed it
    is_duplicate  True when another file had the name already, and was kept: `path` is that one
    has_replaced  True when another file had the name, and is replaced
    """

    __slots__ = ("digest", "has_replaced", "header", "is_duplicate", "path", "size")

    def __init__(
        self,
        association: Association,
        message: CStoreRQ | bytes,
        context: AcceptedContext,
        path: str | None,
        size: int,
        digest: str | None = None,
        header: DataSet | None = None,
        is_duplicate: bool = False,
        has_replaced: bool = False,
    ) -> None:
        super().__init__(association, message, context)
        self.path = path
        self.size = size
        self.digest = digest
        self.header = header
        self.is_duplicate = is_duplicate
        self.has_replaced = has_replaced

    @property
    def sop_class_uid(self) -> UID:
        """SOP Class UID, of the command and, unless checks are off, of the data set."""
        return self._named()[0]

    @property
    def sop_instance_uid(self) -> UID:
        """SOP Instance UID, likewise."""
        return self._named()[1]

    @property
    def transfer_syntax(self) -> UID:
        """The transfer syntax of the data set."""
        return self.context.transfer_syntax


class Receiving:
    """The sink of one data set: checks its header, writes it to a file, counts and digests it.

    Where the name or a handler needs the header, the bytes are held until it has come; after that, and else from the
    first byte on, they go from the receive buffer to the file.  With `begun` it goes on with what has been looked at.
    """

    __slots__ = (
        "_association",
        "_context",
        "_digest",
        "_file",
        "_header",
        "_held",
        "_is_open",
        "_is_unseen",
        "_message",
        "_meta",
        "_place",
        "_storage",
        "has_replaced",
        "header",
        "is_duplicate",
        "path",
        "size",
    )

    def __init__(
        self,
        storage: Storage,
        association: Association,
        message: CStoreRQ,
        context: AcceptedContext,
        look: Look | None = None,
        begun: Begun | None = None,
    ) -> None:
        self.size = 0
        self.path: str | None = None
        self._place: str | None = None  # the name that it is to get
        self.header: DataSet | None = None if look is None else look.header
        self.is_duplicate = False
        self.has_replaced = False
        self._storage = storage
        self._association = association
        self._message = message
        self._context = context
        self._file: FileWriter | None = None
        self._is_open = False
        self._held: list[bytes] = []
        if look is not None:
            self._digest = look.digest
        else:
            self._digest = hashlib.new(storage.digest) if storage.digest is not None else None
        try:
            self._meta = file_meta_information(
                message.affected_sop_class_uid,
                message.affected_sop_instance_uid,
                context.transfer_syntax,
                association.calling_ae_title,
            )
        except ValueError:  # also of what is not ASCII
            raise ServiceError("a UID that is none", status=INVALID_SOP_INSTANCE) from None
        self._header: HeaderReader | None = None
        if begun is not None:
            self._file, self.size = begun
            self._place = None if self._file is None else self._file.path
            self._is_open = True
            self._is_unseen = False
            return
        self._is_unseen = self.header is None and storage.checks and rules_of(context.transfer_syntax).is_known
        if storage.keeps_header and self.header is None:
            self._begin_header()
        else:
            self._find_place()

    # --- what a thread does that receives by itself

    def direct(self) -> tuple[int, int, Hash | None] | None:
        """See `DirectSink`: where bytes go that nobody here needs to see."""
        if self._header is not None or not self._is_open:
            return None
        limit = self._storage.max_length
        descriptor = self._file.descriptor if self._file is not None else -1
        return descriptor, max(0, limit - self.size) if limit else NO_LIMIT, self._digest

    def place(self, beginning: memoryview) -> tuple[int, int, Hash | None, bytes] | None:
        """See `DirectSink`: what it looks at is whether the data set has the UIDs of the command."""
        if self._header is not None:
            return None
        if self._is_unseen:
            message, syntax = self._message, self._context.transfer_syntax
            if not has_uids([beginning], syntax, message.affected_sop_class_uid, message.affected_sop_instance_uid):
                return None
            self._is_unseen = False
        first = b"".join(self._open())
        self.size += len(first)
        direct = self.direct()
        assert direct is not None
        return *direct, first

    def passed(self, length: int) -> None:
        """Count bytes that are in the file."""
        self.size += length

    def failed(self, number: int) -> ServiceError:
        """Return the answer to an error in writing to the file."""
        return _no_resources(OSError(number, os.strerror(number)))

    # --- what the assembler tells

    def write(self, views: list[memoryview]) -> None:
        """Take pieces of the data set."""
        if self._is_unseen:
            self._is_unseen = False
            message = self._message
            if not has_uids(
                views,
                self._context.transfer_syntax,
                message.affected_sop_class_uid,
                message.affected_sop_instance_uid,
            ):
                self._begin_header()
        if self._header is not None and not self._read_header(views):
            return
        buffers: list[bytes | memoryview] = list(views)
        if not self._is_open:
            buffers[:0] = self._open()
        self._write(buffers)

    def finish(self) -> None:
        """The data set is complete."""
        if self._is_unseen:  # it is empty
            self._begin_header()
        if self._header is not None:
            try:
                self._header.finish()
            except DecodeError as error:
                raise ServiceError(str(error), status=CANNOT_UNDERSTAND) from error
            self._header_is_there(self._header)
        if not self._is_open:
            self._write(self._open())

    def discard(self) -> None:
        """Nothing of it is to stay."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.discard()
            except OSError as error:
                _log.error("a temporary file is left behind: %s", error.strerror)

    def commit(self) -> None:
        """Give the file its name.  May block; ServiceError when it cannot be done."""
        storage = self._storage
        file, self._file = self._file, None
        if file is not None:
            try:
                self.path = file.commit(storage.duplicates, fsync=storage.fsync)
            except OSError as error:
                self._file = file
                self.discard()
                raise _no_resources(error) from error
            self.is_duplicate = self.path is None
            self.has_replaced = file.has_replaced
        if self.path is None:
            self.path = self._place
            if storage.fsync and self.path is not None:  # whoever stored it may not be as far
                try:
                    synchronize_names(self.path)
                except OSError as error:
                    raise _no_resources(error) from error
        if self.is_duplicate and storage.duplicates is Duplicates.REFUSE:
            raise ServiceError("an instance with this UID is there", status=DUPLICATE_SOP_INSTANCE)

    def stored(self) -> Stored:
        """Return what there is to say of an instance that has come, and has its name."""
        digest = self._digest.hexdigest() if self._digest is not None else None
        return Stored(
            self._association,
            self._message,
            self._context,
            self.path,
            self.size,
            digest,
            self.header,
            self.is_duplicate,
            self.has_replaced,
        )

    # --- header

    def _begin_header(self) -> None:
        storage = self._storage
        self._is_unseen = False
        self._header = HeaderReader(self._context.transfer_syntax, storage.header_until, storage.keeps_header)

    def _read_header(self, views: list[memoryview]) -> bool:
        """Look at bytes of the header; True when they can be written, with those that were held before."""
        header = self._header
        assert header is not None
        try:
            is_done = header.feed(views)
        except DecodeError as error:
            raise ServiceError(str(error), status=CANNOT_UNDERSTAND) from error
        if is_done:
            self._header_is_there(header)
            return True
        if self._storage.keeps_header:
            self._held += map(bytes, views)
            return False
        return True

    def _header_is_there(self, header: HeaderReader) -> None:
        storage, message = self._storage, self._message
        self._header = None
        sop_class_uid, sop_instance_uid = message.affected_sop_class_uid, message.affected_sop_instance_uid
        if storage.checks and not header.matches(sop_class_uid, sop_instance_uid):
            raise ServiceError("the data set has other UIDs than the command", status=DATA_SET_DOES_NOT_MATCH)
        if not storage.keeps_header:
            return
        try:
            self.header = header.data_set(sop_class_uid, sop_instance_uid, self._context.transfer_syntax)
        except DecodeError as error:
            raise ServiceError(str(error), status=CANNOT_UNDERSTAND) from error
        if storage.on_header is not None:
            ask_about(storage.on_header, Arriving(self._association, message, self._context, self.header))
        self._find_place()

    # --- file

    def _find_place(self) -> None:
        """Choose the path, and spare the writing of what would be dropped."""
        storage = self._storage
        if storage.folder is None:
            return
        path = self._place = f"{storage.folder}/{storage.template.path(self._value_of)}"
        duplicates = storage.duplicates
        if duplicates in FIRST_STAYS and os.path.lexists(path):
            self.is_duplicate = True
            if duplicates is Duplicates.REFUSE:
                raise ServiceError("an instance with this UID is there", status=DUPLICATE_SOP_INSTANCE)

    def _value_of(self, field: str) -> str:
        match field:
            case "SOPInstanceUID":
                return self._message.affected_sop_instance_uid
            case "SOPClassUID":
                return self._message.affected_sop_class_uid
            case "TransferSyntaxUID":
                return self._context.transfer_syntax
            case "CallingAETitle":
                return self._association.calling_ae_title
            case "CalledAETitle":
                return self._association.called_ae_title
        assert self.header is not None
        return value_in(self.header, field)

    def _open(self) -> list[bytes | memoryview]:
        """Open the file; what is to be written in front of what comes now."""
        self._is_open = True
        if self._place is not None and not self.is_duplicate:
            try:
                self._file = FileWriter(self._place)
            except OSError as error:
                raise _no_resources(error) from error
        held, self._held = self._held, []
        return [self._meta, *held]

    def _write(self, buffers: list[bytes | memoryview]) -> None:
        self.size += sum(map(len, buffers))
        limit = self._storage.max_length
        if 0 < limit < self.size:
            raise ServiceError(f"more than {limit} bytes", status=OUT_OF_RESOURCES)
        if self._digest is not None:
            for buffer in buffers:
                self._digest.update(buffer)
        if self._file is not None:
            try:
                self._file.write(buffers)
            except OSError as error:
                raise _no_resources(error) from error


def value_in(header: DataSet, field: str) -> str:
    """Return the value of an element as text for a name, empty where there is none that can be read."""
    try:
        value = header.get(field)
    except DecodeError:
        value = None
    return "" if value is None else str(value)


def ask_about(handler: Callable[[Arriving], object], arriving: Arriving) -> None:
    """Call `on_header`; ServiceError when the instance is refused.  What else it raises is logged by its class."""
    try:
        answer = handler(arriving)
        status = SUCCESS if answer is None else int(answer)  # type: ignore[call-overload]
    except ServiceError as error:
        status = error.status
    except Exception as error:  # noqa: BLE001  the handler's, whatever it is
        _log.error("on_header raised %s", type(error).__name__, exc_info=_log.isEnabledFor(10))
        status = PROCESSING_FAILURE
    if status != SUCCESS and kind_of(status) not in (StatusKind.SUCCESS, StatusKind.WARNING):
        raise ServiceError("refused by its header", status=status)


def _no_resources(error: OSError) -> ServiceError:
    """Return the answer to what the system does not do.  The log has its reason, without the path."""
    _log.error("an instance cannot be stored: %s", error.strerror or errno.errorcode.get(error.errno or 0, "OSError"))
    return ServiceError(f"the file cannot be written: {error.strerror}", status=OUT_OF_RESOURCES)
