"""Who decodes compressed frames: a small registry, filled with what the extra ``codecs`` installs.

    from dicomwire.pixel import codecs
    codecs.register("jpeg2000", codecs.Codec("mine", my_decode))

``my_decode(data, header)`` gets a codestream as bytes, wrappers taken off, and its ``headers.Codestream``; it returns
an array (rows, columns) or (rows, columns, samples) of integers and is called from several threads.  What it returns is
checked against the data set, so that a codec need not do that.  The codec that was registered last is asked first; the
name is a family ("jpeg", "jpeg-ls", "jpeg2000", "htj2k", "jpeg-xl", "deflate") or the UID of one transfer syntax.
"""

from __future__ import annotations

from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.dictionary.transfer_syntax import TransferSyntax
    from dicomwire.pixel.headers import Codestream

    Decode = Callable[..., NDArray[Any]]

EXTRA = "codecs"


class Codec:
    """A decoder of one family of codestreams.

    name            for messages
    decode          as in the module's docstring; with ``converts_colour`` it also takes ``ybr=`` and ``rgb=``: whether
                    the samples of the codestream are Y, CB, CR, and whether R, G, B are wanted of them; with
                    ``takes_out`` also ``out=``: an array of the right shape and type to decode into, which
                    it may leave aside
    """

    __slots__ = ("converts_colour", "decode", "name", "takes_out")

    def __init__(self, name: str, decode: Decode, *, converts_colour: bool = False, takes_out: bool = False) -> None:
        self.name = name
        self.decode = decode
        self.converts_colour = converts_colour
        self.takes_out = takes_out

    def __repr__(self) -> str:
        return f"<Codec {self.name}>"


# Codecs by family or UID, the one that is asked first at the end.  Changed by register and unregister alone.
_registered: dict[str, list[Codec]] = {}


def register(name: str, codec: Codec) -> None:
    """Let ``codec`` decode a family of codestreams, or one transfer syntax by its UID, before all others."""
    _registered.setdefault(name, []).append(codec)


def unregister(name: str, codec: Codec) -> None:
    """Take back ``register``; ValueError if it was not called."""
    _registered.get(name, []).remove(codec)


def codec_for(syntax: TransferSyntax) -> Codec:
    """The codec that decodes frames of a transfer syntax; UnsupportedError where there is none.

    A user's own for the UID, then for the family, then those that are installed.
    """
    for name in (str(syntax.uid), syntax.family):
        if _registered.get(name):
            return _registered[name][-1]
    load = _BUILT_IN.get(syntax.family)
    if load is None:
        raise UnsupportedError(
            f"{syntax.name} is not decoded to arrays: FrameReader gives its frames or its stream", what=syntax.family
        )
    try:
        return load()
    except ImportError:
        raise UnsupportedError(
            f"{syntax.name} needs a codec: pip install dicomwire[{EXTRA}]", what=syntax.family, extra=EXTRA
        ) from None


def is_available(transfer_syntax: str) -> bool:
    """Whether frames of a transfer syntax, by its UID, can be decoded here."""
    known = find_transfer_syntax(transfer_syntax)
    if known is None:
        return False
    if known.family in ("native", "uncompressed", "rle", "deflate"):
        return True
    try:
        codec_for(known)
    except UnsupportedError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------ imagecodecs


def _jpeg() -> Codec:
    from imagecodecs import JPEG8, jpeg8_decode

    ybr_space, rgb_space = JPEG8.CS.YCbCr, JPEG8.CS.RGB

    def decode(data: bytes, header: Codestream, *, ybr: bool, rgb: bool, out: NDArray[Any] | None) -> NDArray[Any]:
        if header.samples != 3:
            return jpeg8_decode(data, out=out)
        space = ybr_space if ybr else rgb_space
        wanted = ybr_space if ybr and not rgb else rgb_space
        return jpeg8_decode(data, colorspace=space, outcolorspace=wanted, out=out)

    return Codec("imagecodecs.jpeg8", decode, converts_colour=True, takes_out=True)


def _jpeg_ls() -> Codec:
    from imagecodecs import jpegls_decode

    return Codec("imagecodecs.jpegls", lambda data, header, out: jpegls_decode(data, out=out), takes_out=True)


def _jpeg2000() -> Codec:
    from imagecodecs import jpeg2k_decode

    return Codec(
        "imagecodecs.jpeg2k", lambda data, header, out: jpeg2k_decode(data, numthreads=1, out=out), takes_out=True
    )


def _htj2k() -> Codec:
    from imagecodecs import htj2k_decode

    return Codec(
        "imagecodecs.htj2k", lambda data, header, out: htj2k_decode(data, planar=False, out=out), takes_out=True
    )


def _jpeg_xl() -> Codec:
    from imagecodecs import jpegxl_decode

    return Codec(
        "imagecodecs.jpegxl", lambda data, header, out: jpegxl_decode(data, numthreads=1, out=out), takes_out=True
    )


_BUILT_IN: dict[str, Callable[[], Codec]] = {
    "jpeg": _jpeg,
    "jpeg-ls": _jpeg_ls,
    "jpeg2000": _jpeg2000,
    "htj2k": _htj2k,
    "jpeg-xl": _jpeg_xl,
}
