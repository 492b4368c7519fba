"""The generated inputs are what they claim: readable, with the stated counts, lengths and values."""

import hashlib
from pathlib import Path

import pytest

from benchmarks import encode, workloads

pydicom = pytest.importorskip("pydicom")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("corpus")


def all_elements(data_set):
    for element in data_set:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from all_elements(item)


@pytest.mark.parametrize("name", workloads.NAMES)
def test_pydicom_counts_the_stated_elements(name, root):
    corpus = workloads.corpus(name, "XS", root=root)
    for path in corpus.paths:
        with pydicom.dcmread(path) as data_set:
            found = len(data_set.file_meta) + sum(1 for _ in all_elements(data_set))
            assert found == corpus.header_elements + 1 - name.startswith("sr-")
            assert len(data_set) == corpus.top_level_elements
            if "PixelData" in data_set:
                frames = int(data_set.get("NumberOfFrames", 1))
                assert len(data_set.PixelData) == frames * data_set.Rows * data_set.Columns * 2
    assert sum(Path(path).stat().st_size for path in corpus.paths) == corpus.total_bytes


def test_ct_header_has_207_elements_and_138_at_the_top(root):
    for name in workloads.SYNTAXES:
        corpus = workloads.corpus(name, "XS", root=root)
        assert (corpus.header_elements, corpus.top_level_elements) == (207, 138)


def test_counts_grow_to_the_issue_s_sizes():
    groups, frames = workloads.PARAMETERS["M"]["groups"], workloads.PARAMETERS["M"]["frames"]
    assert 1 + workloads.GROUP_ITEMS * groups == 50_001
    writer = encode.Writer()
    writer.data_set(workloads.report_elements(4, 1))
    four = writer.counts.elements
    writer.data_set(workloads.report_elements(6, 1))
    a_pair = writer.counts.elements - 2 * four
    assert (four - 2 * a_pair) + a_pair * groups // 2 == 565_065
    writer = encode.Writer()
    writer.data_set(workloads.enhanced_elements(2, 1))
    two = writer.counts.elements
    writer.data_set(workloads.enhanced_elements(3, 1))
    a_frame = writer.counts.elements - 2 * two
    assert (two - 2 * a_frame) + a_frame * frames == 42_071


@pytest.mark.parametrize("syntax", workloads.SYNTAXES)
def test_files_differ_where_images_of_a_series_differ(syntax, root):
    corpus = workloads.corpus(syntax, "XS", root=root)
    first, second = (pydicom.dcmread(path, stop_before_pixels=True) for path in corpus.paths[:2])
    assert first.file_meta.TransferSyntaxUID == workloads.SYNTAXES[syntax]
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    assert first.ImagePositionPatient[2] != second.ImagePositionPatient[2]
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.Rows == 512
    assert first.ExposureTime == 500
    assert first.RequestAttributesSequence[0].RequestedProcedureCodeSequence[0].CodeValue == "IMG112"


def test_the_three_encodings_hold_the_same_values(root):
    readings = []
    for name in workloads.SYNTAXES:
        data_set = pydicom.dcmread(workloads.corpus(name, "XS", root=root).paths[0])
        public = [(e.tag, e.VM, str(e.value)) for e in all_elements(data_set) if not e.tag.is_private and e.VR != "SQ"]
        pixels = data_set.PixelData
        if name == "ct-explicit-be":
            pixels = bytes(pixels[k ^ 1] for k in range(4096))
        readings.append((public[:-1], bytes(pixels[:4096])))
    assert readings[0] == readings[1] == readings[2]


@pytest.mark.parametrize(
    ("name", "undefined"),
    [("sr-known", False), ("sr-undefined", True), ("enhanced-known", False), ("enhanced-undefined", True)],
)
def test_lengths_are_known_or_undefined_throughout(name, undefined, root):
    data_set = pydicom.dcmread(workloads.corpus(name, "XS", root=root).path)
    sequences = [e for e in all_elements(data_set) if e.VR == "SQ"]
    assert len(sequences) > 50 if name.startswith("sr-") else len(sequences) > 20
    assert all(e.is_undefined_length is undefined for e in sequences)


def test_generation_is_reproducible(tmp_path):
    digests = []
    for folder in ("a", "b"):
        corpus = workloads.corpus("sr-undefined", "XS", root=tmp_path / folder)
        digests.append(hashlib.sha256(Path(corpus.path).read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_a_corpus_is_generated_once(tmp_path):
    first = workloads.corpus("ct-explicit-le", "XS", root=tmp_path)
    before = Path(first.paths[0]).stat().st_mtime_ns
    assert workloads.corpus("ct-explicit-le", "XS", root=tmp_path) == first
    assert Path(first.paths[0]).stat().st_mtime_ns == before
    other = workloads.corpus("ct-explicit-le", "XS", root=tmp_path, files=3)
    assert len(other.paths) == 3
    assert other.folder != first.folder


def test_corpora_of_an_earlier_generator_are_removed(tmp_path):
    corpus = workloads.corpus("sr-known", "XS", root=tmp_path)
    other = workloads.corpus("sr-known", "XS", root=tmp_path, groups=1)
    stale = tmp_path / "sr-known-XS-0123456789abcdef"
    corpus.folder.rename(stale)
    assert workloads.corpus("sr-known", "XS", root=tmp_path) == corpus
    assert not stale.exists()
    assert other.folder.exists()


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown workload"):
        workloads.corpus("mr", "XS", root=tmp_path)
