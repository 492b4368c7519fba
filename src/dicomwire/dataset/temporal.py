"""Dates, times and ages: text values of VR DA, TM, DT and AS as Python objects (PS3.5 section 6.2).

Values stay text until someone asks; :mod:`datetime` is imported here and nowhere else, because most programs
that index headers never need it.  A value of lesser precision becomes the first instant of the period it
names ("2020" as DT is 2020-01-01 00:00).  Python has no second 60: a leap second is returned as second 59 of
the same minute, with its fraction, and the value's text still says 60.  Padding at the end is ignored.
Messages give lengths and kinds, never the value, because dates identify people.

The ``*_range`` functions read the forms of range matching in queries (PS3.4 section C.2.2.2.5).
"""

from __future__ import annotations

from datetime import MINYEAR, date, datetime, time, timedelta, timezone
from typing import NoReturn

from _dicomwire.errors import ValueDecodeError

_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MIN_OFFSET_MINUTES = -12 * 60
_MAX_OFFSET_MINUTES = 14 * 60
_AGE_UNITS = "DWMY"


class _Place:
    """Where a value stands, for messages: VR, offset in the source and element path."""

    __slots__ = ("offset", "path", "vr")

    def __init__(self, vr: str, offset: int | None, path: str | None) -> None:
        self.vr = vr
        self.offset = offset
        self.path = path

    def refuse(self, expected: str, found: str, section: str = "PS3.5 6.2") -> NoReturn:
        message = f"{self.vr}: expected {expected}, found {found}"
        raise ValueDecodeError(message, offset=self.offset, path=self.path, section=section)


def _unpadded(text: str) -> str:
    return text.rstrip(" \0")


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


# --- dates ---


def _checked_date(year: int, month: int, day: int, place: _Place) -> date:
    if year < MINYEAR:
        place.refuse("a year from 0001 to 9999", "year 0000")
    if not 1 <= month <= 12:
        place.refuse("a month from 01 to 12", "another number")
    try:
        return date(year, month, day)
    except ValueError:
        place.refuse("a day of the Gregorian calendar", "a day its month does not have")


def _date(text: str, place: _Place) -> date:
    if len(text) == 8 and _is_digits(text):
        return _checked_date(int(text[:4]), int(text[4:6]), int(text[6:]), place)
    if len(text) == 10 and text[4] == text[7] == ".":
        digits = text[:4] + text[5:7] + text[8:]
        if _is_digits(digits):
            return _checked_date(int(digits[:4]), int(digits[4:6]), int(digits[6:]), place)
    if "-" in text:
        place.refuse("one date as YYYYMMDD", "a hyphen (parse_da_range reads ranges of queries)")
    place.refuse("YYYYMMDD", _kind_of(text))


def _kind_of(text: str) -> str:
    """What can be said of a text without showing it."""
    if not text:
        return "an empty value"
    plural = "" if len(text) == 1 else "s"
    return f"{len(text)} {'digit' if _is_digits(text) else 'character'}{plural}"


def parse_da(text: str, *, offset: int | None = None, path: str | None = None) -> date:
    """The date that a DA value names, from ``YYYYMMDD`` or the older ``YYYY.MM.DD`` of ACR-NEMA.

    ``offset`` and ``path`` only go into the error.  Raises ValueDecodeError for anything else, ranges too.
    """
    return _date(_unpadded(text), _Place("DA", offset, path))


# --- times ---


def _checked_time(digits: str, fraction: str, place: _Place) -> tuple[int, int, int, int]:
    """Hour, minute, second (60 read as 59) and microsecond of ``HH`` to ``HHMMSS`` and a fraction."""
    hour = int(digits[:2])
    minute = int(digits[2:4] or 0)
    second = int(digits[4:6] or 0)
    if hour > 23:
        place.refuse("an hour from 00 to 23", "another number")
    if minute > 59:
        place.refuse("a minute from 00 to 59", "another number")
    if second > 60:
        place.refuse("a second from 00 to 60", "another number")
    return hour, minute, min(second, 59), int(fraction.ljust(6, "0")) if fraction else 0


def _split_fraction(text: str, whole_length: int, form: str, place: _Place) -> tuple[str, str]:
    """The digits before and after the decimal point; a fraction needs ``whole_length`` digits before it."""
    digits, point, fraction = text.partition(".")
    if not _is_digits(digits):
        place.refuse(form, _kind_of(text))
    if point and (
        len(digits) != whole_length or len(fraction) > 6 or (fraction and not _is_digits(fraction))
    ):
        place.refuse("a fraction of 1 to 6 digits behind whole seconds", _kind_of(text))
    return digits, fraction


def _time_fields(text: str, place: _Place) -> tuple[int, int, int, int, int]:
    """Hour, minute, second, microsecond, and how many digits were there, those of the fraction included."""
    form = "HHMMSS.FFFFFF or a part of it from the left"
    if "-" in text:
        place.refuse("one time", "a hyphen (parse_tm_range reads ranges of queries)")
    whole = text
    if ":" in text:
        # ACR-NEMA wrote HH:MM:SS.frac; the colons stand after two digits each, and nowhere else.
        clock, point, fraction = text.partition(".")
        parts = clock.split(":")
        if len(parts) > 3 or any(len(part) != 2 for part in parts):
            place.refuse(form, _kind_of(text))
        whole = "".join(parts) + point + fraction
    digits, fraction = _split_fraction(whole, 6, form, place)
    if len(digits) not in (2, 4, 6):
        place.refuse(form, _kind_of(text))
    hour, minute, second, microsecond = _checked_time(digits, fraction, place)
    return hour, minute, second, microsecond, len(digits) + len(fraction)


def parse_tm(text: str, *, offset: int | None = None, path: str | None = None) -> time:
    """The time of day that a TM value names, without time zone.

    Reads ``HH``, ``HHMM``, ``HHMMSS``, ``HHMMSS.F`` to ``.FFFFFF`` and the older ``HH:MM:SS`` of ACR-NEMA;
    missing parts
    are zero; second 60 becomes 59.  Raises ValueDecodeError for anything else, ranges too.
    """
    hour, minute, second, microsecond, _ = _time_fields(_unpadded(text), _Place("TM", offset, path))
    return time(hour, minute, second, microsecond)


def _last_time(fields: tuple[int, int, int, int, int]) -> time:
    """The last microsecond of the period that a time of this precision names."""
    hour, minute, second, microsecond, digits = fields
    if digits < 4:
        minute = 59
    if digits < 6:
        second = 59
    microsecond += 10 ** (12 - max(digits, 6)) - 1
    return time(hour, minute, second, microsecond)


# --- date and time ---


def _utc_offset(suffix: str, place: _Place) -> timezone:
    hint = " (parse_dt_range reads ranges of queries)" if suffix[0] == "-" else ""
    if len(suffix) != 5 or not _is_digits(suffix[1:]):
        place.refuse("&ZZXX as offset from UTC", f"{_kind_of(suffix[1:])} behind the sign{hint}")
    minutes = int(suffix[1:3]) * 60 + int(suffix[3:])
    if suffix[0] == "-":
        minutes = -minutes
    if int(suffix[3:]) > 59 or not _MIN_OFFSET_MINUTES <= minutes <= _MAX_OFFSET_MINUTES:
        place.refuse("an offset from UTC between -1200 and +1400", f"another number{hint}")
    return timezone(timedelta(minutes=minutes))


def _date_time(text: str, place: _Place) -> tuple[datetime, int]:
    """The first instant of a DT value, and how many digits were there, those of the fraction included."""
    form = "YYYYMMDDHHMMSS.FFFFFF&ZZXX or a part of it from the left"
    sign_at = max(text.rfind("+"), text.rfind("-"))
    zone = None
    instant = text
    if sign_at >= 0:
        if sign_at < 4 or "-" in text[:sign_at]:
            place.refuse("one date and time", "a hyphen (parse_dt_range reads ranges of queries)")
        zone = _utc_offset(text[sign_at:], place)
        instant = text[:sign_at]
    digits, fraction = _split_fraction(instant, 14, form, place)
    if len(digits) not in (4, 6, 8, 10, 12, 14):
        place.refuse(form, _kind_of(text))
    day = _checked_date(int(digits[:4]), int(digits[4:6] or 1), int(digits[6:8] or 1), place)
    hour, minute, second, microsecond = _checked_time(digits[8:] or "00", fraction, place)
    first = datetime(day.year, day.month, day.day, hour, minute, second, microsecond, zone)
    return first, len(digits) + len(fraction)


def parse_dt(text: str, *, offset: int | None = None, path: str | None = None) -> datetime:
    """The date and time that a DT value names; aware when the value has a ``&ZZXX`` suffix, else naive.

    Any precision from ``YYYY`` on is read: missing parts are the first month, day, hour ...; second 60 is
    59; ``-0000``, which the standard does not allow, is UTC.  A naive result is local time of whoever wrote
    the value, or of Timezone Offset From UTC (0008,0201) where that is given.  Raises ValueDecodeError for
    anything else.
    """
    return _date_time(_unpadded(text), _Place("DT", offset, path))[0]


def _last_date_time(first: datetime, digits: int) -> datetime:
    """The last microsecond of the period that a date and time of this precision names."""
    month = 12 if digits < 6 else first.month
    if digits < 8:
        leap = first.year % 4 == 0 and (first.year % 100 != 0 or first.year % 400 == 0)
        day = 28 if month == 2 and not leap else _DAYS_IN_MONTH[month - 1]
    else:
        day = first.day
    return first.replace(
        month=month,
        day=day,
        hour=23 if digits < 10 else first.hour,
        minute=59 if digits < 12 else first.minute,
        second=59 if digits < 14 else first.second,
        microsecond=first.microsecond + 10 ** (20 - max(digits, 14)) - 1,
    )


# --- ranges in queries ---

_RANGE_SECTION = "PS3.4 section C.2.2.2.5"
_MAX_HYPHENS = 3  # of a DT range: one between the two, one in each offset from UTC


def _range_ends(text: str, place: _Place) -> tuple[str, str]:
    """The two sides of the one hyphen of a DA or TM range; both are the text itself when there is none."""
    if "-" not in text:
        return text, text
    first, _, last = text.partition("-")
    first, last = first.strip(" "), last.strip(" ")
    if not first and not last:
        place.refuse("a range with a beginning or an end", "neither", _RANGE_SECTION)
    return first, last


def parse_da_range(
    text: str, *, offset: int | None = None, path: str | None = None
) -> tuple[date | None, date | None]:
    """First and last date, both included, of ``A-B``, ``A-``, ``-B`` or a single date.

    None stands where the range is open.  Raises ValueDecodeError for anything else and when the end is before
    the beginning.  PS3.4 section C.2.2.2.5.
    """
    place = _Place("DA", offset, path)
    first_text, last_text = _range_ends(_unpadded(text), place)
    first = _date(first_text, place) if first_text or not last_text else None
    last = _date(last_text, place) if last_text or not first_text else None
    if first is not None and last is not None and last < first:
        place.refuse("a range that ends after it begins", "the opposite", _RANGE_SECTION)
    return first, last


def parse_tm_range(
    text: str, *, offset: int | None = None, path: str | None = None
) -> tuple[time | None, time | None]:
    """First and last time, both included, of ``A-B``, ``A-``, ``-B`` or a single time; None where open.

    The end is the last microsecond that its precision covers: ``10-11`` ends at 11:59:59.999999.  Ranges over
    midnight do not exist (PS3.4 section C.2.2.2.5): they raise ValueDecodeError like any other text.
    """
    place = _Place("TM", offset, path)
    first_text, last_text = _range_ends(_unpadded(text), place)
    first = time(*_time_fields(first_text, place)[:4]) if first_text or not last_text else None
    last = _last_time(_time_fields(last_text, place)) if last_text or not first_text else None
    if first is not None and last is not None and last < first:
        place.refuse("a range that ends after it begins", "the opposite", _RANGE_SECTION)
    return first, last


def _try_date_time(text: str, place: _Place) -> tuple[datetime, int] | None:
    try:
        return _date_time(text, place)
    except ValueDecodeError:
        return None  # the caller tries the next hyphen, and raises when none of them fits


def parse_dt_range(
    text: str, *, offset: int | None = None, path: str | None = None
) -> tuple[datetime | None, datetime | None]:
    """First and last instant, both included, of ``A-B``, ``A-``, ``-B`` or a single DT; None where open.

    The end is the last microsecond that its precision covers: ``2019-2020`` ends with 2020.  A hyphen may
    also begin an offset from UTC: a text that can be read as one date and time with offset is no range
    (``1000-1100`` is the year 1000 in a zone eleven hours west; no year after 1400 is in doubt).  Raises
    ValueDecodeError for anything else and when the end is before the beginning.  PS3.4 section C.2.2.2.5.
    """
    place = _Place("DT", offset, path)
    text = _unpadded(text)
    single = _try_date_time(text, place)
    if single is not None:
        return single[0], _last_date_time(*single)
    if text.count("-") > _MAX_HYPHENS:
        place.refuse("a date and time or a range of two", _kind_of(text), _RANGE_SECTION)
    reversed_range = False
    hyphen = text.find("-")
    while hyphen >= 0:
        first_text, last_text = text[:hyphen].strip(" "), text[hyphen + 1 :].strip(" ")
        first = _try_date_time(first_text, place) if first_text else None
        last = _try_date_time(last_text, place) if last_text else None
        readable = (first is not None or not first_text) and (last is not None or not last_text)
        if readable and (first is not None or last is not None):
            begin = first[0] if first is not None else None
            end = _last_date_time(*last) if last is not None else None
            if begin is None or end is None or (begin.tzinfo is None) != (end.tzinfo is None) or begin <= end:
                return begin, end
            reversed_range = True
        hyphen = text.find("-", hyphen + 1)
    if reversed_range:
        place.refuse("a range that ends after it begins", "the opposite", _RANGE_SECTION)
    place.refuse("a date and time or a range of two", _kind_of(text), _RANGE_SECTION)


# --- ages ---


def parse_as(text: str, *, offset: int | None = None, path: str | None = None) -> tuple[int, str]:
    """Number and unit of an AS value: ``"034Y"`` gives ``(34, "Y")``; D, W, M and Y are days to years.

    The standard has three digits and a capital; fewer digits and small letters are read too, their meaning
    is plain.  Raises ValueDecodeError for anything else.
    """
    place = _Place("AS", offset, path)
    text = _unpadded(text)
    number, unit = text[:-1], text[-1:].upper()
    if not 1 <= len(number) <= 3 or not _is_digits(number) or unit not in _AGE_UNITS:
        place.refuse("nnnD, nnnW, nnnM or nnnY", _kind_of(text))
    return int(number), unit
