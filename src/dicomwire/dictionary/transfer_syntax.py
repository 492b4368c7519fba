"""Transfer syntaxes and their properties (PS3.5 sections 8.2 and 10 and Annex A, PS3.6 Table A-1).

The standard says these things in prose; the table here is written by hand from it. A test holds it against
the registry, so that no registered transfer syntax is missing.
"""

from __future__ import annotations

from dicomwire.dictionary.uids import UID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_IMPLICIT, _BIG, _DEFLATED, _ENCAPSULATED, _LOSSY, _LOSSLESS, _FRAGMENTABLE, _BIG_PIXELS = (
    1 << n for n in range(8)
)


class TransferSyntax:
    """The encoding rules that a transfer syntax UID names.

    uid             UID, a str with name and keyword
    implicit_vr     elements carry no VR (PS3.5 section 7.1.3)
    little_endian   byte order of everything but, in one private syntax, Pixel Data (PS3.5 section 7.3)
    pixels_big_endian   byte order of Pixel Data in native form
    deflated        the data set after the File Meta Information is one deflate stream (PS3.5 section A.5)
    encapsulated    Pixel Data is a sequence of fragments of undefined length (PS3.5 section A.4)
    lossy           the encoding can change pixel values
    lossless        the encoding can keep pixel values as they are; some syntaxes allow both, a few neither
    fragmentable    one frame, or one video stream, may be split over several fragments; False where the
                    standard asks for exactly one (RLE, deflated and uncompressed frames, older video)
    family          the codec that decodes Pixel Data: "native", "uncompressed", "deflate", "rle", "jpeg",
                    "jpeg-ls", "jpeg2000", "htj2k", "jpeg-xl", "mpeg2", "h264", "hevc", "jpip", "smpte2110",
                    "mime", "xml"
    retired         no longer in the standard
    """

    __slots__ = ("_flags", "family", "retired", "uid")

    def __init__(self, uid: UID, family: str, flags: int, retired: bool) -> None:
        self.uid = uid
        self.family = family
        self.retired = retired
        self._flags = flags

    @property
    def implicit_vr(self) -> bool:
        return self._flags & _IMPLICIT != 0

    @property
    def little_endian(self) -> bool:
        return self._flags & _BIG == 0

    @property
    def pixels_big_endian(self) -> bool:
        return self._flags & (_BIG | _BIG_PIXELS) != 0

    @property
    def deflated(self) -> bool:
        return self._flags & _DEFLATED != 0

    @property
    def encapsulated(self) -> bool:
        return self._flags & _ENCAPSULATED != 0

    @property
    def lossy(self) -> bool:
        return self._flags & _LOSSY != 0

    @property
    def lossless(self) -> bool:
        return self._flags & _LOSSLESS != 0

    @property
    def fragmentable(self) -> bool:
        return self._flags & _FRAGMENTABLE != 0

    @property
    def name(self) -> str:
        """The registered name."""
        return self.uid.name

    @property
    def keyword(self) -> str:
        """The registered keyword."""
        return self.uid.keyword

    def __repr__(self) -> str:
        return f"<TransferSyntax {self.uid} {self.keyword}>"


def _rows() -> Iterable[tuple[str, str, int, bool]]:
    """Yield (UID, family, flags, retired); UIDs that begin with a dot are below 1.2.840.10008.1.2."""
    native = _LOSSLESS
    frames = _ENCAPSULATED | _FRAGMENTABLE  # a frame may span fragments
    whole = _ENCAPSULATED  # one fragment a frame, or one for the video stream
    # Sections A.1 to A.3 and A.5.
    yield "", "native", native | _IMPLICIT, False
    yield ".1", "native", native, False
    yield ".1.99", "native", native | _DEFLATED, False
    yield ".2", "native", native | _BIG, True
    # A.4: every frame as it is, in one fragment.
    yield ".1.98", "uncompressed", native | whole, False
    # A.4.1: Processes 1 to 13 and 16 to 27 without 14 and 15 are DCT-based and lossy.
    yield ".4.50", "jpeg", frames | _LOSSY, False
    yield ".4.51", "jpeg", frames | _LOSSY, False
    for number in (52, 53, 54, 55, 56, 59, 60, 61, 62, 63, 64):
        yield f".4.{number}", "jpeg", frames | _LOSSY, True
    yield ".4.57", "jpeg", frames | _LOSSLESS, False
    yield ".4.70", "jpeg", frames | _LOSSLESS, False
    for number in (58, 65, 66):
        yield f".4.{number}", "jpeg", frames | _LOSSLESS, True
    # A.4.2: RLE, one fragment a frame.
    yield ".5", "rle", whole | _LOSSLESS, False
    # A.4.3: the near-lossless syntax allows an error bound of zero.
    yield ".4.80", "jpeg-ls", frames | _LOSSLESS, False
    yield ".4.81", "jpeg-ls", frames | _LOSSY | _LOSSLESS, False
    # A.4.4: JPEG 2000, and its multi-component extensions.
    for number in (90, 92):
        yield f".4.{number}", "jpeg2000", frames | _LOSSLESS, False
        yield f".4.{number + 1}", "jpeg2000", frames | _LOSSY | _LOSSLESS, False
    # 8.2.5 to 8.2.11: video; the syntaxes that end in .1 and HEVC are the fragmentable ones.
    for number, family in ((100, "mpeg2"), (101, "mpeg2"), *((n, "h264") for n in range(102, 107))):
        yield f".4.{number}", family, whole | _LOSSY, False
        yield f".4.{number}.1", family, frames | _LOSSY, False
    yield ".4.107", "hevc", frames | _LOSSY, False
    yield ".4.108", "hevc", frames | _LOSSY, False
    # 8.2.15: JPEG XL; recompression keeps the bits of a lossy JPEG stream.
    yield ".4.110", "jpeg-xl", frames | _LOSSLESS, False
    yield ".4.111", "jpeg-xl", frames | _LOSSY, False
    yield ".4.112", "jpeg-xl", frames | _LOSSY | _LOSSLESS, False
    # 10.18: High-Throughput JPEG 2000.
    yield ".4.201", "htj2k", frames | _LOSSLESS, False
    yield ".4.202", "htj2k", frames | _LOSSLESS, False
    yield ".4.203", "htj2k", frames | _LOSSY | _LOSSLESS, False
    # 8.2.16 and A.4.13: each frame deflated by itself, in one fragment.
    yield ".8.1", "deflate", whole | _LOSSLESS, False
    # A.6, A.7, A.11, A.12: a URL stands in for Pixel Data.
    for number in (94, 204):
        yield f".4.{number}", "jpip", _LOSSY | _LOSSLESS, False
        yield f".4.{number + 1}", "jpip", _LOSSY | _LOSSLESS | _DEFLATED, False
    # Video and audio beside the data set (PS3.22); no Pixel Data in it.
    for number in (1, 2, 3):
        yield f".7.{number}", "smpte2110", _LOSSLESS, False
    # Retired: data sets inside MIME or XML documents, and Papyrus 3.
    yield ".6.1", "mime", 0, True
    yield ".6.2", "xml", 0, True
    yield "1.2.840.10008.1.20", "native", native | _IMPLICIT, True
    # GE's private syntax: little endian, but Pixel Data in big endian words.
    yield "1.2.840.113619.5.2", "native", native | _IMPLICIT | _BIG_PIXELS, False


TRANSFER_SYNTAXES: dict[str, TransferSyntax] = {}
for _uid, _family, _flags, _retired in _rows():
    _known = UID(_uid if _uid.startswith("1") else "1.2.840.10008.1.2" + _uid)
    TRANSFER_SYNTAXES[_known] = TransferSyntax(_known, _family, _flags, _retired)
del _uid, _family, _flags, _retired, _known


def transfer_syntax(uid: str) -> TransferSyntax | None:
    """Return the properties of the transfer syntax with this UID, None when it is not a known one."""
    return TRANSFER_SYNTAXES.get(uid)
