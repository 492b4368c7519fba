"""The command line as a whole: what it imports, how fast it starts, how it is called."""

import importlib.metadata
import json
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

import dicomwire
from dicomwire.cli.__main__ import COMMANDS, cli
from tests.builders import element, part10

HEAVY = ("asyncio", "numpy", "pyarrow", "rich", "isal", "dataclasses", "concurrent", "logging", "html")

IMPORTS = """
import json, sys
with_json = "json" in sys.modules
from dicomwire.cli.__main__ import cli
try:
    cli(sys.argv[1:], prog_name="dicomwire")
except SystemExit as end:
    assert not end.code, end.code
print()
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("cli") / "a.dcm"
    file.write_bytes(part10(element(0x00100010, b"PN", b"Doe^Jane") + element(0x00280010, b"US", b"\1\0")))
    return file


def modules(*arguments):
    """Names of the modules that a process has imported after one command."""
    command = [sys.executable, "-c", IMPORTS, *[str(argument) for argument in arguments]]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def imported_by_click():
    command = [sys.executable, "-c", "import click, json, sys; print(json.dumps(sorted(sys.modules)))"]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_what_each_command_imports(path, tmp_path):
    """inspect comes with click, which needs it; json is imported by the script above."""
    by_click = imported_by_click()
    ours = {
        (): ({"dicomwire.cli"}, {"dicomwire.cli.dump", "dicomwire.cli.scan", "dicomwire.scanning"}),
        ("dump", path): (
            {"dicomwire.cli.dump", "dicomwire.cli.dump_text"},
            {"dicomwire.cli.scan", "dicomwire.cli.dump_json", "dicomwire.scanning", "csv", "dicomwire.arrow"},
        ),
        ("dump", "--json", path): ({"dicomwire.cli.dump_json"}, {"dicomwire.cli.dump_text", "dicomwire.scanning"}),
        ("dump", "--tape", path): ({"dicomwire.cli.dump"}, {"dicomwire.cli.dump_text", "dicomwire.cli.dump_json"}),
        ("scan", path): ({"dicomwire.scanning"}, {"dicomwire.cli.dump", "csv", "dicomwire.arrow"}),
        ("scan", path, "-o", tmp_path / "i.csv"): ({"csv"}, {"dicomwire.cli.dump", "dicomwire.arrow"}),
        ("scan", path, "-o", tmp_path / "i.ndjson"): ({"dicomwire.cli.tables"}, {"dicomwire.arrow", "csv"}),
    }
    for arguments, (wanted, unwanted) in ours.items():
        found = modules(*(arguments or ("--version",)))
        assert wanted <= found, arguments
        assert not unwanted & found, arguments
        assert not {name for name in found - by_click if name.partition(".")[0] in HEAVY}, arguments
        assert ("inspect" in found) <= ("inspect" in by_click), arguments


def test_only_parquet_imports_pyarrow(path, tmp_path):
    pytest.importorskip("pyarrow")
    found = modules("scan", path, "-o", tmp_path / "i.parquet")
    assert {"pyarrow", "dicomwire.arrow"} <= found
    assert "rich" not in found


def test_dump_of_a_small_file_takes_less_than_100_ms(path):
    """The whole process, interpreter and all; the best of many runs, since the machine may be busy with other things.

    Where the interpreter alone needs more than a third of it, the rest counts: that machine is slow.
    """

    def best(*command):
        times = []
        for _ in range(12):
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - start)
        return min(times)

    empty = best("-c", "pass")
    taken = best("-m", "dicomwire", "dump", str(path))
    assert taken < max(0.100, 7 * empty), f"{taken * 1000:.0f} ms, the interpreter alone {empty * 1000:.0f} ms"


def test_python_m_dicomwire_and_the_installed_command_are_the_same(path):
    result = subprocess.run(
        [sys.executable, "-m", "dicomwire", "dump", str(path)], capture_output=True, text=True, check=True
    )
    assert result.stdout == CliRunner().invoke(cli, ["dump", str(path)]).stdout
    points = importlib.metadata.entry_points(group="console_scripts", name="dicomwire")
    assert [point.value for point in points] == ["dicomwire.cli.__main__:main"]


def test_version_and_help():
    runner = CliRunner()
    assert runner.invoke(cli, ["--version"]).stdout == f"dicomwire {dicomwire.__version__}\n"
    result = runner.invoke(cli, ["--help"])
    listed = [line.split()[0] for line in result.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == [
        "dump", "frames", "image", "scan", "modify", "convert", "json", "xml", "sr", "dicomdir", "deid",
        "echo", "echoscp", "send", "receive", "monitor",
    ]  # fmt: skip
    for command in COMMANDS:
        result = runner.invoke(cli, [command, "--help"])
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: cli {command} ") or command in result.stdout
    assert runner.invoke(cli, ["dmp"]).exit_code == 2


def test_output_that_cannot_express_a_letter_gets_an_escape(tmp_path):
    path = tmp_path / "a.dcm"
    name = "山田".encode()
    path.write_bytes(part10(element(0x00080005, b"CS", b"ISO_IR 192") + element(0x00100010, b"PN", name)))
    result = subprocess.run(
        [sys.executable, "-m", "dicomwire", "dump", str(path)],
        capture_output=True, check=True, env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert rb"[\u5c71\u7530]" in result.stdout
