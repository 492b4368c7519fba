"""The command ``dicomwire``: finds the module of the sub-command that was asked for and imports only that."""

from __future__ import annotations

from importlib import import_module

import click

from dicomwire import __version__

# Name: (module, function, line for the list of commands, or None for an alias that is not listed).
COMMANDS: dict[str, tuple[str, str, str | None]] = {
    "dump": ("dicomwire.cli.dump", "dump", "Print files element by element, as text or JSON."),
    "frames": ("dicomwire.cli.frames", "frames", "List the frames of a file, or write one as it is encoded."),
    "image": ("dicomwire.cli.image", "image", "Write a frame as a picture, or a contact sheet of many."),
    "scan": ("dicomwire.cli.scan", "scan", "Index the headers of many files as CSV, NDJSON or Parquet."),
    "modify": ("dicomwire.cli.modify", "modify", "Set, insert and delete elements of many files."),
    "convert": ("dicomwire.cli.convert", "convert", "Write many files in another transfer syntax."),
    "json": ("dicomwire.cli.models", "json_command", "Print files as DICOM JSON Model, or convert folders."),
    "xml": ("dicomwire.cli.models", "xml_command", "Print a file as Native DICOM Model, or convert folders."),
    "sr": ("dicomwire.cli.report", "sr", "Print structured reports as text."),
    "dicomdir": ("dicomwire.cli.file_sets", "dicomdir", "List a DICOMDIR, or make a file-set of files."),
    "deid": ("dicomwire.cli.deid", "deid", "De-identify files by PS3.15 Annex E."),
    "echo": ("dicomwire.cli.echo", "echo", "Ask an application entity whether it answers (C-ECHO)."),
    "echoscp": ("dicomwire.cli.echo", "echoscp", "Answer C-ECHO: a verification provider."),
    "send": ("dicomwire.cli.send", "send", "Send files to an application entity (C-STORE)."),
    "receive": ("dicomwire.cli.receive", "receive", "Take instances into a folder: a storage provider."),
    "monitor": ("dicomwire.cli.monitor", "monitor", "Watch DICOM and HL7 traffic in captures or on an interface."),
    "dcmdump": ("dicomwire.cli.dump", "dump", None),
    "echoscu": ("dicomwire.cli.echo", "echo", None),
    "storescu": ("dicomwire.cli.send", "send", None),
    "storescp": ("dicomwire.cli.receive", "storescp", None),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (_, _, summary) in COMMANDS.items() if summary]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items() if summary])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dicomwire", message="%(prog)s %(version)s")
def cli() -> None:
    """Reads and writes DICOM files and speaks with application entities.

    Not a medical device, not for diagnosis or treatment.
    """


def main() -> None:
    """Runs the command line and ends the process with its exit status."""
    cli(prog_name="dicomwire")


if __name__ == "__main__":
    main()
