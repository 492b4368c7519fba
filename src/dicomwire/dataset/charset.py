"""Character sets: the bytes of text values to ``str`` and back (PS3.3 section C.12.1.1.2, PS3.5 section 6.1).

Specific Character Set (0008,0005) names either one set, or several that a value switches between by the
escape sequences of ISO 2022 ("code extensions").  Python's codecs know the single sets, not DICOM's
combination of them, so the switching is done here: G0 is what bytes below 0x80 mean, G1 what bytes from 0x80
on mean, an escape sequence puts another set into one of the two, and delimiters put the sets of the first
term back (PS3.5 section 6.1.2.5.3).

Decoding never fails.  What cannot be decoded becomes U+FFFD, what is decoded although it should not be there
is decoded, and both are told by a second result: None, or one or more of the words below joined by "; ".

Three readings deserve to be known:

- The default repertoire has 7 bits.  Bytes from 0x80 on in a value that declares nothing else are read as
  Latin alphabet No. 1, as most toolkits do, and reported.  With code extensions and nothing in G1, the first
  declared set that fits there is used, else Latin alphabet No. 1 if the first term is the default repertoire,
  else U+FFFD; reported too.
- The yen sign and overline of JIS X 0201 (0x5C, 0x7E) are read as backslash and tilde, as in pydicom: 0x5C is
  the delimiter of values whatever it looks like.  Every set is therefore a superset of ASCII here.
- UTF-8, GB18030 and GBK know no code extensions: an escape sequence in them stays in the text and is
  reported.
"""

from __future__ import annotations

from _dicomwire.errors import EncodeError

UNDECODABLE = "undecodable bytes"
TRUNCATED = "truncated multibyte character"
UNDECLARED_BYTES = "bytes outside the declared repertoire"
UNDECLARED_ESCAPE = "undeclared escape sequence"
UNKNOWN_ESCAPE = "unknown escape sequence"
SHIFT_JIS = "Shift-JIS characters under JIS X 0201"

FAST_ASCII, FAST_UTF8, FAST_LATIN1, FAST_NONE = 0, 1, 2, 3
"""What a compiled reader may do itself, see :attr:`CharacterSet.fast`."""

_REPLACEMENT = "\ufffd"
_ESC = 0x1B
_BACKSLASH = 0x5C
_TEXT_DELIMITERS: frozenset[int] = frozenset()
_VALUE_DELIMITERS = frozenset(b"\\")
_NAME_DELIMITERS = frozenset(b"^=")
_NAME_VALUE_DELIMITERS = frozenset(b"^=\\")


class _CodedSet:
    """One set of characters that can stand in G0 or G1 (PS3.3 tables C.12-3 and C.12-4)."""

    __slots__ = ("codec", "escape", "g1", "prefix", "width")

    def __init__(self, codec: str, escape: bytes, *, g1: bool, width: int = 1, prefix: bytes = b"") -> None:
        self.codec = codec
        self.escape = escape  # without the ESC
        self.g1 = g1
        self.width = width  # bytes per character
        self.prefix = prefix  # what the codec must see first


_ASCII = _CodedSet("ascii", b"(B", g1=False)
_ROMAJI = _CodedSet("ascii", b"(J", g1=False)
_KATAKANA = _CodedSet("shift_jis", b")I", g1=True)  # of Shift-JIS, 0xA1 to 0xDF is JIS X 0201
_KANJI = _CodedSet("iso2022_jp", b"$B", g1=False, width=2, prefix=b"\x1b$B")
_SUPPLEMENTARY_KANJI = _CodedSet("iso2022_jp_2", b"$(D", g1=False, width=2, prefix=b"\x1b$(D")
_HANGUL = _CodedSet("euc_kr", b"$)C", g1=True, width=2)
_HANZI = _CodedSet("gb2312", b"$)A", g1=True, width=2)
_HALVES_OF_ISO_8859 = {
    "100": _CodedSet("iso8859_1", b"-A", g1=True),
    "101": _CodedSet("iso8859_2", b"-B", g1=True),
    "109": _CodedSet("iso8859_3", b"-C", g1=True),
    "110": _CodedSet("iso8859_4", b"-D", g1=True),
    "126": _CodedSet("iso8859_7", b"-F", g1=True),
    "127": _CodedSet("iso8859_6", b"-G", g1=True),
    "138": _CodedSet("iso8859_8", b"-H", g1=True),
    "144": _CodedSet("iso8859_5", b"-L", g1=True),
    "148": _CodedSet("iso8859_9", b"-M", g1=True),
    "166": _CodedSet("tis_620", b"-T", g1=True),
    "203": _CodedSet("iso8859_15", b"-b", g1=True),
}
_LATIN1 = _HALVES_OF_ISO_8859["100"]
_DESIGNATIONS = {
    coded.escape: coded
    for coded in (
        _ASCII, _ROMAJI, _KATAKANA, _KANJI, _SUPPLEMENTARY_KANJI, _HANGUL, _HANZI,
        *_HALVES_OF_ISO_8859.values(),
    )
}  # fmt: skip


# --- defined terms ---


class _Term:
    """What one value of Specific Character Set declares."""

    __slots__ = ("codec", "extension", "g0", "g1", "name", "sets")

    def __init__(
        self, name: str, sets: tuple[_CodedSet, ...], *, extension: bool = False, codec: str | None = None
    ) -> None:
        self.name = name
        self.sets = sets
        self.extension = extension  # "ISO 2022 IR ...": meant to be combined by code extensions
        self.codec = codec  # of sets that stand alone: UTF-8, GB18030, GBK, and what is not DICOM at all
        self.g0 = next((coded for coded in sets if not coded.g1 and coded.width == 1), _ASCII)
        self.g1 = next((coded for coded in sets if coded.g1), None)


def _defined_terms() -> dict[str, _Term]:
    single = {"6": (_ASCII,), "13": (_ROMAJI, _KATAKANA)}
    single.update((number, (_ASCII, half)) for number, half in _HALVES_OF_ISO_8859.items())
    multi = {"87": (_KANJI,), "159": (_SUPPLEMENTARY_KANJI,), "149": (_HANGUL,), "58": (_HANZI,)}
    terms = [_Term("ISO_IR " + number, sets) for number, sets in single.items()]
    terms += [
        _Term("ISO 2022 IR " + number, sets, extension=True) for number, sets in (single | multi).items()
    ]
    terms += [
        _Term("ISO_IR 192", (), codec="utf_8"),
        _Term("GB18030", (), codec="gb18030"),
        _Term("GBK", (), codec="gbk"),
    ]
    return {term.name: term for term in terms}


def _squeezed(term: str) -> str:
    """The letters and digits of a term, in which the usual misspellings look the same."""
    return "".join(character for character in term.upper() if character.isalnum())


_TERMS = _defined_terms()
_DEFAULT_TERM = _TERMS["ISO_IR 6"]
# Spellings seen in files, and names of other standards for the same sets.  Keys are squeezed.
_ALIASES = {
    "ASCII": "ISO_IR 6", "USASCII": "ISO_IR 6", "ISO646": "ISO_IR 6", "NONE": "ISO_IR 6",
    "LATIN1": "ISO_IR 100", "ISO88591": "ISO_IR 100", "88591": "ISO_IR 100",
    "LATIN2": "ISO_IR 101", "ISO88592": "ISO_IR 101", "LATIN3": "ISO_IR 109", "ISO88593": "ISO_IR 109",
    "LATIN4": "ISO_IR 110", "ISO88594": "ISO_IR 110", "LATIN5": "ISO_IR 148", "ISO88599": "ISO_IR 148",
    "LATIN9": "ISO_IR 203", "ISO885915": "ISO_IR 203",
    "ISO88595": "ISO_IR 144", "ISO88596": "ISO_IR 127", "ISO88597": "ISO_IR 126", "ISO88598": "ISO_IR 138",
    "TIS620": "ISO_IR 166", "ISO885911": "ISO_IR 166", "JISX0201": "ISO_IR 13",
    "UTF8": "ISO_IR 192", "ISO2022IR192": "ISO_IR 192", "ISO10646": "ISO_IR 192",
    "ISO2022GBK": "GBK", "ISO2022GB18030": "GB18030",
    "GB2312": "ISO 2022 IR 58", "ISO202258": "ISO 2022 IR 58",
    "EUCKR": "ISO 2022 IR 149", "KSX1001": "ISO 2022 IR 149", "KSC5601": "ISO 2022 IR 149",
}  # fmt: skip
# Sets that DICOM does not have but files hold, for ``charset=`` to name. All of them contain ASCII.
_FOREIGN = {
    **{f"{prefix}{page}": f"cp{page}" for page in range(1250, 1259) for prefix in ("CP", "WINDOWS")},
    "CP437": "cp437", "CP850": "cp850", "CP852": "cp852", "CP866": "cp866",
    "CP874": "cp874", "WINDOWS874": "cp874", "KOI8R": "koi8_r", "KOI8U": "koi8_u",
    "CP932": "cp932", "WINDOWS31J": "cp932", "SHIFTJIS": "cp932", "SJIS": "cp932", "EUCJP": "euc_jp",
    "CP936": "gbk", "CP949": "cp949", "UHC": "cp949", "CP950": "cp950", "BIG5": "cp950",
    "ISO885910": "iso8859_10", "ISO885913": "iso8859_13", "ISO885914": "iso8859_14",
    "ISO885916": "iso8859_16",
}  # fmt: skip


def _misspellings() -> dict[str, _Term]:
    found = {_squeezed(name): term for name, term in _TERMS.items()}
    for number in ("87", "159", "149", "58"):
        found["ISOIR" + number] = _TERMS["ISO 2022 IR " + number]
    found.update((key, _TERMS[name]) for key, name in _ALIASES.items())
    found.update((key, _Term(codec, (), codec=codec)) for key, codec in _FOREIGN.items())
    return found


_MISSPELLINGS = _misspellings()
_MAX_PROBLEMS = 8


# --- a character set ---


class CharacterSet:
    """What the values of Specific Character Set (0008,0005) declare; made by :meth:`from_terms`.

    ``terms``     the values as given
    ``problems``  short texts about unknown, misspelt, contradicting or combined terms; they number the values
                  and never quote them
    ``fast``      what a compiled reader may do without Python:

    - 0, the default repertoire: a value of bytes below 0x80 without ESC (0x1B) is ASCII
    - 1, UTF-8: a value that is valid UTF-8 and has no ESC
    - 2, Latin alphabet No. 1 without code extensions: a value without ESC
    - 3, everything else: a value of bytes below 0x80 without ESC is ASCII

    All other values go through :func:`decode_text` or :func:`decode_values`.
    """

    __slots__ = (
        "_codec",
        "_escapes",
        "_fallback",
        "_g0",
        "_g1",
        "_sets",
        "_stands_alone",
        "fast",
        "problems",
        "terms",
    )

    ascii_compatible = True
    """Whether bytes 0x20 to 0x7E, TAB, LF, FF and CR without ESC are ASCII: true for every set here."""

    terms: tuple[str, ...]
    problems: tuple[str, ...]
    fast: int
    _codec: str  # decodes a whole value without escape sequences
    _stands_alone: bool
    _g0: _CodedSet  # in force at the beginning and behind delimiters
    _g1: _CodedSet | None
    _fallback: _CodedSet | None  # reads bytes from 0x80 on when nothing is in G1
    _sets: tuple[_CodedSet, ...]  # declared, in the order of the terms
    _escapes: tuple[_CodedSet, ...]  # those of them that escape sequences may designate

    @classmethod
    def from_terms(cls, terms: list[str] | tuple[str, ...] | str | None) -> CharacterSet:
        """The character set for the values of (0008,0005).

        A ``str`` is split at backslashes, None is an absent element.  Equal terms usually give the same
        object.  Never raises: an unknown term is the default repertoire and a problem.
        """
        if terms is None:
            key: tuple[str, ...] = ()
        elif isinstance(terms, str):
            key = tuple(terms.split("\\"))
        else:
            key = tuple(terms)
        found = _known.get(key)
        if found is None:
            found = cls._build(key)
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            if len(key) + sum(map(len, key)) <= _MAX_KEY_LENGTH:
                _known[key] = found
        return found

    @classmethod
    def _build(cls, terms: tuple[str, ...]) -> CharacterSet:
        self = cls.__new__(cls)
        self.terms = terms
        problems: list[str] = []
        declared = _combined(_resolved(terms, problems), problems)
        if len(problems) > _MAX_PROBLEMS:
            problems[_MAX_PROBLEMS:] = [f"{len(problems) - _MAX_PROBLEMS} more"]
        self.problems = tuple(problems)
        first = declared[0]
        self._sets = tuple(dict.fromkeys(coded for term in declared for coded in (*term.sets, _ASCII)))
        self._g0 = first.g0
        self._g1 = first.g1
        self._stands_alone = first.codec is not None
        self._codec = first.codec or (first.g1 or first.g0).codec
        self._fallback = next((coded for coded in self._sets if coded.g1), None)
        if self._fallback is None and first.sets == (_ASCII,):
            self._fallback = _LATIN1
        self._escapes = self._sets if len(declared) > 1 or first.extension else ()
        if first.codec is not None:
            self.fast = FAST_UTF8 if first.codec == "utf_8" else FAST_NONE
        elif self._escapes:
            self.fast = FAST_NONE
        else:
            self.fast = {None: FAST_ASCII, _LATIN1: FAST_LATIN1}.get(first.g1, FAST_NONE)
        return self

    def __eq__(self, other: object) -> bool:
        return self.terms == other.terms if isinstance(other, CharacterSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.terms)

    def __repr__(self) -> str:
        return f"CharacterSet.from_terms({list(self.terms)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (CharacterSet.from_terms, (self.terms,))


# A plain dict, because its operations are atomic with and without the GIL: the worst that two threads can do
# to each other here is to build an equal object twice.
_known: dict[tuple[str, ...], CharacterSet] = {}
_MAX_KNOWN = 128
_MAX_KEY_LENGTH = 512


def _resolved(terms: tuple[str, ...], problems: list[str]) -> list[_Term]:
    """The terms as declarations, at least one; empty, unknown and repeated ones are left out."""
    found: list[_Term] = []
    for number, text in enumerate(terms, 1):
        spelling = text.strip(" \0")
        term = _TERMS.get(spelling)
        if term is None and not spelling:
            if number > 1:
                problems.append(f"value {number} is empty")
                continue
            term = _DEFAULT_TERM
        elif term is None:
            # Terms have 16 characters at most (VR CS); what is much longer is no misspelling of one.
            term = _MISSPELLINGS.get(_squeezed(spelling)) if len(spelling) <= 32 else None
            if term is None:
                problems.append(
                    f"value {number} is not a defined term" + (": default repertoire" if number == 1 else "")
                )
                if number > 1:
                    continue
                term = _DEFAULT_TERM
            else:
                problems.append(f"value {number} is not a defined term: read as {term.name}")
        if term in found:
            problems.append(f"value {number} repeats an earlier one")
        else:
            found.append(term)
    return found or [_DEFAULT_TERM]


def _combined(found: list[_Term], problems: list[str]) -> list[_Term]:
    """The terms that count together, in order (PS3.3 section C.12.1.1.2)."""
    alone = next((term for term in found if term.codec is not None), None)
    if alone is not None and len(found) > 1:
        # The default repertoire is a part of every other set: in the first value it contradicts nothing.
        if alone is found[0] or found[0].sets == (_ASCII,):
            problems.append(f"{alone.name} allows no code extensions: the other values are ignored")
            return [alone]
        problems.append(f"{alone.name} is no code extension: ignored")
        found = [term for term in found if term.codec is None]
    if len(found) == 1:
        if found[0].extension:
            problems.append(f"{found[0].name} is a term for code extensions but stands alone")
        return found
    if found[0].extension and found[0].g0 is _ASCII and all(coded.width == 2 for coded in found[0].sets):
        problems.append(f"{found[0].name} is a multi-byte set but the first value")
    for term in found:
        if not term.extension and term is not _DEFAULT_TERM:
            problems.append(
                f"{term.name} is combined with others: read as ISO 2022 IR {term.name.rpartition(' ')[2]}"
            )
    return found


# --- decoding ---


def decode_text(
    data: bytes | bytearray | memoryview, charset: CharacterSet, *, is_name: bool = False
) -> tuple[str, str | None]:
    """The text of one whole value and what was wrong with it (None: nothing).  Never raises.

    For values in which a backslash is a character (LT, ST, UT) and for one value of several.  With
    ``is_name`` (PN), ``^`` and ``=`` put the sets of the first term back.  Padding stays.
    """
    values, problem = _decode(bytes(data), charset, _NAME_DELIMITERS if is_name else _TEXT_DELIMITERS)
    return values[0], problem


def decode_values(
    data: bytes | bytearray | memoryview, charset: CharacterSet, *, is_name: bool = False
) -> tuple[list[str], str | None]:
    """The texts of a multi-valued element, at least one, and what was wrong with them (None: nothing).

    Split at backslash characters: a byte 0x5C inside of a multi-byte character splits nothing (PS3.5 section
    6.1.2.5.3).  Padding stays on each text.  Never raises.  ``is_name`` as in :func:`decode_text`.
    """
    return _decode(bytes(data), charset, _NAME_VALUE_DELIMITERS if is_name else _VALUE_DELIMITERS)


class _Findings:
    """Problem words in order of appearance."""

    __slots__ = ("words",)

    def __init__(self) -> None:
        self.words: list[str] = []

    def add(self, word: str) -> None:
        if word not in self.words:
            self.words.append(word)

    def result(self) -> str | None:
        return "; ".join(self.words) or None


def _decode(data: bytes, charset: CharacterSet, delimiters: frozenset[int]) -> tuple[list[str], str | None]:
    if charset._stands_alone:
        findings = _Findings()
        if _ESC in data:
            findings.add(UNDECLARED_ESCAPE)
        try:
            text = data.decode(charset._codec)
        except UnicodeDecodeError as error:
            findings.add(TRUNCATED if _is_cut(error) else UNDECODABLE)
            text = data.decode(charset._codec, "replace")
        return text.split("\\") if _BACKSLASH in delimiters else [text], findings.result()
    if _ESC not in data:
        # Nothing switches, so one codec decodes it all; what it refuses is sorted out by character below.
        try:
            text = data.decode(charset._codec)
        except UnicodeDecodeError:
            pass
        else:
            if charset._g1 is not _KATAKANA or len(text) == len(data):  # else there were Shift-JIS characters
                return text.split("\\") if _BACKSLASH in delimiters else [text], None
    return _decode_extended(data, charset, delimiters)


def _is_cut(error: UnicodeDecodeError) -> bool:
    """Whether the data ends inside of a character that is fine so far."""
    # The reasons are Python's own texts: of its UTF-8 codec, and of its multi-byte codecs.
    at_end = error.end == len(error.object)
    return at_end and error.reason in ("unexpected end of data", "incomplete multibyte sequence")


def _decode_extended(
    data: bytes, charset: CharacterSet, delimiters: frozenset[int]
) -> tuple[list[str], str | None]:
    """Decode with G0 and G1 as the escape sequences say (PS3.5 sections 6.1.2.4 and 6.1.2.5)."""
    g0, g1 = charset._g0, charset._g1
    findings = _Findings()
    values: list[str] = []
    text: list[str] = []
    position, end = 0, len(data)
    while position < end:
        start = position
        byte = data[position]
        if byte == _ESC:
            designated = _DESIGNATIONS.get(data[start + 1 : start + 3])
            if designated is None:
                designated = _DESIGNATIONS.get(data[start + 1 : start + 4])
            if designated is None:
                # What was designated is unknown: keep the bytes visible and start again from the first set.
                findings.add(UNKNOWN_ESCAPE)
                text.append("\x1b")
                position += 1
                g0, g1 = charset._g0, charset._g1
                continue
            if designated not in charset._escapes:
                findings.add(UNDECLARED_ESCAPE)
            position += 1 + len(designated.escape)
            if designated.g1:
                g1 = designated
            else:
                g0 = designated
        elif byte < 0x20:
            text.append(chr(byte))
            position += 1
            g0, g1 = charset._g0, charset._g1
        elif byte >= 0x80:
            position = _end_of_high(data, start)
            if g1 is _KATAKANA or (g1 is None and g0 is _ROMAJI):
                if g1 is None:
                    findings.add(UNDECLARED_BYTES)
                position = _decode_katakana(data, start, position, g0, text, findings)
            elif g1 is not None:
                text.append(_decode_run(data[start:position], g1, findings))
            else:
                findings.add(UNDECLARED_BYTES)
                if charset._fallback is None:
                    text.append(_REPLACEMENT * (position - start))
                else:
                    text.append(_decode_run(data[start:position], charset._fallback, findings))
        elif g0.width == 2 and 0x20 < byte < 0x7F:
            # Every byte from 0x21 to 0x7E is half of a character here, delimiters too.
            while position < end and 0x20 < data[position] < 0x7F:
                position += 1
            text.append(_decode_run(data[start:position], g0, findings))
        elif byte in delimiters and g0.width == 1:
            position += 1
            g0, g1 = charset._g0, charset._g1
            if byte == _BACKSLASH:
                values.append("".join(text))
                text.clear()
            else:
                text.append(chr(byte))
        else:
            position += 1
            if g0.width == 1:
                while position < end and 0x20 <= data[position] < 0x80 and data[position] not in delimiters:
                    position += 1
            text.append(data[start:position].decode("ascii"))
    values.append("".join(text))
    return values, findings.result()


def _end_of_high(data: bytes, position: int) -> int:
    end = len(data)
    while position < end and data[position] >= 0x80:
        position += 1
    return position


def _decode_run(run: bytes, coded: _CodedSet, findings: _Findings) -> str:
    """Characters of one set; U+FFFD for each that it does not have, whatever stands around it."""
    try:
        return (coded.prefix + run).decode(coded.codec)
    except UnicodeDecodeError:
        pass
    if coded.width == 1:
        findings.add(UNDECODABLE)
        return run.decode(coded.codec, "replace")
    # Python's decoders go on one byte after an unknown pair and lose step; a pair stays a pair here.
    characters: list[str] = []
    for start in range(0, len(run), 2):
        pair = run[start : start + 2]
        try:
            characters.append((coded.prefix + pair).decode(coded.codec))
        except UnicodeDecodeError:
            findings.add(UNDECODABLE if len(pair) == 2 else TRUNCATED)
            characters.append(_REPLACEMENT)
    return "".join(characters)


def _decode_katakana(
    data: bytes, position: int, end: int, g0: _CodedSet, text: list[str], findings: _Findings
) -> int:
    """Append the characters of ``data[position:end]``, a run from 0x80 on under JIS X 0201; where it ended.

    Software that calls Shift-JIS "ISO_IR 13" is common in Japan: its two-byte characters are read and
    reported.  The second byte of one may be below 0x80, a backslash even, and then lies behind ``end``.
    """
    while position < end:
        byte = data[position]
        size = 1
        if not 0xA1 <= byte <= 0xDF and g0.width == 1:
            size = 2
        try:
            text.append(data[position : position + size].decode("shift_jis"))
        except UnicodeDecodeError:
            findings.add(TRUNCATED if size == 2 and position + 1 == len(data) else UNDECODABLE)
            text.append(_REPLACEMENT)
            size = 1
        else:
            if size == 2:
                findings.add(SHIFT_JIS)
        position += size
    return position


# --- encoding ---


def encode_text(text: str, charset: CharacterSet, *, is_name: bool = False, is_values: bool = False) -> bytes:
    """``text`` in the declared sets, without padding; with escape sequences if code extensions are declared.

    With ``is_values`` a backslash separates values, with ``is_name`` ``^`` and ``=`` separate components.
    Before these, before control characters and at the end the sets of the first term are in force again
    (PS3.5 section 6.1.2.5.3).  Raises EncodeError, which gives the index of the character, when no declared
    set has it.
    """
    if text.isascii() and "\x1b" not in text:
        return text.encode("ascii")
    if charset._stands_alone:
        if "\x1b" in text:
            raise _no_encoding(text.index("\x1b"), "an escape character cannot be text")
        try:
            return text.encode(charset._codec)
        except UnicodeEncodeError as error:
            index = error.start
        raise _no_encoding(index, "not in the declared character set")
    g0, g1 = charset._g0, charset._g1
    # Many readers know one set in force, that of the last escape sequence, not two halves.  Designating again
    # what is still in G1 behind another escape sequence costs three bytes and is read alike by all.
    last = g1
    delimiters = {*(b"^=" if is_name else b""), *(b"\\" if is_values else b"")}
    encoded = bytearray()
    for index, character in enumerate(text):
        code = ord(character)
        if code < 0x80:
            if code == _ESC:
                raise _no_encoding(index, "an escape character cannot be text")
            if code < 0x20 or code in delimiters:
                last = _restore(encoded, charset, g0, g1, last)
                g0, g1 = charset._g0, charset._g1
            elif g0.width == 2:
                encoded += b"\x1b" + charset._g0.escape
                g0 = last = charset._g0
            encoded.append(code)
            continue
        coded, octets = _encode_character(character, (g1, g0, *charset._sets))
        if coded is None:
            raise _no_encoding(index, "in none of the declared character sets")
        if coded.g1:
            if g0.width == 2:
                encoded += b"\x1b" + charset._g0.escape
                g0 = last = charset._g0
            if coded is not g1 or coded is not last:
                encoded += b"\x1b" + coded.escape
                g1 = last = coded
        elif coded is not g0:
            encoded += b"\x1b" + coded.escape
            g0 = last = coded
        encoded += octets
    _restore(encoded, charset, g0, g1, last)
    return bytes(encoded)


def encode_replacing(
    text: str, charset: CharacterSet, *, is_name: bool = False, is_values: bool = False
) -> bytes:
    """The same, with a question mark for each character that no declared set has."""
    characters = []
    known: dict[str, str] = {}
    for character in text:
        if character not in known:
            known[character] = character
            try:
                encode_text(character, charset)
            except EncodeError:
                known[character] = "?"
        characters.append(known[character])
    return encode_text("".join(characters), charset, is_name=is_name, is_values=is_values)


def _restore(
    encoded: bytearray, charset: CharacterSet, g0: _CodedSet, g1: _CodedSet | None, last: _CodedSet | None
) -> _CodedSet | None:
    """Designate the sets of the first term again where they are not in force; the last set designated."""
    if g0 is not charset._g0:
        encoded += b"\x1b" + charset._g0.escape
        last = charset._g0
    if g1 is not charset._g1 and charset._g1 is not None:
        encoded += b"\x1b" + charset._g1.escape
        last = charset._g1
    return last


def _encode_character(character: str, sets: tuple[_CodedSet | None, ...]) -> tuple[_CodedSet | None, bytes]:
    """The first of ``sets`` that has a character beyond ASCII, and its bytes there."""
    for coded in sets:
        if coded is None or coded.codec == "ascii":
            continue
        # EUC-JP holds both kanji sets: two bytes, or 0x8F and two bytes, each with its high bit set.
        is_kanji = coded is _KANJI or coded is _SUPPLEMENTARY_KANJI
        try:
            octets = character.encode("euc_jp" if is_kanji else coded.codec)
        except UnicodeEncodeError:
            continue
        if coded is _KANJI:
            if len(octets) == 2 and octets[0] >= 0xA1:
                return coded, bytes(octet & 0x7F for octet in octets)
        elif coded is _SUPPLEMENTARY_KANJI:
            if len(octets) == 3:
                return coded, bytes(octet & 0x7F for octet in octets[1:])
        elif len(octets) == coded.width and octets[0] >= 0x80:
            return coded, octets
    return None, b""


def _no_encoding(index: int, reason: str) -> EncodeError:
    return EncodeError(f"character {index} of the text: {reason}", section="PS3.5 6.1")
