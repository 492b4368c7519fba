"""The plain C limits do all of the work that they claim: they count what generator and pydicom count."""

import json
import shutil
import struct
import subprocess

import pytest

from benchmarks import encode, workloads, yardsticks

pytest.importorskip("pydicom")  # its dictionary gives the sequence tags
if shutil.which("cc") is None:
    pytest.skip("no C compiler", allow_module_level=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def library():
    return yardsticks.library()


@pytest.mark.parametrize("name", workloads.SYNTAXES)
def test_walk_of_files_counts_every_element(name, root, library):
    corpus = workloads.corpus(name, "XS", root=root)
    taken, elements = library.walk_files(yardsticks.PathList(corpus.paths))
    assert elements == len(corpus.paths) * (corpus.header_elements + 1)  # and Pixel Data
    assert taken > 0


@pytest.mark.parametrize("name", ["sr-known", "sr-undefined", "enhanced-known", "enhanced-undefined"])
def test_walk_in_memory_counts_every_element(name, root, library):
    corpus = workloads.corpus(name, "XS", root=root)
    expected = corpus.header_elements + name.startswith("enhanced")
    with open(corpus.path, "rb") as stream:
        data = stream.read()
    assert library.walk_memory(yardsticks.Buffer(data))[1] == expected
    head = yardsticks.Buffer(data[: corpus.header_bytes])
    assert library.walk_memory(head, beyond=len(data) - corpus.header_bytes)[1] == expected
    assert library.load_walk(corpus.path)[1] == expected
    assert library.load_walk(corpus.path, size=corpus.header_bytes)[1] == expected


def part10(data_set, syntax=encode.EXPLICIT_LE):
    return encode.file_meta(encode.Counts(), encode.CT_IMAGE_STORAGE, "1.2.3", syntax) + data_set


def nested(writer, depth):
    items = encode.Items([[encode.Element(0x00080100, "SH", "A")]])
    for _ in range(depth - 1):
        items = encode.Items([[encode.Element(0x0040A730, "SQ", items)]])
    return writer.element(encode.Element(0x0040A730, "SQ", items))


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", workloads.SYNTAXES.values())
def test_walk_follows_the_nesting(syntax, undefined, library):
    writer = encode.writer_for(syntax, undefined=undefined)
    data = part10(nested(writer, 20), syntax)
    assert library.walk_memory(yardsticks.Buffer(data))[1] == 7 + 21


def test_walk_refuses_what_it_cannot_follow(library):
    writer = encode.writer_for(encode.EXPLICIT_LE, undefined=True)
    cases = {
        "not DICOM": bytes(200),
        "too deep": part10(nested(writer, 100)),
        "truncated": part10(nested(writer, 3)[:-8]),
        "bad VR": part10(struct.pack("<HH2sH", 8, 5, b"??", 0)),
        "bad delimiter": part10(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)),
        "unsupported": part10(b"", "1.2.840.10008.1.2.1.99"),
    }
    for reason, data in cases.items():
        with pytest.raises(yardsticks.YardstickError, match=reason):
            library.walk_memory(yardsticks.Buffer(data))


def test_truncated_value_is_not_counted_as_read(root, library):
    corpus = workloads.corpus("sr-known", "XS", root=root)
    with open(corpus.path, "rb") as stream:
        data = stream.read()
    with pytest.raises(yardsticks.YardstickError, match="truncated"):
        library.walk_memory(yardsticks.Buffer(data[:-5]))


def test_missing_files_are_told(library, tmp_path):
    absent = yardsticks.PathList([str(tmp_path / "absent.dcm")])
    for run in (library.open_read, library.walk_files):
        with pytest.raises(yardsticks.YardstickError, match="i/o error"):
            run(absent)


def test_copy_copies_and_read_reads_all(library, tmp_path):
    source = yardsticks.Buffer(bytes(range(256)) * 64)
    target = yardsticks.Buffer(source.size)
    assert library.copy(target, source) > 0
    assert target.memory.raw == source.memory.raw
    with pytest.raises(ValueError, match="shorter"):
        library.copy(yardsticks.Buffer(10), source)
    path = tmp_path / "bytes"
    path.write_bytes(bytes(300_001))
    assert library.read_whole(str(path))[1] == 300_001


def test_program_prints_json(root):
    corpus = workloads.corpus("ct-implicit-le", "XS", root=root)
    report = workloads.corpus("sr-undefined", "XS", root=root)
    for arguments, expected in (
        (["walk", "-r", "3", *corpus.paths], {"what": "walk", "elements": 2 * 208, "files": 2}),
        (["open", *corpus.paths], {"what": "open", "files_read": 2}),
        (["memory", report.path], {"what": "memory", "elements": report.header_elements}),
        (["read", report.path], {"what": "read", "bytes": report.total_bytes}),
        (["copy", "4096"], {"what": "copy", "bytes": 4096}),
    ):
        done = subprocess.run([yardsticks.program(), *arguments], capture_output=True, text=True, check=True)
        facts = json.loads(done.stdout.splitlines()[0])
        assert expected.items() <= facts.items()
        assert 0 < facts["best_ns"] <= facts["median_ns"]
