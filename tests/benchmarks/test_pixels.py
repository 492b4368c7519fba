"""The tasks on pixel data: everyone gives the samples that were put in, and plain C fills as many bytes."""

import importlib.util
import shutil

import numpy as np
import pytest

from benchmarks import yardsticks
from benchmarks.compare import codecs, pictures, pixels
from benchmarks.yardsticks import pixels as plain
from tests.support import missing

pytest.importorskip("pydicom")
if shutil.which("cc") is None:
    pytest.skip("no C compiler", allow_module_level=True)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.setattr(pixels, "CORPUS", tmp_path)
    monkeypatch.setattr(codecs, "CORPUS", tmp_path)


def check(task):
    roles = set()
    for entry in task.entries:
        if entry.role == "peer" and entry.toolkit not in ("pydicom", "NumPy", "bare"):
            continue  # what other toolkits give is part of the comparison, not of this test
        result = entry.run()
        if entry.own_clock:
            assert result > 0
        else:
            assert entry.compare is not None
            assert entry.compare(result) in ("equal", "equal, or one off", "near the source")
        roles.add(entry.role)
    assert "own" in roles


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", pixels.TASKS)
def test_answers_are_equal(name):
    check(pixels.TASKS[name]("XS"))


@pytest.mark.peers
@pytest.mark.parametrize("name", pictures.TASKS)
def test_pictures_are_equal_or_one_off(name):
    if importlib.util.find_spec("PIL") is None:
        missing("Pillow is not installed")
    task = pictures.TASKS[name]("XS")
    assert [entry.toolkit for entry in task.entries] == ["dicomwire", "Pillow"]
    for entry in task.entries:
        assert entry.compare(entry.run()) in ("equal", "equal, or one off")
    assert task.entries[0].compare(255 - task.entries[0].run()) == "DIFFERENT"


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", codecs.TASKS)
def test_coded_frames_are_equal(name):
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        missing("imagecodecs is not installed")
    task = codecs.TASKS[name]("XS")
    if name == "coded-htj2k" or importlib.util.find_spec("gdcm") is None:  # which pydicom has its codecs from
        task.entries = [entry for entry in task.entries if entry.toolkit != "pydicom"]
    check(task)


def test_wrong_answers_are_found():
    values = np.arange(6).reshape(2, 3)
    assert pixels.equal_to(values)(values + 1) == "DIFFERENT"
    assert pixels.equal_to(values)([values, values[::-1]]) == "DIFFERENT"
    assert pixels.equal_to(values)(np.uint64(16)) == "DIFFERENT"
    assert pixels.equal_to(values)(values[None]) == "equal"


@pytest.mark.parametrize("name", plain.KERNELS)
def test_plain_c_fills_the_frames_that_dicomwire_fills(name):
    """Kernels against the ones that are measured beside them."""
    source, size, frames = np.random.default_rng(2).integers(0, 256, 600, dtype=np.uint8), 96, 2
    step = {"copy": 96, "swap16": 96, "twelve": 72, "bits": 12, "planes": 96, "ybr422": 64}[name]
    to, data = yardsticks.Buffer(size * frames), yardsticks.Buffer(source.tobytes())
    assert plain.run(name, to, data, size, step, frames) > 0
    found = np.frombuffer(to.memory, np.uint8)[: size * frames].reshape(frames, size)
    parts = source[: step * frames].reshape(frames, step)
    if name == "ybr422":
        expected = pixels.reference_rgb(parts.reshape(frames, 1, step)).reshape(frames, size)
        assert np.abs(found.astype(int) - expected).max() <= 1
        return
    expected = {
        "copy": lambda part: part,
        "swap16": lambda part: part.view("<u2").byteswap().view(np.uint8),
        "twelve": lambda part: pixels.numpy_twelve(part.tobytes(), 1).reshape(-1).view(np.uint8),
        "bits": lambda part: np.unpackbits(part, bitorder="little"),
        "planes": lambda part: pixels.numpy_planes(part.tobytes(), 1).reshape(-1),
    }[name]
    assert all(np.array_equal(each, expected(part)) for each, part in zip(found, parts, strict=True))
    with pytest.raises(ValueError, match="too short"):
        plain.run(name, to, data, size, step, 600)
