"""A file read by position, in pieces, has the values and the errors of the same bytes in memory."""

from tests.fuzz import seeds
from tests.fuzz.harness import Harness, as_file
from tests.fuzz.outcomes import outcome

# What is read by the look of the bytes behind it, which may not have been read yet.
GUESSED = {"implicit_element", "unknown_vr", "length_wrapped", "unreadable_header"}


def run(data: bytes) -> None:
    """Compare both ways, unless a header had to be guessed."""
    with as_file(data) as path:
        from_file = outcome(path, "report", texts=False)
    from_memory = outcome(data, "report", texts=False)
    if GUESSED & (from_file.kinds | from_memory.kinds):
        return
    assert from_file.values == from_memory.values, "reading by position changes a value"
    assert from_file.kinds == from_memory.kinds, "reading by position changes a deviation"
    assert type(from_file.error) is type(from_memory.error), "reading by position changes an error"


def spread() -> list[bytes]:
    """Files whose headers lie further apart than one read reaches."""
    from tests.builders import PIXEL_DATA, element, item, part10, plain, sequence

    pixels = element(PIXEL_DATA, "OW", bytes(9000))
    text = element(0x0040A160, "UT", b"text")
    long = element(0x00091001, "UN", bytes(9000))
    return [
        part10(plain() + long + element(0x00280010, "US", b"\1\0")),
        part10(plain() + long + sequence(0x0040A730, item(text), undefined=True) + pixels),
        part10(plain() + sequence(0x0040A730, item(element(0x0040A040, "UC", b"x" * 9000) + text)) + text),
    ]


HARNESS = Harness("path", lambda: [*seeds.built(), *spread()], run, seeds.TRICKY, 10240)
