"""Objects of stores, each behind two reads: the first one tells size and version, the others must agree with it.

Three kinds: an object of an obstore store, a resource of a server for HTTP through fsspec's session, and a file of any
other fsspec filesystem.  The first two pin the version within each request (RFC 9110 sections 13.1.1 and 14.2); for the
third one the size and version are asked for again after reading.
"""

from __future__ import annotations

import contextlib
import errno
import re
import threading

from dicomwire.errors import DecodeError, DicomWireError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Buffer = bytes | bytearray | memoryview

# What obstore serves by itself; its names of options differ from those of the fsspec filesystems for these.
OBSTORE_SCHEMES = frozenset(("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss"))
# What filesystems call the version of a file, in the answer of info().
VERSION_KEYS = ("ETag", "etag", "md5", "checksum", "VersionId", "generation", "mtime", "LastModified", "last_modified",
                "updated", "created", "ino")  # fmt: skip
LEAST_PART = 65536  # bytes of an answer that is shorter than what was asked for, else there would be no end of requests
_USERINFO = re.compile(r"(?<=://)[^/?#]*@")
_STATUS = re.compile(r"status code: (\d{3})")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)")


def public_name(url: str) -> str:
    """A URL without what may be secret: user, password, query and fragment."""
    parts = (_USERINFO.sub("", part).split("?")[0].split("#")[0] for part in url.split("::"))
    return "::".join(parts)


def store_error(error: Exception, name: str) -> Exception:
    """What a store raised, as an OSError that names the object and repeats nothing of the request."""
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "the store has no such object", name)
    if isinstance(error, PermissionError) or kind in ("PermissionDeniedError", "UnauthenticatedError"):
        return PermissionError(errno.EACCES, "the store refuses access", name)
    if kind == "PreconditionError":
        return changed()
    if kind == "NotSupportedError":
        return UnsupportedError(f"{name}: the server does not answer with ranges of bytes", what="ranges")
    if isinstance(error, TimeoutError):
        return TimeoutError(errno.ETIMEDOUT, "the store did not answer in time", name)
    status = getattr(error, "status", None) or next(iter(_STATUS.findall(str(error))), None)
    said = f", HTTP status {status}" if status else ""
    return OSError(errno.EIO, f"the store failed ({kind}{said})", name)


def status_error(status: int, name: str) -> Exception:
    """The error for an answer of a server for HTTP that holds no bytes of the resource."""
    if status in (404, 410):
        return FileNotFoundError(errno.ENOENT, "the store has no such object", name)
    if status in (401, 403, 407):
        return PermissionError(errno.EACCES, f"the store refuses access, HTTP status {status}", name)
    if status == 412:
        return changed()
    return OSError(errno.EIO, f"the store failed, HTTP status {status}", name)


def changed() -> DecodeError:
    """The error for an object that is not the one that was opened."""
    return DecodeError("the object of the store has changed since it was opened")


class _Said(Exception):
    """Carries an error that has its words already through the translation of what stores raise."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class StoredObject:
    """One object of a store; ``requests`` and ``bytes_read`` count what was asked of the store and what it gave.

    ``name`` is fit for messages.  ``size`` in bytes and ``version`` are known after ``read_first``.  Methods may be
    called from several threads.  Errors: OSError, UnsupportedError, DecodeError where the object has changed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0
        self.version: tuple[object, ...] = ()
        self.requests = 0
        self.bytes_read = 0
        self._lock = threading.Lock()

    def read_first(self, length: int) -> Buffer:
        """The first bytes, up to ``length``, and with them size and version."""
        with self._errors():
            return self._first(length)

    def read(self, offset: int, length: int) -> Buffer:
        """Exactly these bytes, which must be within the size."""
        with self._errors():
            data = self._range(offset, length)
            if len(data) == length:
                return data
            if len(data) > length or not data:
                raise changed()
            # A server may answer with less than it was asked for (RFC 9110 section 15.3.7).
            joined = bytearray(data)
            while len(joined) < length:
                if len(data) < LEAST_PART:
                    raise self._wrong(f"the store answered with {len(data)} bytes of {length}")
                data = self._range(offset + len(joined), length - len(joined))
                if not data or len(data) > length - len(joined):
                    raise changed()
                joined += data
            return joined

    def verify(self) -> None:
        """Ask whether the object is still the one that was opened, where its reads cannot tell by themselves."""

    def _first(self, length: int) -> Buffer:
        raise NotImplementedError

    def _range(self, offset: int, length: int) -> Buffer:
        raise NotImplementedError

    def _count(self, size: int, requests: int = 1) -> None:
        with self._lock:
            self.requests += requests
            self.bytes_read += size

    def _wrong(self, message: str) -> _Said:
        return _Said(OSError(errno.EIO, message, self.name))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        failure: Exception | None = None
        try:
            yield
        except (DicomWireError, MemoryError):
            raise
        except _Said as said:
            failure = said.error
        except Exception as error:  # noqa: BLE001  stores raise classes of their own, of many libraries
            failure = store_error(error, self.name)
        if failure is not None:
            raise failure  # here, so that it does not carry the store's own error with its request along


# ------------------------------------------------------------------------------------------------------------- obstore


class ObstoreObject(StoredObject):
    """An object of an obstore store."""

    def __init__(self, store: Any, path: str, name: str) -> None:
        super().__init__(name)
        self._store = store
        self._path = path
        self._etag: str | None = None

    def _first(self, length: int) -> Buffer:
        import obstore

        try:
            return self._get(0, length)
        except (obstore.exceptions.GenericError, ValueError):
            # No range of an empty object can be satisfied.
            self._count(0)
            if obstore.head(self._store, self._path)["size"] != 0:
                raise
            return b""

    def _range(self, offset: int, length: int) -> Buffer:
        return self._get(offset, length)

    def _get(self, offset: int, length: int) -> Buffer:
        import obstore

        options: dict[str, Any] = {"range": (offset, offset + length)}
        opened = bool(self.version)
        if self._etag is not None:
            options["if_match"] = self._etag
        self._count(0)
        answer = obstore.get(self._store, self._path, options=options)  # type: ignore[arg-type]
        meta = answer.meta
        etag = meta["e_tag"]
        # Without a tag the date tells, to the second or better.
        version = (meta["size"], etag or meta["last_modified"])
        if not opened:
            self.size, self.version = meta["size"], version
            if etag is not None and not etag.startswith("W/"):
                self._etag = etag  # a weak one never matches (RFC 9110 section 13.1.1)
        elif version != self.version:
            raise changed()
        start, stop = answer.range
        if start != offset or stop > offset + length:
            raise self._wrong("the store answered with another range than the one asked for")
        data = b""
        for chunk in answer.stream(min_chunk_size=length):
            data = data + chunk if data else chunk
            if len(data) > length:
                raise self._wrong("the store answered with more bytes than asked for")
        self._count(len(data), 0)
        return data


def obstore_of_url(url: str, options: Mapping[str, object]) -> tuple[Any, str]:
    """The obstore store of a URL's bucket or container, and the path of the object in it."""
    try:
        import obstore.store as stores
    except ImportError:
        raise missing(url, "obstore") from None
    scheme, _, rest = url.partition("://")
    container, _, path = rest.partition("/")
    scheme = "s3" if scheme == "s3a" else scheme
    failure = None
    try:
        made: Any = stores.from_url
        return made(f"{scheme}://{container}", **options), path
    except Exception as error:  # noqa: BLE001  the text may repeat the options, which hold keys
        failure = ValueError(f"{public_name(url)}: storage_options do not make a store ({type(error).__name__}); "
                             "they are the options of obstore.store.from_url")  # fmt: skip
    raise failure


# -------------------------------------------------------------------------------------------------------------- fsspec


class FsspecObject(StoredObject):
    """A file of an fsspec filesystem, by ``info`` and ``cat_file``."""

    def __init__(self, filesystem: Any, path: str, name: str) -> None:
        super().__init__(name)
        self._filesystem = filesystem
        self._path = path
        # Many of the others have one connection, which one thread at a time may use.
        self._turn = contextlib.nullcontext() if filesystem.async_impl else threading.Lock()

    def _first(self, length: int) -> Buffer:
        self.size, self.version = self._info()
        return self._range(0, min(length, self.size)) if self.size else b""

    def _range(self, offset: int, length: int) -> Buffer:
        self._count(0)
        with self._turn:
            data: bytes = self._filesystem.cat_file(self._path, start=offset, end=offset + length)
        self._count(len(data), 0)
        if len(data) > length:
            raise self._wrong("the store answered with more bytes than asked for")
        return data

    def verify(self) -> None:
        with self._errors():
            if self._info() != (self.size, self.version):
                raise changed()

    def _info(self) -> tuple[int, tuple[object, ...]]:
        self._count(0)
        with self._turn:
            info = self._filesystem.info(self._path)
        if info.get("type") == "directory":
            raise _Said(IsADirectoryError(errno.EISDIR, "this is a folder of the store", self.name))
        size = info.get("size")
        if size is None:
            raise UnsupportedError(f"{self.name}: the store does not tell the size", what="size")
        return int(size), tuple(info.get(key) for key in VERSION_KEYS)


class HTTPObject(StoredObject):
    """A resource of a server for HTTP, through the session of fsspec's filesystem for it (RFC 9110 section 14)."""

    def __init__(self, filesystem: Any, url: str, name: str) -> None:
        super().__init__(name)
        self._filesystem = filesystem
        self._url = url
        self._etag: str | None = None
        self._is_open = False

    def _first(self, length: int) -> Buffer:
        data = self._range(0, length)
        self._is_open = True
        return data

    def _range(self, offset: int, length: int) -> Buffer:
        from fsspec.asyn import sync

        data: Buffer = sync(self._filesystem.loop, self._get, offset, length)
        return data

    async def _get(self, offset: int, length: int) -> Buffer:
        filesystem = self._filesystem
        session = await filesystem.set_session()
        options = dict(filesystem.kwargs)
        headers = dict(options.pop("headers", None) or {})
        headers["Range"] = f"bytes={offset}-{offset + length - 1}"
        headers["Accept-Encoding"] = "identity"  # ranges of a compressed body are not ranges of the resource
        if self._etag is not None:
            headers["If-Match"] = self._etag
        async with session.get(filesystem.encode_url(self._url), headers=headers, **options) as answer:
            self._count(0, 1 + len(answer.history))
            limit = self._check(answer, offset, length)
            data = bytearray()
            async for chunk in answer.content.iter_any():
                data += chunk
                if len(data) > limit:
                    raise self._wrong("the store answered with more bytes than it announced")
        self._count(len(data), 0)
        return data

    def _check(self, answer: Any, offset: int, length: int) -> int:
        """How many bytes of the body to take; raises for an answer that is not of this range of this version."""
        said = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        first, last, total = said.groups() if said else (None, None, None)
        if answer.status == 416 and not self._is_open and total == "0":
            return 0
        if answer.status not in (200, 206):
            raise _Said(status_error(answer.status, self.name))
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise UnsupportedError(f"{self.name}: the server compresses what it was asked for as it is", what="ranges")
        if answer.status == 200:
            # All of it in place of a range: well if that is no more than was asked for.
            size = answer.content_length
            if self._is_open or size is None or size > length:
                raise UnsupportedError(f"{self.name}: the server does not answer with ranges of bytes", what="ranges")
            self._learn(answer, size)
            return int(size)
        if first is None or last is None or total is None:
            raise self._wrong("the store answered with a part that it does not describe")
        if int(first) != offset or not 0 <= int(last) - offset < length:
            raise self._wrong("the store answered with another range than the one asked for")
        if total == "*":
            raise UnsupportedError(f"{self.name}: the server does not tell the size", what="size")
        self._learn(answer, int(total))
        return int(last) - offset + 1

    def _learn(self, answer: Any, size: int) -> None:
        etag = answer.headers.get("ETag")
        version = (etag or answer.headers.get("Last-Modified"),)
        if not self._is_open:
            self.size, self.version = size, version
            if etag is not None and not etag.startswith("W/"):
                self._etag = etag
        elif (size, version) != (self.size, self.version):
            raise changed()


def fsspec_of_url(url: str, options: Mapping[str, object]) -> tuple[Any, str]:
    """The fsspec filesystem of a URL and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise missing(url, "fsspec") from None
    try:
        filesystem, path = url_to_fs(url, **options)
    except ImportError as error:
        raise missing(url, error.name or "a package") from None
    except ValueError:
        scheme = url.partition("://")[0]
        raise UnsupportedError(f"{public_name(url)}: no filesystem for {scheme}", what=scheme, extra="remote") from None
    return filesystem, path


def fsspec_object(filesystem: Any, path: str, name: str) -> StoredObject:
    """The object of a filesystem by the better of two ways."""
    if getattr(filesystem, "asynchronous", False):
        raise ValueError("the filesystem belongs to a running event loop; give one made without asynchronous=True")
    protocol = filesystem.protocol
    if "https" in ((protocol,) if isinstance(protocol, str) else protocol) and hasattr(filesystem, "set_session"):
        return HTTPObject(filesystem, path, name)
    return FsspecObject(filesystem, path, name)


def missing(url: str, package: str) -> UnsupportedError:
    """The error for a package that is not installed."""
    return UnsupportedError(
        f"{public_name(url)}: {package} is needed, which pip install 'dicomwire[remote]' brings for the usual schemes",
        what=url.partition("://")[0],
        extra="remote",
    )
