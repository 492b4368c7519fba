"""What all commands share: messages on stderr, text that is safe for a terminal, keys of elements, common options."""

from __future__ import annotations

import os
import re
import sys

import click

from dicomwire.dictionary import Tag, suggest_keywords
from dicomwire.dictionary._keywords import REPEATER_KEYWORD_TO_MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    Command = Callable[..., Any]

# Controls, and what turns the direction of text: a value must not drive the terminal that it is shown on.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def safe(text: str) -> str:
    """``text`` with control characters as XML references, ``&#27;``, as dcmdump quotes them on request."""
    return _UNSAFE.sub(lambda match: f"&#{ord(match[0])};", text)


def warn(place: str, message: str) -> None:
    """One line on stderr about something that was tolerated."""
    click.echo(f"dicomwire: warning: {safe(place)}: {safe(message)}", err=True)


def complain(place: str, message: str) -> None:
    """One line on stderr about something that failed."""
    click.echo(f"dicomwire: error: {safe(place)}: {safe(message)}", err=True)


def error_message(error: BaseException) -> str:
    """What went wrong, in one line without the class and, for files, without the path."""
    if isinstance(error, FileExistsError) and isinstance(error.filename, str):
        return f"{error.filename} is there already"  # the file that is meant is another one than was read
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio says which call failed, and the address once more
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "not enough memory"
    return str(error) or type(error).__name__


def output() -> IO[str]:
    """stdout, made to write what its encoding cannot express as escapes instead of failing."""
    stream = sys.stdout
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return stream


def policy_option(command: Command) -> Command:
    """The option ``--policy``."""
    return click.option(
        "--policy",
        type=click.Choice(["strict", "report", "ignore"]),
        default="report",
        show_default=True,
        help="Departures from the standard: fail at the first, report them, or say nothing.",
    )(command)


def is_path(key: str) -> bool:
    """Whether a key is a path through sequences and not a single keyword or tag."""
    return "." in key


def normal_key(key: str) -> str:
    """A keyword, tag or dotted path in the form that data sets take: tags as eight hexadecimal digits.

    Raises ValueError, with what may have been meant, for words that are neither keyword nor tag.
    """
    words = key.split(".")
    if len(words) % 2 == 0:
        raise ValueError(f"{key!r}: a path is Sequence.0.Element, with the item number after each sequence")
    for i, word in enumerate(words):
        if i % 2:
            if not (word.isascii() and word.isdigit()):
                raise ValueError(f"{key!r}: {word!r} is no item number; items count from 0")
        elif word not in REPEATER_KEYWORD_TO_MASK:
            try:
                tag = Tag(word)
            except ValueError as error:
                near = suggest_keywords(word)
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise ValueError(f"{error}{hint}") from None
            words[i] = tag.keyword or f"{tag:08X}"
    return ".".join(words)
