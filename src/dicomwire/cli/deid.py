"""``dicomwire deid``: files de-identified by the basic profile of PS3.15 Annex E and its options."""

from __future__ import annotations

import os
import sys
from functools import lru_cache, partial

import click

from dicomwire.cli.batches import foreign_option, places, run, workers_option
from dicomwire.cli.console import complain, error_message
from dicomwire.deid import Deidentifier, Options
from dicomwire.errors import DicomWireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RETAIN = ("uids", "device", "institution", "patient", "full-dates", "modified-dates")
_CLEAN = ("descriptors", "structured-content", "graphics", "pixel-data", "recognizable-features")
LEAST_KEY = 16


def _private(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """The arguments of --retain-private: CREATOR,GROUP,ELEMENT."""
    found = []
    for text in given:
        try:
            creator, group, element = text.rsplit(",", 2)
            found.append((creator, int(group, 16), int(element, 16)))
        except ValueError:
            raise click.BadParameter(f"{text!r}: expected CREATOR,GROUP,ELEMENT", ctx=ctx, param=param) from None
        if not found[-1][1] & 1 or not 0 <= found[-1][2] <= 0xFF:
            raise click.BadParameter(f"{text!r}: an odd group and two digits", ctx=ctx, param=param)
    return found


@click.command("deid")
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path())
@click.option(
    "--to",
    "folder",
    required=True,
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Where the files go, each named by its new SOP Instance UID.",
)
@click.option("--keep-names", is_flag=True, help="Keep the names of files and folders; they may identify, too.")
@click.option(
    "--key-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, exists=True),
    help="A secret of 16 bytes and more: the same one gives the same UIDs and pseudonyms.  Without it they are of "
    "this run alone.",
)
@click.option(
    "--retain", multiple=True, type=click.Choice(_RETAIN), help="Options of PS3.15; can be given several times."
)
@click.option("--shift-days", type=int, metavar="DAYS", help="With --retain modified-dates: by how many days.")
@click.option(
    "--retain-private",
    "private",
    multiple=True,
    metavar="CREATOR,GROUP,ELEMENT",
    callback=_private,
    help="A private element that is safe: 'SIEMENS MR HEADER,0019,0C'.",
)
@click.option(
    "--clean",
    multiple=True,
    type=click.Choice(_CLEAN),
    help="Options that need judgement: refused here, see the documentation of dicomwire.deid.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@foreign_option
@workers_option
def deid(
    paths: tuple[str, ...], folder: str, keep_names: bool, key_file: str | None, retain: tuple[str, ...],
    shift_days: int | None, private: list[tuple[str, int, int]], clean: tuple[str, ...], overwrite: bool,
    skip_foreign: bool, workers: int,
) -> None:  # fmt: skip
    """De-identify files: the Basic Application Confidentiality Profile of PS3.15 Annex E.

    Text that is burned into pixel data is NOT touched.  The exit status is 1 when a file could not be de-identified;
    nothing is written for it.
    """
    try:
        key = _key(key_file)
        options: dict[str, Any] = {f"retain_{name.replace('-', '_')}": True for name in retain}
        options.update({f"clean_{name.replace('-', '_')}": True for name in clean})
        options.update(shift_days=shift_days, retain_private=tuple(private))
        Options(**options)
        work = partial(
            deidentify_file,
            folder=folder,
            keep_names=keep_names,
            key=key,
            options=tuple(options.items()),
            overwrite=overwrite,
        )
        pairs = list(places(paths, folder if keep_names else None))
        failed = run("deid", work, pairs, workers, skip_foreign=skip_foreign)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except (DicomWireError, OSError) as error:
        complain("deid", error_message(error))
        sys.exit(1)
    sys.exit(1 if failed else 0)


def _key(path: str | None) -> bytes:
    if path is None:
        return os.urandom(32)
    with open(path, "rb") as file:
        key = file.read(4096).strip()
    if len(key) < LEAST_KEY:
        raise ValueError(f"--key-file: {len(key)} bytes, expected {LEAST_KEY} at least")
    return key


@lru_cache(maxsize=1)
def _deidentifier(key: bytes, options: tuple[tuple[str, Any], ...]) -> Deidentifier:
    return Deidentifier(key, Options(**dict(options)))


def deidentify_file(
    source: str,
    target: str,
    *,
    folder: str,
    keep_names: bool,
    key: bytes,
    options: tuple[tuple[str, Any], ...],
    overwrite: bool,
) -> int:
    """De-identify one file; bytes written."""
    os.makedirs(os.path.dirname(target) if keep_names else folder, exist_ok=True)
    owner = _deidentifier(key, options)
    path, _ = owner.file(source, target if keep_names else None, folder=folder, overwrite=overwrite)
    return os.path.getsize(path)
