"""Any bytes decode under any character sets, never fail, and text without a finding survives encoding."""

from dicomwire.dataset import charset
from dicomwire.dataset.charset import CharacterSet, decode_text, decode_values, encode_text
from dicomwire.errors import EncodeError
from tests.fuzz.harness import Harness

TERMS = (
    "",
    *(f"ISO_IR {n}" for n in (6, 13, 100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 192, 203)),
    *(f"ISO 2022 IR {n}" for n in (6, 13, 58, 87, 100, 109, 126, 127, 144, 149, 159, 166)),
    "GB18030",
    "GBK",
    "ISO-IR 100",
    "cp1252",
    "shift_jis",
    "nonsense",
)
WORDS = {
    charset.UNDECODABLE,
    charset.TRUNCATED,
    charset.UNDECLARED_BYTES,
    charset.UNDECLARED_ESCAPE,
    charset.UNKNOWN_ESCAPE,
    charset.SHIFT_JIS,
}


def run(data: bytes) -> None:
    """First byte: number of terms and whether it is a name; then the terms; then the text."""
    if not data:
        return
    count, is_name = data[0] & 3, bool(data[0] & 4)
    terms = [TERMS[byte % len(TERMS)] for byte in data[1 : 1 + count]]
    text_bytes = data[1 + count :]
    declared = CharacterSet.from_terms(terms)
    text, problem = decode_text(text_bytes, declared, is_name=is_name)
    values, problem_of_values = decode_values(text_bytes, declared, is_name=is_name)
    assert isinstance(text, str)
    assert values
    assert all(isinstance(value, str) for value in values)
    assert len(text) <= len(text_bytes)
    for found in (problem, problem_of_values):
        assert found is None or set(found.split("; ")) <= WORDS, found
    if problem is None:
        try:
            encoded = encode_text(text, declared, is_name=is_name)
        except EncodeError:
            return
        again, problem = decode_text(encoded, declared, is_name=is_name)
        assert (again, problem) == (text, None)


def starts() -> list[bytes]:
    """Texts of the sets that are switched to by escape sequences, with their terms, and of those that stand alone."""
    number = {term: TERMS.index(term) for term in TERMS}
    samples = [
        (["ISO_IR 100"], b"D\xf6e^J\xfcrgen"),
        (["ISO_IR 192"], "Döe^\u5c71\U0001f600".encode()),
        (["", "ISO 2022 IR 87"], b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J"),
        (["", "ISO 2022 IR 149"], b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
        (["", "ISO 2022 IR 58"], b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"),
        (["", "ISO 2022 IR 159", "ISO 2022 IR 87"], b"\x1b$(D0!\x1b(B\\\x1b$B;3\x1b(B"),
        (["ISO 2022 IR 100", "ISO 2022 IR 144"], b"\x1b-L\xbb\xee\x1b-A\xe4"),
        (["GB18030"], b"A\\\x81\\B\x81\x30\x81\x30"),
        (["GBK"], b"\xcd\xf5^\xd0\xa1"),
    ]
    return [
        bytes([len(terms) | is_name, *(number[term] for term in terms)]) + text
        for terms, text in samples
        for is_name in (0, 4)
    ]


ESCAPES = (b"\x1b$B", b"\x1b(B", b"\x1b(J", b"\x1b$)C", b"\x1b$)A", b"\x1b-L", b"\x1b-A", b"\x1b$(D", b"\x1b)I")
HARNESS = Harness("charset", starts, run, (*ESCAPES, b"\\", b"^", b"="), 256)
