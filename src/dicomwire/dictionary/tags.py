"""Tags and what the dictionary says of them: keyword, VR, VM, name (PS3.6 chapters 6 to 9, PS3.7 Annex E).

The keywords are loaded with this module, the other columns and the private elements when first asked for.
"""

from __future__ import annotations

from dicomwire.dictionary._keywords import KEYWORD_TO_TAG, REPEATER_KEYWORD_TO_MASK

Entry = tuple[str, str, str, bool, str]
PrivateEntry = tuple[str, str, str]

_GROUP_LENGTH: Entry = ("UL", "1", "Group Length", False, "")
_PRIVATE_CREATOR: Entry = ("LO", "1", "Private Creator", False, "")

_tag_to_keyword: dict[int, str] = {}
_private: dict[str, dict[str, PrivateEntry]] = {}
_folded: dict[
    int, list[tuple[str, str]]
] = {}  # length -> keywords of this length without case, for suggestions


class Tag(int):
    """A data element tag: an int, (group << 16) + element, that knows its parts and prints as (gggg,eeee).

    Made from an int, a (group, element) pair or two ints, a keyword, or text such as "00100010", "0010,0010"
    and "(0010,0010)".  Raises ValueError for text that is neither a tag nor a keyword and for numbers out of
    range.
    """

    __slots__ = ()

    def __new__(cls, tag: int | str | tuple[int, int] | list[int], element: int | None = None) -> Tag:
        if isinstance(tag, str):
            if element is not None:
                raise TypeError("a tag in text form already has its element number")
            return int.__new__(cls, _parse_tag(tag))
        if element is not None:
            if not isinstance(tag, int):
                raise TypeError(
                    f"expected group and element as two ints, found {type(tag).__name__} and an int"
                )
            tag = (tag, element)
        if isinstance(tag, int):
            if not 0 <= tag <= 0xFFFFFFFF:
                raise ValueError(f"a tag has 32 bits, found {tag:#x}")
            return int.__new__(cls, tag)
        group, element = tag
        if not (0 <= group <= 0xFFFF and 0 <= element <= 0xFFFF):
            raise ValueError(f"group and element have 16 bits each, found {group:#x} and {element:#x}")
        return int.__new__(cls, group << 16 | element)

    @property
    def group(self) -> int:
        """The group number, the upper 16 bits."""
        return self >> 16

    @property
    def element(self) -> int:
        """The element number, the lower 16 bits."""
        return self & 0xFFFF

    elem = element

    @property
    def is_private(self) -> bool:
        """True for an odd group number (PS3.5 section 7.8)."""
        return self & 0x10000 != 0

    @property
    def is_private_creator(self) -> bool:
        """True for (gggg,0010) to (gggg,00FF) with gggg odd, which reserve a block (PS3.5 section 7.8.1)."""
        return self & 0x10000 != 0 and 0x10 <= self & 0xFFFF <= 0xFF

    @property
    def is_group_length(self) -> bool:
        """True for (gggg,0000) (PS3.5 section 7.2)."""
        return self & 0xFFFF == 0

    @property
    def keyword(self) -> str:
        """The keyword, "" when the dictionary has none."""
        return keyword_for_tag(self)

    def __str__(self) -> str:
        return f"({self >> 16:04X},{self & 0xFFFF:04X})"

    def __repr__(self) -> str:
        return f"Tag(0x{self >> 16:04X}, 0x{self & 0xFFFF:04X})"


def _parse_tag(text: str) -> int:
    tag = KEYWORD_TO_TAG.get(text)
    if tag is not None:
        return tag
    digits = text.strip()
    if digits.startswith("(") and digits.endswith(")"):
        digits = digits[1:-1]
    group, comma, element = digits.partition(",")
    if comma:
        group, element = group.strip(), element.strip()
        digits = group + element if len(group) == len(element) == 4 else ""
    elif digits[:2] in ("0x", "0X"):
        digits = digits[2:]
    if len(digits) == 8 and digits.isascii() and digits.isalnum():
        try:
            return int(digits, 16)
        except ValueError:
            pass  # letters beyond F: a misspelt keyword, reported below
    if text in REPEATER_KEYWORD_TO_MASK:
        raise ValueError(f"{text} is in a repeating group and has many tags: see repeater_tag()")
    raise ValueError(f"{text!r} is neither a keyword nor a tag such as '00100010' or '(0010,0010)'")


def tag_for_keyword(keyword: str) -> Tag | None:
    """Return the tag with this keyword, None for an unknown one and for those of repeating groups."""
    tag = KEYWORD_TO_TAG.get(keyword)
    return None if tag is None else int.__new__(Tag, tag)


def keyword_for_tag(tag: int) -> str:
    """Return the keyword of a tag, "" when the dictionary has none; repeating groups included."""
    if not _tag_to_keyword:
        _tag_to_keyword.update(zip(KEYWORD_TO_TAG.values(), KEYWORD_TO_TAG, strict=True))
    keyword = _tag_to_keyword.get(tag)
    if keyword is None:
        entry = dictionary_entry(tag)
        keyword = "" if entry is None else entry[4]
    return keyword


def repeater_mask(tag: int) -> str | None:
    """Return the mask of the repeating group or element that a tag belongs to, such as "60xx3000", else None.

    An x stands for any hexadecimal digit. Elements that the dictionary lists by themselves, private ones and
    group lengths belong to none (PS3.5 sections 7.2 and 7.6).
    """
    from dicomwire.dictionary._elements import ELEMENT_ROWS, REPEATER_ROWS

    if tag & 0x10000 or tag & 0xFFFF == 0 or tag in ELEMENT_ROWS:
        return None
    digits = f"{tag:08X}"
    for mask in (
        f"{digits[:2]}xx{digits[4:]}",
        f"{digits[:6]}xx",
        f"{digits[:6]}x{digits[7]}",
        f"{digits[:4]}xxx{digits[7]}",
        f"{digits[:4]}xxxx",
    ):
        if mask in REPEATER_ROWS:
            return mask
    return None


def repeater_tag(keyword: str, number: int = 0) -> Tag:
    """Return the tag of a repeating keyword, numbers counting from 0.

    OverlayData is (6000,3000), (6002,3000) and so on: groups count in even steps.  Raises KeyError for a
    keyword that does not repeat, ValueError for a number beyond the range that the mask allows.
    """
    mask = REPEATER_KEYWORD_TO_MASK[keyword]
    width = mask.count("x")
    step = 2 if mask[2:4] == "xx" else 1
    if not 0 <= number * step < 16**width:
        raise ValueError(f"{keyword} {mask} repeats {16**width // step} times at most, found number {number}")
    return Tag(int(mask.replace("x" * width, f"{number * step:0{width}X}"), 16))


def dictionary_entry(tag: int) -> Entry | None:
    """Return (VR, VM, name, retired, keyword) of a tag, None for unknown and for private elements.

    Repeating groups, group lengths and private creators are covered.  The VR can be a choice ("US or SS") and
    is "NONE" for items and delimiters.
    """
    from dicomwire.dictionary._elements import ELEMENT_ROWS, REPEATER_ROWS, split_row

    row = ELEMENT_ROWS.get(tag)
    if row is not None:
        return split_row(row)
    if tag & 0xFFFF == 0:
        return _GROUP_LENGTH
    if tag & 0x10000:
        return _PRIVATE_CREATOR if 0x10 <= tag & 0xFFFF <= 0xFF else None
    mask = repeater_mask(tag)
    return None if mask is None else split_row(REPEATER_ROWS[mask])


def dictionary_vr(tag: int) -> str | None:
    """Return the VR of a tag, equal to the compiled lookup; None when unknown.  See dictionary_entry."""
    entry = dictionary_entry(tag)
    return None if entry is None else entry[0]


def dictionary_vm(tag: int) -> str | None:
    """Return the VM of a tag in the standard's form ("1", "1-n", "2-2n"); None when unknown."""
    entry = dictionary_entry(tag)
    return None if entry is None else entry[1]


def dictionary_name(tag: int) -> str | None:
    """Return the name of a tag ("Patient's Name"); None when unknown."""
    entry = dictionary_entry(tag)
    return None if entry is None else entry[2]


def private_element(creator: str, tag: int) -> PrivateEntry | None:
    """Return (VR, VM, name) of a private element of this creator, in whatever block it is; None when unknown.

    A few rows of the source give the bare offset, ggggooee with oo = 00.  No private element can stand there
    (PS3.5 section 7.8.1), so they too are taken to hold for every block.
    """
    elements = _private.get(creator)
    if elements is None:
        from dicomwire.dictionary._private import CREATORS

        text = CREATORS.get(creator)
        if text is None:
            return None
        elements = {}
        for row in text.split("\n"):
            mask, vr, vm, name = row.split("|")
            elements[mask] = (vr, vm, name)
        _private[creator] = elements
    digits = f"{tag:08X}"
    group, offset = digits[:4], digits[6:]
    for mask in (digits, f"{group}xx{offset}", f"{group[:2]}xxxx{offset}", f"{group}00{offset}"):
        entry = elements.get(mask)
        if entry is not None:
            return entry
    return None


def suggest_keywords(name: str, limit: int = 3) -> list[str]:
    """Return the keywords most like a misspelt attribute name, best first.

    None for names that start with an underscore.  Takes one or two milliseconds: meant for the text of an
    error, not for a program's control flow.
    """
    if not name or name.startswith("_") or len(name) > 80:
        return []
    if not _folded:
        for keyword in (*KEYWORD_TO_TAG, *REPEATER_KEYWORD_TO_MASK):
            _folded.setdefault(len(keyword), []).append((keyword.casefold(), keyword))
    wanted = name.casefold()
    length = len(wanted)
    allowed = max(1, min(3, length // 4))
    ranked: list[tuple[int, int, str]] = []
    for size, candidates in _folded.items():
        if size > length >= 4:  # cut short, or without "UID" or "Sequence"
            rank = 1 + (size - length) // 4
            ranked += [(rank, size - length, key) for folded, key in candidates if folded.startswith(wanted)]
        if -allowed <= size - length <= allowed:
            for folded, keyword in candidates:
                # Two ends that both differ are no slip of the pen; this spares most of the distances.
                if folded[0] == wanted[0] or folded[-1] == wanted[-1]:
                    distance = _edit_distance(wanted, folded, allowed)
                    if distance <= allowed:
                        ranked.append((distance, abs(size - length), keyword))
    ranked.sort()
    near = [keyword for distance, _, keyword in ranked if distance <= ranked[0][0] + 1]
    return list(dict.fromkeys(near))[:limit]


def _edit_distance(a: str, b: str, limit: int) -> int:
    """Return how many insertions, deletions and changes part two texts, limit + 1 when more than limit."""
    start, end = 0, min(len(a), len(b))
    while start < end and a[start] == b[start]:
        start += 1
    tail = 0
    while tail < end - start and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    a, b = a[start : len(a) - tail], b[start : len(b) - tail]
    if len(set(a) ^ set(b)) > 2 * limit:
        return limit + 1
    previous = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        current = [i]
        for j, other in enumerate(b, start=1):
            change = previous[j - 1] + (letter != other)
            current.append(min(change, previous[j] + 1, current[j - 1] + 1))
        if min(current) > limit:
            return limit + 1
        previous = current
    return min(previous[-1], limit + 1)
