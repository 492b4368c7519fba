"""Reading from stores: how many requests a header takes, by our own count and by the server's, and what goes wrong."""

from __future__ import annotations

import gc
import pickle
import random
import threading
import zlib
from collections.abc import Iterator

import pytest

import dicomwire
from dicomwire import dcmread, open_remote
from dicomwire.errors import DecodeError, TruncatedError, UnsupportedError
from dicomwire.streaming.stores import public_name
from tests.builders import DEFLATED, JPEG, PIXEL_DATA, UNDEFINED, element, item, part10, plain, sequence_end
from tests.conftest import RealFiles
from tests.streaming.servers import S3, Web, s3_server, web_server
from tests.support import module

fsspec = module("fsspec")
HTTPFileSystem = module("fsspec.implementations.http").HTTPFileSystem
obstore = module("obstore")
module("obstore.store")

PIXELS = bytes(range(256)) * 4096  # 1 MiB
IMAGE = part10(plain(pixels=PIXELS))
GUESS = 65536


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        web.objects["/image.dcm"] = IMAGE
        yield web
        for filesystem in list(HTTPFileSystem._cache.values()):
            if filesystem._session is not None:
                HTTPFileSystem.close_session(filesystem.loop, filesystem._session)
                filesystem._session = None
        HTTPFileSystem.clear_instance_cache()
        gc.collect()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as s3:
        yield s3


def s3_options(s3: S3) -> dict[str, object]:
    return {
        "endpoint": s3.url,
        "access_key_id": "testing",
        "secret_access_key": "SECRETKEY",
        "region": "us-east-1",
        "client_options": {"allow_http": True},
    }


@pytest.fixture
def bucket(s3: S3) -> str:
    """Options for S3Store; the bucket has image.dcm."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=s3.url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    client.create_bucket(Bucket="images")
    client.put_object(Bucket="images", Key="some/image.dcm", Body=IMAGE)
    client.close()
    s3.log.clear()
    return "images"


def with_header(size: int, *, pixels: bytes = PIXELS) -> bytes:
    """A file whose header is at least ``size`` bytes, of many elements."""
    value = b"x" * 1000
    more = b"".join(element(0x00091001 + i, "LO", value) for i in range(size // 1000 + 1))
    start = plain()
    cut = start.index(element(0x00100010, "PN", b"Doe^John"))
    data = start[:cut] + more + start[cut:]
    return part10(data + (element(PIXEL_DATA, "OW", pixels) if pixels else b""))


# ---------------------------------------------------------------------------------------------------------- web server


def test_a_normal_header_takes_one_request(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm")
    ds = dcmread(remote)
    assert (ds.PatientID, str(ds.PatientName), ds.Modality) == ("12345", "Doe^John", "CT")
    assert ds.filename == f"{web.url}/image.dcm"
    assert len(list(ds.iterall())) == 6
    assert remote.size == len(IMAGE)
    assert (remote.requests, remote.bytes_read) == (1, GUESS)
    assert (web.requests, web.bytes_sent) == (1, GUESS)
    assert web.log[0].range == (0, GUESS)


def test_a_longer_header_takes_two(web: Web) -> None:
    data = web.objects["/long.dcm"] = with_header(200_000)
    remote = open_remote(f"{web.url}/long.dcm")
    ds = dcmread(remote)
    assert [e.tag for e in ds] == [e.tag for e in dcmread(data)]
    assert ds.PatientID == "12345"
    assert remote.requests == web.requests == 2
    assert remote.bytes_read == web.bytes_sent == 1 << 20


def test_a_header_of_megabytes_takes_a_few(web: Web) -> None:
    web.objects["/long.dcm"] = with_header(10_000_000)
    remote = open_remote(f"{web.url}/long.dcm")
    assert dcmread(remote).PatientID == "12345"
    assert remote.requests == web.requests == 6


def test_a_value_within_the_header_is_skipped(web: Web) -> None:
    """A megabyte before the last elements: its bytes are never asked for."""
    data = web.objects["/middle.dcm"] = part10(
        plain() + element(0x00290011, "OB", PIXELS) + element(0x00400001, "AE", b"AE")
    )
    remote = open_remote(f"{web.url}/middle.dcm")
    ds = dcmread(remote)
    assert ds[0x00400001].value == "AE"
    assert (remote.requests, web.requests) == (2, 2)
    assert remote.bytes_read < 2 * GUESS
    assert bytes(ds[0x00290011].value) == PIXELS
    assert web.log[-1].range == (data.index(PIXELS), data.index(PIXELS) + len(PIXELS))


def test_a_value_is_one_request_when_asked_for(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm")
    ds = dcmread(remote)
    value = ds.PixelData
    assert value == PIXELS
    assert value.readonly
    assert remote.requests == web.requests == 2
    assert remote.bytes_read == GUESS + len(PIXELS)
    assert web.log[1].range == (ds["PixelData"].offset, ds["PixelData"].offset + len(PIXELS))


def test_url_given_to_dcmread(web: Web) -> None:
    ds = dcmread(f"{web.url}/image.dcm?token=SECRET")
    assert ds.PatientID == "12345"
    assert ds.filename == f"{web.url}/image.dcm"
    assert bytes(ds.PixelData) == PIXELS
    assert [asked.path for asked in web.log] == ["/image.dcm?token=SECRET"] * 2
    assert dcmread(f"{web.url}/image.dcm", stop_before_pixels=True).get("PixelData") is None


def test_real_files_through_http(web: Web, real_files: RealFiles) -> None:
    """Every real file: the same elements as from the disk; headers in at most two requests where that can be."""
    more = []
    for package, path in real_files:
        data = path.read_bytes()
        try:
            near = dcmread(path)
            tags = [e.tag for e in near]
        except (DecodeError, UnsupportedError) as error:
            web.objects["/file"] = data
            with pytest.raises(type(error)):
                list(dcmread(f"{web.url}/file"))
            continue
        web.objects["/file"] = data
        web.log.clear()
        remote = open_remote(f"{web.url}/file")
        far = dcmread(remote)
        if remote.requests > 2:
            more.append((package, path.name, remote.requests, len(data)))
        assert [e.tag for e in far] == tags, path
        for element_near, element_far in zip(near, far, strict=True):
            assert element_near == element_far, (path, element_near.tag)
        assert far.deviations == near.deviations
        assert remote.requests == web.requests
        assert remote.bytes_read == web.bytes_sent
    assert not more


def test_one_range_for_each_frame_side_by_side(web: Web) -> None:
    """The server answers none before all four have come: they are on their way at the same time."""
    remote = open_remote(f"{web.url}/image.dcm", max_parallel=4)
    start = dcmread(remote)["PixelData"].offset
    web.gate = threading.Barrier(4)
    extents = [(start + number * 200_000, 100_000) for number in range(4)]
    views = remote.read_ranges(extents)
    assert web.waited == 4
    assert [bytes(view) for view in views] == [IMAGE[o : o + n] for o, n in extents]
    assert remote.requests == web.requests == 5
    assert sorted(asked.range for asked in web.log[1:]) == [(o, o + n) for o, n in extents]
    remote.close()


def test_prefetched_ranges_are_not_asked_for_again(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm")
    ds = dcmread(remote)
    offset = ds["PixelData"].offset
    remote.prefetch([(offset, len(PIXELS))])
    assert remote.requests == 2
    assert ds.PixelData == PIXELS
    assert bytes(remote.read_ranges([(offset + 7, 100)])[0]) == PIXELS[7:107]
    assert remote.requests == web.requests == 2


def test_near_ranges_are_fetched_together(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm")
    near = [(200_000 + i * 1000, 500) for i in range(100)]
    remote.prefetch([*near, (900_000, 10)])
    assert remote.requests == web.requests == 3
    assert [bytes(view) for view in remote.read_ranges(near)] == [IMAGE[o : o + n] for o, n in near]
    remote.prefetch([*near, (900_000, 10)])
    assert web.requests == 3
    remote.prefetch([(300_000, 50_000), (350_000, 50_000)], max_length=60_000)
    assert web.requests == 5


def test_what_is_kept_is_bounded(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm", keep_bytes=100_000)
    remote.prefetch([(100_000, 60_000), (200_000, 60_000)], max_gap=0)
    assert web.requests == 2  # the second one does not fit any more
    remote.prefetch([(300_000, 60_000)])
    assert web.requests == 3
    remote.read_ranges([(300_000, 60_000)])
    assert web.requests == 3
    remote.read_ranges([(100_000, 60_000)])  # dropped for the other
    assert web.requests == 4


def test_reads_end_where_the_object_does(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm")
    end = len(IMAGE)
    first, second, third = remote.read_ranges([(end - 10, 100), (end + 10, 5), (20, 0)])
    assert (bytes(first), len(second), len(third)) == (IMAGE[-10:], 0, 0)
    with pytest.raises(ValueError, match="negative"):
        remote.read_ranges([(-1, 5)])


def test_server_that_answers_with_less_is_asked_again(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm")
    web.most = 300_000
    assert dcmread(remote).PixelData == PIXELS
    assert remote.requests == web.requests == 1 + 4


def test_server_that_answers_in_crumbs(web: Web) -> None:
    ds = dcmread(f"{web.url}/image.dcm")
    web.most = 1000
    with pytest.raises(OSError, match="answered with 1000 bytes"):
        _ = ds.PixelData


def test_many_threads(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm", keep_bytes=200_000)
    wrong = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(20):
            extents = [(chance.randrange(len(IMAGE)), chance.randrange(30_000)) for _ in range(3)]
            if chance.random() < 0.5:
                remote.prefetch(extents)
            for (offset, length), view in zip(extents, remote.read_ranges(extents), strict=True):
                if view != IMAGE[offset : offset + length]:
                    wrong.append((offset, length))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert (remote.requests, remote.bytes_read) == (web.requests, web.bytes_sent)
    assert sum(len(view) for view in remote._kept.values()) <= 200_000
    remote.close()


def test_file_object_over_a_remote_file(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm")
    with remote.as_file(buffer_size=300_000) as file:
        assert file.read() == IMAGE
        assert file.seek(-4, 2) == len(IMAGE) - 4
        assert file.read(10) == IMAGE[-4:]
        assert file.seek(0) == 0
        assert file.read(200) == IMAGE[:200]
    remote.close()
    with pytest.raises(ValueError, match="closed"):
        remote.read_ranges([(0, 1)])


def test_small_and_empty_objects(web: Web) -> None:
    web.objects["/small"] = part10(plain())
    web.objects["/empty"] = b""
    assert dcmread(f"{web.url}/small").PatientID == "12345"
    with pytest.raises(DecodeError, match="empty"):
        dcmread(f"{web.url}/empty")
    assert web.requests == 2


def test_deflated_data_set(web: Web) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    noise = zlib.compress(bytes(range(256)) * 2000, 0)[:300_000]
    packed = packer.compress(plain(pixels=noise)) + packer.flush()
    web.objects["/deflated"] = part10(b"", DEFLATED) + packed
    remote = open_remote(f"{web.url}/deflated", first_guess=1024)
    ds = dcmread(remote)
    assert ds.PatientID == "12345"
    assert web.requests <= 2
    assert bytes(ds.PixelData) == noise
    assert remote.requests == web.requests


def test_fragments(web: Web) -> None:
    pieces = [bytes([number]) * 70_000 for number in range(5)]
    pixel_data = element(PIXEL_DATA, "OB", length=UNDEFINED) + item() + b"".join(map(item, pieces)) + sequence_end()
    web.objects["/fragments"] = part10(plain() + pixel_data, JPEG)
    remote = open_remote(f"{web.url}/fragments")
    ds = dcmread(remote)
    assert remote.requests == 1
    assert [bytes(piece) for piece in ds.PixelData] == pieces
    assert remote.requests == web.requests


def test_pickled_with_all_bytes(web: Web) -> None:
    remote = open_remote(f"{web.url}/image.dcm")
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(remote)
    ds = pickle.loads(pickle.dumps(dcmread(remote)))
    assert ds.PixelData == PIXELS


# -------------------------------------------------------------------------------------------------- what goes wrong


def test_replaced_object_is_refused(web: Web) -> None:
    for etag, honours in (("strong", True), ("strong", False), ("weak", True), ("none", True)):
        web.etag, web.honours_match = etag, honours
        web.objects["/image.dcm"] = IMAGE
        ds = dcmread(f"{web.url}/image.dcm")
        web.objects["/image.dcm"] = part10(plain(pixels=PIXELS[::-1] + (b"" if etag != "none" else b"longer")))
        with pytest.raises(DecodeError, match="changed"):
            bytes(ds.PixelData)
        assert ds.PatientID == "12345"


def test_removed_object(web: Web) -> None:
    ds = dcmread(f"{web.url}/image.dcm")
    del web.objects["/image.dcm"]
    with pytest.raises(FileNotFoundError):
        _ = ds.PixelData


@pytest.mark.parametrize(
    ("status", "expected"),
    [(404, FileNotFoundError), (410, FileNotFoundError), (401, PermissionError), (403, PermissionError),
     (500, OSError), (503, OSError)],
)  # fmt: skip
def test_errors_of_the_server_name_no_secrets(web: Web, status: int, expected: type[OSError]) -> None:
    web.status = status
    host = web.url.removeprefix("http://")
    with pytest.raises(expected) as caught:
        open_remote(f"http://user:PASSWORD@{host}/image.dcm?signature=SECRET#SECRET")
    assert isinstance(caught.value, OSError)
    assert caught.value.filename == f"{web.url}/image.dcm"
    told = str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        told += repr(error)
        error = error.__cause__ or error.__context__
    assert "SECRET" not in told
    assert "PASSWORD" not in told


def test_nobody_listens() -> None:
    with web_server() as web:
        url = web.url
    with pytest.raises(OSError, match="the store failed") as caught:
        open_remote(f"{url}/image.dcm?signature=SECRET")
    assert "SECRET" not in str(caught.value)


def test_server_without_ranges(web: Web) -> None:
    web.ranges = False
    web.objects["/small"] = part10(plain())
    assert dcmread(f"{web.url}/small").PatientID == "12345"
    with pytest.raises(UnsupportedError, match="ranges"):
        open_remote(f"{web.url}/image.dcm")


def test_server_that_hides_the_size(web: Web) -> None:
    web.hides_size = True
    with pytest.raises(UnsupportedError, match="size"):
        open_remote(f"{web.url}/image.dcm")


def test_server_that_lies(web: Web) -> None:
    for lie, expected in (("other range", OSError), ("endless", OSError), ("compressed", UnsupportedError)):
        web.lie = lie
        with pytest.raises(expected):
            open_remote(f"{web.url}/image.dcm")
        web.lie = ""
        ds = dcmread(f"{web.url}/image.dcm")
        web.lie = lie
        with pytest.raises(expected):
            _ = ds.PixelData


def test_redirections_are_counted(web: Web) -> None:
    web.redirect["/moved"] = f"{web.url}/image.dcm"
    remote = open_remote(f"{web.url}/moved")
    assert dcmread(remote).PatientID == "12345"
    assert remote.requests == web.requests == 2


def test_wrong_arguments(web: Web) -> None:
    url = f"{web.url}/image.dcm"
    with pytest.raises(ValueError, match="path"):
        open_remote(url, "image.dcm")
    with pytest.raises(ValueError, match="path"):
        open_remote(obstore.store.MemoryStore())
    with pytest.raises(ValueError, match="options"):
        open_remote(obstore.store.MemoryStore(), "a", storage_options={})
    with pytest.raises(TypeError, match="store"):
        open_remote(7, "a")
    with pytest.raises(ValueError, match="at least"):
        open_remote(url, max_parallel=0)
    with pytest.raises(UnsupportedError, match="filesystem"):
        open_remote("nonsense://host/file")
    with pytest.raises(ValueError, match="event loop"):
        open_remote(HTTPFileSystem(asynchronous=True), url)
    with pytest.raises(ValueError, match="storage_options") as caught:
        open_remote("s3://bucket/key", storage_options={"nonsense": "SECRET"})
    assert "SECRET" not in str(caught.value)


def test_names_without_secrets() -> None:
    assert public_name("https://u:p@host:8/a/b.dcm?X-Amz-Signature=1#f") == "https://host:8/a/b.dcm"
    assert public_name("simplecache::https://u@h/a?x=1") == "simplecache::https://h/a"
    assert public_name("s3://bucket/key") == "s3://bucket/key"
    assert public_name("https://u:p@ss@host/a@b") == "https://host/a@b"


# ------------------------------------------------------------------------------------------------- obstore and S3


def test_http_through_obstore(web: Web) -> None:
    store = obstore.store.HTTPStore(web.url, client_options={"allow_http": True})
    remote = open_remote(store, "image.dcm", max_parallel=4)
    ds = dcmread(remote)
    assert ds.PatientID == "12345"
    assert remote.requests == web.requests == 1
    assert ds.PixelData == PIXELS
    web.gate = threading.Barrier(4)
    remote.read_ranges([(100_000 * number, 1000) for number in range(1, 5)])
    assert web.waited == 4
    assert (remote.requests, remote.bytes_read) == (web.requests, web.bytes_sent)
    web.gate = None
    web.objects["/image.dcm"] = IMAGE[::-1]
    with pytest.raises(DecodeError, match="changed"):
        remote.read_ranges([(500_000, 10)])
    for status, expected in ((404, FileNotFoundError), (403, PermissionError), (401, PermissionError)):
        web.status = status
        with pytest.raises(expected):
            open_remote(store, "other")
    web.status, web.ranges = 0, False
    with pytest.raises(UnsupportedError, match="ranges"):
        open_remote(store, "image.dcm")


def test_s3_by_url(s3: S3, bucket: str) -> None:
    remote = open_remote(f"s3://{bucket}/some/image.dcm", storage_options=s3_options(s3))
    ds = dcmread(remote)
    assert ds.PatientID == "12345"
    assert ds.filename == "s3://images/some/image.dcm"
    assert remote.requests == 1
    assert s3.log == [("GET", "/images/some/image.dcm", "bytes=0-65535")]
    assert ds.PixelData == PIXELS
    offset = ds["PixelData"].offset
    assert s3.log[1:] == [("GET", "/images/some/image.dcm", f"bytes={offset}-{offset + len(PIXELS) - 1}")]
    assert (remote.requests, remote.bytes_read) == (2, GUESS + len(PIXELS))


def test_s3_by_store(s3: S3, bucket: str) -> None:
    store = obstore.store.S3Store(bucket, **s3_options(s3))  # type: ignore[arg-type]
    remote = open_remote(store, "some/image.dcm")
    assert dcmread(remote).PatientID == "12345"
    assert len(s3.log) == 1
    obstore.put(store, "some/image.dcm", IMAGE[::-1])
    with pytest.raises(DecodeError, match="changed"):
        remote.read_ranges([(500_000, 10)])
    obstore.put(store, "empty", b"")
    with pytest.raises(DecodeError, match="empty"):
        dcmread(open_remote(store, "empty"))
    with pytest.raises(FileNotFoundError) as caught:
        open_remote(store, "none")
    assert caught.value.filename == "S3Store/none"
    assert "SECRETKEY" not in str(caught.value)


# ------------------------------------------------------------------------------------------- other fsspec filesystems


def test_memory_filesystem() -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file("/image.dcm", IMAGE)
    ds = dcmread("memory://image.dcm")
    assert ds.PatientID == "12345"
    remote = open_remote(filesystem, "/image.dcm")
    assert remote.requests == 2  # size, and the first bytes
    ds = dcmread(remote)
    assert ds.PatientID == "12345"
    assert ds.PixelData == PIXELS
    assert (remote.requests, remote.bytes_read) == (4, GUESS + len(PIXELS))
    filesystem.pipe_file("/image.dcm", IMAGE[:-1])
    with pytest.raises(DecodeError, match="changed"):
        _ = ds.PixelData
    filesystem.rm("/image.dcm")
    with pytest.raises(FileNotFoundError):
        _ = ds.PixelData
    filesystem.pipe_file("/folder/image.dcm", IMAGE)
    with pytest.raises(IsADirectoryError):
        open_remote("memory://folder")
    filesystem.rm("/folder", recursive=True)


# ---------------------------------------------------------------------------------------- any object with read_ranges


class Bare:
    """The least that dcmread needs of a remote source."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.asked: list[tuple[int, int]] = []

    def read_ranges(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        self.asked += ranges
        return [self.data[offset : offset + length] for offset, length in ranges]


def test_own_object() -> None:
    bare = Bare(IMAGE)
    ds = dcmread(bare)
    assert ds.filename is None
    assert ds.PatientID == "12345"
    assert ds.PixelData == PIXELS
    assert bare.asked == [(0, GUESS), (ds["PixelData"].offset, len(PIXELS))]


def test_own_object_that_misbehaves() -> None:
    bare = Bare(IMAGE)
    ds = dcmread(bare)
    bare.data = IMAGE[:100_000]
    with pytest.raises(TruncatedError) as caught:
        _ = ds.PixelData
    assert caught.value.path == "PixelData"
    bare.read_ranges = lambda ranges: [bytes(length + 1) for _, length in ranges]  # type: ignore[method-assign]
    with pytest.raises(DecodeError):
        _ = ds.PixelData
    with pytest.raises(DecodeError):
        dcmread(bare)
    bare.read_ranges = lambda ranges: []  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="values to unpack"):
        dcmread(bare)
    bare.read_ranges = lambda ranges: [b"" for _ in ranges]  # type: ignore[method-assign]
    with pytest.raises(DecodeError):
        dcmread(bare)
    for size in (-1, 1 << 62, 1 << 70):
        bare.size = size
        with pytest.raises((ValueError, OverflowError)):
            dcmread(bare)


def test_lazy_name() -> None:
    assert dicomwire.open_remote is open_remote
    assert "open_remote" in dir(dicomwire)
