"""``dicomwire convert``: writes many files in another transfer syntax."""

from __future__ import annotations

import click

from _dicomwire.part10 import dcmread
from dicomwire.cli.console import policy_option
from dicomwire.cli.rewriting import UNCHANGED, WRITTEN, Rewriting, prepare, rewriting_options
from dicomwire.dictionary import UID
from dicomwire.dictionary.transfer_syntax import transfer_syntax
from dicomwire.file.writer import dcmwrite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _dicomwire.dataset import DataSet

_SHORT = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "deflated": "1.2.840.10008.1.2.1.99",
    "big": "1.2.840.10008.1.2.2",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg-lossless": "1.2.840.10008.1.2.4.70",
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
    "htj2k": "1.2.840.10008.1.2.4.201",
    "jpeg-xl": "1.2.840.10008.1.2.4.110",
}


def _syntax(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """A transfer syntax by a short word, its keyword or its UID."""
    if text is None:
        return None
    uid = _SHORT.get(text.lower(), text)
    if transfer_syntax(uid) is None:
        try:
            uid = UID.from_keyword(text)
        except KeyError:
            uid = ""
    if transfer_syntax(uid) is None:
        words = ", ".join(_SHORT)
        raise click.BadParameter(f"{text!r} is no transfer syntax: {words}, a keyword or a UID", ctx=ctx, param=param)
    return str(uid)


def _change_pixels(ds: DataSet, syntax: str | None) -> None:
    """Encode or decode pixel data where a transfer syntax asks for another form."""
    target, source = transfer_syntax(syntax or ""), transfer_syntax(ds.transfer_syntax or "")
    if target is None or "PixelData" not in ds or (source is not None and source.uid == target.uid):
        return
    if target.encapsulated:
        ds.compress(target.uid)
    elif source is not None and source.encapsulated:
        ds.decompress()


@click.command("convert")
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER|FILE...", type=click.Path(exists=True))
@click.option(
    "-t", "--transfer-syntax", "syntax", metavar="SYNTAX", callback=_syntax,
    help="implicit, explicit, deflated, big, rle, jpeg-lossless, jpeg-ls, jpeg2000, htj2k, jpeg-xl, a keyword or a UID."
    "  [default: that of each file]",
)  # fmt: skip
@click.option(
    "--lengths", type=click.Choice(["keep", "known", "undefined"]), default="keep", show_default=True,
    help="Of sequences and items.",
)  # fmt: skip
@rewriting_options
@policy_option
def convert(
    paths: tuple[str, ...],
    syntax: str | None,
    lengths: str,
    folder: str | None,
    overwrite: bool,
    workers: int,
    skip_foreign: bool,
    synchronize: bool,
    policy: str,
) -> None:
    """Write files, and all files in folders and below, in another transfer syntax.

    Pixel data are decoded and encoded where it takes that, by dicomwire[codecs] unless it is RLE; a lossy transfer
    syntax, by keyword or UID, makes a new instance.  What nothing encodes is an error of that file.  A file takes its
    name when it is complete; one that is as it should be is left alone.  The exit status is 1 when a file failed.
    """
    if syntax is None and lengths == "keep":
        raise click.UsageError("nothing to do: give --transfer-syntax or --lengths")

    def work(path: str, target: str) -> str:
        ds = dcmread(path, policy=policy)
        same = lengths == "keep" and syntax == ds.transfer_syntax
        if same and folder is None:
            return UNCHANGED
        if folder is not None:
            prepare(target)
        if not same:
            _change_pixels(ds, syntax)
        dcmwrite(
            target,
            ds,
            transfer_syntax=syntax,
            lengths=lengths,
            policy=policy,
            overwrite=folder is None or overwrite,
            synchronize=synchronize,
        )
        return UNCHANGED if same else WRITTEN

    Rewriting(
        paths, work, folder=folder, workers=workers, skip_foreign=skip_foreign, verb="converting"
    ).run()  # fmt: skip
