"""Unique identifiers and their registered names (PS3.5 chapter 9, PS3.6 Annex A).

Transfer syntaxes are constants of this module; every other registered UID is one too, made when first asked
for: `from dicomwire.dictionary.uids import CTImageStorage`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.dictionary.transfer_syntax import TransferSyntax

_ROOT = "1.2.840.10008."


class UID(str):
    """A unique identifier: the text itself, with the columns of the standard's registry.

    Making one checks nothing; see is_valid.
    """

    __slots__ = ()

    @classmethod
    def from_keyword(cls, keyword: str) -> UID:
        """Return the registered UID with this keyword ("CTImageStorage").  KeyError when none has it."""
        from dicomwire.dictionary._uids import KEYWORD_TO_UID

        return cls(KEYWORD_TO_UID[keyword])

    @property
    def name(self) -> str:
        """The registered name ("CT Image Storage"), the UID itself when it has none."""
        entry = self._entry()
        return str(self) if entry is None else entry[0]

    @property
    def type(self) -> str:
        """The registered type ("SOP Class", "Transfer Syntax" ...), "" when unregistered."""
        entry = self._entry()
        return "" if entry is None else entry[1]

    @property
    def info(self) -> str:
        """What the registry adds to the name, mostly ""."""
        entry = self._entry()
        return "" if entry is None else entry[2]

    @property
    def is_retired(self) -> bool:
        """True for a registered UID that the standard has retired."""
        entry = self._entry()
        return entry is not None and entry[3]

    @property
    def keyword(self) -> str:
        """The registered keyword ("CTImageStorage"), "" when there is none."""
        entry = self._entry()
        return "" if entry is None else entry[4]

    @property
    def is_valid(self) -> bool:
        """True for at most 64 characters: numbers without leading zeros and dots (PS3.5 section 9.1)."""
        return len(self) <= 64 and all(
            part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") for part in self.split(".")
        )

    @property
    def is_private(self) -> bool:
        """True unless the UID is below the standard's own root, 1.2.840.10008."""
        return not self.startswith(_ROOT)

    @property
    def transfer_syntax(self) -> TransferSyntax | None:
        """The encoding rules that this UID names, None when it is not a known transfer syntax."""
        from dicomwire.dictionary.transfer_syntax import transfer_syntax

        return transfer_syntax(self)

    @property
    def is_transfer_syntax(self) -> bool:
        """True for a known transfer syntax (PS3.5 Annex A, PS3.6 Table A-1)."""
        return self.transfer_syntax is not None

    @property
    def is_implicit_VR(self) -> bool:
        """True when elements carry no VR.  Raises ValueError, as the next do, for other UIDs."""
        return self._rules().implicit_vr

    @property
    def is_little_endian(self) -> bool:
        """True when numbers are little endian."""
        return self._rules().little_endian

    @property
    def is_deflated(self) -> bool:
        """True when the whole data set is deflated (PS3.5 section A.5)."""
        return self._rules().deflated

    @property
    def is_encapsulated(self) -> bool:
        """True when Pixel Data is a sequence of fragments (PS3.5 section A.4)."""
        return self._rules().encapsulated

    is_compressed = is_encapsulated

    def __repr__(self) -> str:
        return f"UID({str.__repr__(self)})"

    def _entry(self) -> tuple[str, str, str, bool, str] | None:
        from dicomwire.dictionary._uids import UIDS

        return UIDS.get(self)

    def _rules(self) -> TransferSyntax:
        rules = self.transfer_syntax
        if rules is None:
            raise ValueError("this UID is not a known transfer syntax")
        return rules


def from_keyword(keyword: str) -> UID:
    """Return the registered UID with this keyword, such as "CTImageStorage".  KeyError when none has it."""
    return UID.from_keyword(keyword)


ImplicitVRLittleEndian = UID("1.2.840.10008.1.2")
ExplicitVRLittleEndian = UID("1.2.840.10008.1.2.1")
EncapsulatedUncompressedExplicitVRLittleEndian = UID("1.2.840.10008.1.2.1.98")
DeflatedExplicitVRLittleEndian = UID("1.2.840.10008.1.2.1.99")
ExplicitVRBigEndian = UID("1.2.840.10008.1.2.2")
JPEGBaseline8Bit = UID("1.2.840.10008.1.2.4.50")
JPEGExtended12Bit = UID("1.2.840.10008.1.2.4.51")
JPEGLossless = UID("1.2.840.10008.1.2.4.57")
JPEGLosslessSV1 = UID("1.2.840.10008.1.2.4.70")
JPEGLSLossless = UID("1.2.840.10008.1.2.4.80")
JPEGLSNearLossless = UID("1.2.840.10008.1.2.4.81")
JPEG2000Lossless = UID("1.2.840.10008.1.2.4.90")
JPEG2000 = UID("1.2.840.10008.1.2.4.91")
JPEG2000MCLossless = UID("1.2.840.10008.1.2.4.92")
JPEG2000MC = UID("1.2.840.10008.1.2.4.93")
JPIPReferenced = UID("1.2.840.10008.1.2.4.94")
JPIPReferencedDeflate = UID("1.2.840.10008.1.2.4.95")
MPEG2MPML = UID("1.2.840.10008.1.2.4.100")
MPEG2MPMLF = UID("1.2.840.10008.1.2.4.100.1")
MPEG2MPHL = UID("1.2.840.10008.1.2.4.101")
MPEG2MPHLF = UID("1.2.840.10008.1.2.4.101.1")
MPEG4HP41 = UID("1.2.840.10008.1.2.4.102")
MPEG4HP41F = UID("1.2.840.10008.1.2.4.102.1")
MPEG4HP41BD = UID("1.2.840.10008.1.2.4.103")
MPEG4HP41BDF = UID("1.2.840.10008.1.2.4.103.1")
MPEG4HP422D = UID("1.2.840.10008.1.2.4.104")
MPEG4HP422DF = UID("1.2.840.10008.1.2.4.104.1")
MPEG4HP423D = UID("1.2.840.10008.1.2.4.105")
MPEG4HP423DF = UID("1.2.840.10008.1.2.4.105.1")
MPEG4HP42STEREO = UID("1.2.840.10008.1.2.4.106")
MPEG4HP42STEREOF = UID("1.2.840.10008.1.2.4.106.1")
HEVCMP51 = UID("1.2.840.10008.1.2.4.107")
HEVCM10P51 = UID("1.2.840.10008.1.2.4.108")
JPEGXLLossless = UID("1.2.840.10008.1.2.4.110")
JPEGXLJPEGRecompression = UID("1.2.840.10008.1.2.4.111")
JPEGXL = UID("1.2.840.10008.1.2.4.112")
HTJ2KLossless = UID("1.2.840.10008.1.2.4.201")
HTJ2KLosslessRPCL = UID("1.2.840.10008.1.2.4.202")
HTJ2K = UID("1.2.840.10008.1.2.4.203")
JPIPHTJ2KReferenced = UID("1.2.840.10008.1.2.4.204")
JPIPHTJ2KReferencedDeflate = UID("1.2.840.10008.1.2.4.205")
RLELossless = UID("1.2.840.10008.1.2.5")
DeflatedImageFrameCompression = UID("1.2.840.10008.1.2.8.1")
GEImplicitVRLittleEndianBigEndianPixelData = UID("1.2.840.113619.5.2")


def __getattr__(name: str) -> UID:
    if not name.startswith("_"):
        from dicomwire.dictionary._uids import KEYWORD_TO_UID

        uid = KEYWORD_TO_UID.get(name)
        if uid is not None:
            value = globals()[name] = UID(uid)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
