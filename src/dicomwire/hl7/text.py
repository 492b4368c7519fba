"""The text of HL7 v2 values: character sets of MSH-18 and escape sequences (HL7 v2.5.1 chapter 2, sections 2.7 and
2.15.9.18).

Decoding never fails: what cannot be decoded becomes U+FFFD.
"""

from __future__ import annotations

import re

from dicomwire.dataset.charset import CharacterSet, decode_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NO_MULTIBYTE, PAIRS, ESCAPES = 0, 1, 2
"""How separators are told from bytes of characters, see :class:`_dicomwire.segments.SegmentIndex`."""

# Table 0211 of HL7, and how systems write it: terms of DICOM for one set alone, and for code extensions.
_TERMS = {
    "ASCII": ("ISO_IR 6", "ISO 2022 IR 6"),
    "8859/1": ("ISO_IR 100", "ISO 2022 IR 100"),
    "8859/2": ("ISO_IR 101", "ISO 2022 IR 101"),
    "8859/3": ("ISO_IR 109", "ISO 2022 IR 109"),
    "8859/4": ("ISO_IR 110", "ISO 2022 IR 110"),
    "8859/5": ("ISO_IR 144", "ISO 2022 IR 144"),
    "8859/6": ("ISO_IR 127", "ISO 2022 IR 127"),
    "8859/7": ("ISO_IR 126", "ISO 2022 IR 126"),
    "8859/8": ("ISO_IR 138", "ISO 2022 IR 138"),
    "8859/9": ("ISO_IR 148", "ISO 2022 IR 148"),
    "8859/15": ("ISO_IR 203", "ISO 2022 IR 203"),
    "ISO IR6": ("ISO_IR 6", "ISO 2022 IR 6"),
    "ISO IR14": ("ISO_IR 13", "ISO 2022 IR 13"),
    "ISO IR87": ("ISO 2022 IR 87", "ISO 2022 IR 87"),
    "ISO IR159": ("ISO 2022 IR 159", "ISO 2022 IR 159"),
    "KS X 1001": ("EUC-KR", "ISO 2022 IR 149"),
    "GB 18030-2000": ("GB18030", "GB18030"),
    "BIG-5": ("BIG5", "BIG5"),
    "UNICODE": ("ISO_IR 192", "ISO_IR 192"),
    "UNICODE UTF-8": ("ISO_IR 192", "ISO_IR 192"),
}
_PAIRED = frozenset(("GB18030", "GBK", "BIG5", "CP950", "SHIFT_JIS", "SHIFTJIS", "SJIS", "CP932", "WINDOWS-31J"))


def _squeezed(name: str) -> str:
    return "".join(character for character in name.upper() if character.isalnum())


_BY_NAME = {_squeezed(name): terms for name, terms in _TERMS.items()}
_BY_NAME.update((_squeezed("ISO " + name), terms) for name, terms in _TERMS.items() if name.startswith("8859"))
_BY_NAME.update(GB18030=_TERMS["GB 18030-2000"], UTF8=_TERMS["UNICODE UTF-8"], USASCII=_TERMS["ASCII"])


class Charset:
    """What MSH-18 declares: ``names`` as given, and how bytes of values become text.

    Where nothing is declared, or a set that is not known, bytes from 0x80 on are UTF-8 if they can be, else Latin
    alphabet No. 1; ``is_known`` is False for the latter.
    """

    __slots__ = ("_declared", "is_known", "multibyte", "names")

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names
        self.is_known = True
        given = [name for name in names if name.strip()]
        extended = len(given) > 1
        terms: list[str] = []
        for name in given:
            known = _BY_NAME.get(_squeezed(name))
            if known is not None:
                terms.append(known[extended])
            elif len(name) <= 32 and not any("is not a defined term:" in p for p in _problems(name)):
                terms.append(name)
            else:
                self.is_known = False
        if extended and len(given) != len(names):
            terms.insert(0, "ISO 2022 IR 6")
        guessed = not terms or terms in (["ISO_IR 6"], ["ISO 2022 IR 6"])
        self._declared = None if guessed else CharacterSet.from_terms(terms)
        if any(term in ("ISO 2022 IR 87", "ISO 2022 IR 159") for term in terms):
            self.multibyte = ESCAPES
        elif any(term.upper() in _PAIRED for term in terms):
            self.multibyte = PAIRS
        else:
            self.multibyte = NO_MULTIBYTE

    def decode(self, data: bytes) -> str:
        """The text of one value's bytes, escape sequences as they stand."""
        if data.isascii() and b"\x1b" not in data:
            return data.decode("ascii")
        if self._declared is not None:
            return decode_text(data, self._declared)[0]
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def __repr__(self) -> str:
        return f"Charset({self.names!r})"


def _problems(term: str) -> tuple[str, ...]:
    return tuple(problem for problem in CharacterSet.from_terms([term]).problems if "read as" not in problem)


_known: dict[tuple[bytes, str], Charset] = {}
_MAX_KNOWN = 64
_MAX_DECLARATION = 128  # bytes


def charset_of(declaration: bytes, repetition: str = "~") -> Charset:
    """The character set of MSH-18 with its repetitions, as its bytes are."""
    found = _known.get((declaration, repetition))
    if found is None:
        names = declaration[:_MAX_DECLARATION].decode("ascii", "replace").split(repetition) if declaration else ()
        found = Charset(tuple(names))
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        if len(declaration) <= _MAX_DECLARATION:
            _known[declaration, repetition] = found
    return found


_FORMATTING = re.compile(r"\.(br|sp\d*|fi|nf|in[+-]?\d+|ti[+-]?\d+|sk\d+|ce)\Z", re.IGNORECASE)
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)\Z")
_MAX_ESCAPE = 512  # characters between two escape characters


def unescape(text: str, field: str, encoding_characters: str, decode: Callable[[bytes], str] | None = None) -> str:
    """The text with its escape sequences replaced (section 2.7).

    ``encoding_characters`` as in MSH-2; ``decode`` makes text of the bytes of ``\\X0D0A\\``, of Latin alphabet No. 1 if
    it is not given.  Line breaks of formatted text are "\\n", highlighting is dropped; sequences that say how text is
    laid out are spaces or nothing, and those that are not known stay as they are.
    """
    component, repetition, escape, subcomponent = list((encoding_characters + "\0" * 4)[:4])
    if escape == "\0" or escape not in text:
        return text
    meanings = {
        "F": field, "S": component, "T": subcomponent, "R": repetition, "E": escape, "H": "", "N": "", "P": "#",
    }  # fmt: skip
    parts: list[str] = []
    at = 0
    while True:
        first = text.find(escape, at)
        last = text.find(escape, first + 1, first + 2 + _MAX_ESCAPE) if first >= 0 else -1
        if last < 0:
            # One escape character alone is a sender's mistake, and text.
            if first < 0 or text.find(escape, first + 1) < 0:
                break
            parts.append(text[at : first + 1])
            at = first + 1
            continue
        parts.append(text[at:first])
        sequence = text[first + 1 : last]
        meaning = meanings.get(sequence)
        hexadecimal = _HEX.match(sequence)
        if meaning is not None:
            parts.append(meaning)
        elif hexadecimal:
            data = bytes.fromhex(hexadecimal[1])
            parts.append(decode(data) if decode else data.decode("latin-1"))
        elif _FORMATTING.match(sequence):
            parts.append("\n" if sequence[1:3].lower() in ("br", "sp", "ce") else "")
        else:
            parts.append(text[first:last])
            at = last
            # The second escape character may begin a sequence of its own.
            continue
        at = last + 1
    parts.append(text[at:])
    return "".join(parts)
