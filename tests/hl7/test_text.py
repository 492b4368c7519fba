"""Character sets of MSH-18 and escape sequences."""

from __future__ import annotations

import pytest

from dicomwire.hl7.message import Message
from dicomwire.hl7.text import ESCAPES, NO_MULTIBYTE, PAIRS, charset_of, unescape


@pytest.mark.parametrize(
    ("declared", "data", "text", "multibyte"),
    [
        (b"", b"plain", "plain", NO_MULTIBYTE),
        (b"", "Müller".encode(), "Müller", NO_MULTIBYTE),
        (b"", "Müller".encode("latin-1"), "Müller", NO_MULTIBYTE),
        (b"ASCII", "Müller".encode("latin-1"), "Müller", NO_MULTIBYTE),
        (b"8859/1", "Müller".encode("latin-1"), "Müller", NO_MULTIBYTE),
        (b"8859/2", "Łódź".encode("iso8859_2"), "Łódź", NO_MULTIBYTE),
        (b"8859/5", "Иван".encode("iso8859_5"), "Иван", NO_MULTIBYTE),
        (b"8859/15", "12 €".encode("iso8859_15"), "12 €", NO_MULTIBYTE),
        (b"UNICODE UTF-8", "山田".encode(), "山田", NO_MULTIBYTE),
        (b"UTF-8", "山田".encode(), "山田", NO_MULTIBYTE),
        (b"GB 18030-2000", "张三".encode("gb18030"), "张三", PAIRS),
        (b"BIG-5", "張三".encode("big5"), "張三", PAIRS),
        (b"KS X 1001", "김희중".encode("euc_kr"), "김희중", NO_MULTIBYTE),
        (b"ISO IR6~ISO IR87", "山田".encode("iso2022_jp"), "山田", ESCAPES),
        (b"~ISO IR87", "山田".encode("iso2022_jp"), "山田", ESCAPES),
        (b"ISO IR14~ISO IR87", b"\xd4\xcf\xc0\xde", "ﾔﾏﾀﾞ", ESCAPES),
    ],
)
def test_character_sets(declared: bytes, data: bytes, text: str, multibyte: int) -> None:
    charset = charset_of(declared)
    assert charset.is_known
    assert charset.multibyte == multibyte
    assert charset.decode(data) == text


def test_unknown_sets_are_told_and_guessed() -> None:
    charset = charset_of(b"CNS 11643-1992")
    assert not charset.is_known
    assert charset.decode("ü".encode()) == "ü"
    assert not charset_of(b"x" * 100_000).is_known


def test_names_in_the_sets_of_their_messages() -> None:
    big5 = "MSH|^~\\&|A||||||ADT^A01|1|P|2.4||||||BIG-5\rPID|||1||許功蓋^大|".encode("big5")
    assert b"\\" in big5[12:]
    message = Message(big5)
    assert message.get("PID-5.1") == "許功蓋"
    assert message.get("PID-5.2") == "大"
    header = b"MSH|^~\\&|A||||||ADT^A01|1|P|2.4||||||~ISO IR87\rPID|||1||"
    message = Message(header + "ﾔ".encode("ascii", "ignore") + "山田^太郎".encode("iso2022_jp") + b"|1961\r")
    assert message.get("PID-5.1") == "山田"
    assert message.get("PID-5.2") == "太郎"
    assert message.get("PID-6") == "1961"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("\\X4869\\!", "Hi!"),
        ("\\XC3BC\\", "ü"),
        ("\\H\\bold\\N\\", "bold"),
        ("one\\.br\\two\\.sp2\\three\\.in+4\\", "one\ntwo\nthree"),
        ("\\Zown\\ \\Q\\", "\\Zown\\ \\Q\\"),
        ("50\\", "50\\"),
        ("C:\\data\\F\\x", "C:\\data|x"),
        ("\\X4\\ \\XZZ\\", "\\X4\\ \\XZZ\\"),
        ("\\\\", "\\\\"),
        ("", ""),
    ],
)
def test_escape_sequences(escaped: str, text: str) -> None:
    assert unescape(escaped, "|", "^~\\&", lambda data: data.decode("utf-8")) == text


def test_without_an_escape_character_nothing_is_replaced() -> None:
    assert unescape("a\\F\\b", "|", "^~") == "a\\F\\b"
    assert unescape("a*F*b", "#", "@!*%") == "a#b"


def test_escapes_take_time_in_proportion() -> None:
    text = "\\" * 100_000 + "F" * 1_000_000
    assert unescape(text, "|", "^~\\&") == text
