"""``dicomwire modify``: sets, inserts and deletes elements of many files; all else in them stays as it is."""

from __future__ import annotations

from typing import NamedTuple

import click

from _dicomwire.dataset import DataElement, DataSet, Sequence
from _dicomwire.part10 import dcmread
from dicomwire.cli.console import normal_key, policy_option
from dicomwire.cli.rewriting import UNCHANGED, WRITTEN, Rewriting, prepare, rewriting_options
from dicomwire.dictionary import Tag, dictionary_vr
from dicomwire.errors import EncodeError
from dicomwire.file.writer import dcmwrite


class Change(NamedTuple):
    """What is to be done with an element: its path, and the text of its value, None to delete it."""

    key: str
    text: str | None
    missing_only: bool


_WHOLE = ("US", "SS", "UL", "SL", "UV", "SV")
_REAL = ("FL", "FD")
_BYTES = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")


def _assignments(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pairs of key and text of KEY=VALUE."""
    found = []
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} has no =", ctx=ctx, param=param)
        found.append((_key(key, ctx, param), value))
    return found


def _keys(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> list[str]:
    found = []
    for text in given:
        around, _, last = text.strip().rpartition(".")
        if around and last.isascii() and last.isdigit() and len(around.split(".")) % 2:
            found.append(f"{_key(around, ctx, param)}.{last}")  # an item
        else:
            found.append(_key(text, ctx, param))
    return found


def _key(text: str, ctx: click.Context, param: click.Parameter) -> str:
    try:
        return normal_key(text.strip())
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None


@click.command("modify")
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER|FILE...", type=click.Path(exists=True))
@click.option(
    "-s", "--set", "settings", multiple=True, metavar="KEY=VALUE", callback=_assignments,
    help="Give an element this value, inserting it where there is none.  Backslashes separate several values.",
)  # fmt: skip
@click.option(
    "-i", "--insert", "insertions", multiple=True, metavar="KEY=VALUE", callback=_assignments,
    help="The same, where there is no such element.",
)  # fmt: skip
@click.option(
    "-d", "--delete", "deletions", multiple=True, metavar="KEY", callback=_keys, help="Delete an element, or an item."
)
@rewriting_options
@policy_option
def modify(
    paths: tuple[str, ...],
    settings: list[tuple[str, str]],
    insertions: list[tuple[str, str]],
    deletions: list[str],
    folder: str | None,
    overwrite: bool,
    workers: int,
    skip_foreign: bool,
    synchronize: bool,
    policy: str,
) -> None:
    """Change elements of files, and of all files in folders and below.

    KEY is a keyword, a tag, or a path such as RequestAttributesSequence.0.ScheduledProcedureStepID; keys of group 0002
    are File Meta Information.  First is deleted, then set, then inserted.  A file takes its name when it is complete;
    one that needs no change is left alone.  The exit status is 1 when a file failed.
    """
    changes = [Change(key, None, False) for key in deletions]
    changes += [Change(key, text, False) for key, text in settings]
    changes += [Change(key, text, True) for key, text in insertions]
    if not changes:
        raise click.UsageError("nothing to do: give --set, --insert or --delete")

    def work(path: str, target: str) -> str:
        ds = dcmread(path, policy=policy)
        changed = [apply(ds, change) for change in changes]
        if not any(changed) and folder is None:
            return UNCHANGED
        if folder is not None:
            prepare(target)
        dcmwrite(target, ds, overwrite=folder is None or overwrite, policy=policy, synchronize=synchronize)
        return WRITTEN if any(changed) else UNCHANGED

    Rewriting(
        paths, work, folder=folder, workers=workers, skip_foreign=skip_foreign, verb="modifying"
    ).run()  # fmt: skip


def apply(data_set: DataSet, change: Change) -> bool:
    """Change a data set as asked for; whether it is another one now.  EncodeError for a value that does not fit."""
    around, _, last = change.key.rpartition(".")
    at: object = data_set
    if around:
        if around not in data_set:
            if change.text is None:
                return False
            raise EncodeError("there is no item to set it in", path=change.key)
        at = data_set[around]
        if isinstance(at, DataElement):
            at = at.value
    elif int(Tag(last)) >> 16 == 2:
        at = data_set.file_meta
    if isinstance(at, Sequence):
        if change.text is not None:
            raise EncodeError("an item has no value to set", path=change.key)
        if not int(last) < len(at):
            return False
        del at[int(last)]
        return True
    if not isinstance(at, DataSet):
        raise EncodeError("the path leads to no item", path=change.key)
    if change.text is None:
        if last not in at:
            return False
        del at[last]
        return True
    if last in at:
        if change.missing_only:
            return False
        before = at[last]
        if before.VR not in _BYTES and not isinstance(before.value, Sequence):
            value = value_of(change.text, before.VR, change.key)
            if before.value == value and change.text == _text_of(before):
                return False
    vr = at[last].VR if last in at else (dictionary_vr(int(Tag(last))) or "")
    at[last] = value_of(change.text, vr, change.key)
    return True


def _text_of(element: DataElement) -> str:
    """A value as it is given on the command line."""
    value = element.value
    return "\\".join(str(part) for part in value) if isinstance(value, list) else "" if value is None else str(value)


def value_of(text: str, vr: str, key: str) -> object:
    """The value that a text of the command line means for a VR; EncodeError where it means none."""
    first = vr.split(" ")[0]
    try:
        if first in _WHOLE:
            return [int(part, 0) for part in text.split("\\")] if text else None
        if first in _REAL:
            return [float(part) for part in text.split("\\")] if text else None
        if first == "AT":
            return [int(Tag(part)) for part in text.split("\\")] if text else None
    except ValueError:
        raise EncodeError(f"{first} takes numbers", path=key, section="PS3.5 6.2") from None
    if first == "SQ":
        if text:
            raise EncodeError("a sequence can only be set to no items", path=key)
        return []
    if first in _BYTES:
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise EncodeError(f"{first} takes bytes as hexadecimal digits", path=key) from None
    return text
