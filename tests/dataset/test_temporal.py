"""Dates, times and ages: every form of PS3.5 section 6.2, old and broken ones, ranges; pydicom as oracle."""

import datetime as dt
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pydicom.valuerep
import pytest
from hypothesis import given
from hypothesis import strategies as st

import _dicomwire.errors
from _dicomwire.errors import ValueDecodeError
from dicomwire.dataset import temporal

UTC = dt.UTC


def zone(hours, minutes=0):
    return dt.timezone(dt.timedelta(hours=hours, minutes=minutes))


# --- one value ---


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("19930822", dt.date(1993, 8, 22)),
        ("20000229", dt.date(2000, 2, 29)),
        ("00010101", dt.date(1, 1, 1)),
        ("99991231", dt.date(9999, 12, 31)),
        ("1993.08.22", dt.date(1993, 8, 22)),
        ("19930822 ", dt.date(1993, 8, 22)),
        ("19930822\0", dt.date(1993, 8, 22)),
    ],
)
def test_da(text, value):
    assert temporal.parse_da(text) == value
    assert type(temporal.parse_da(text)) is dt.date


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("07", dt.time(7)),
        ("0709", dt.time(7, 9)),
        ("070907", dt.time(7, 9, 7)),
        ("070907.0705", dt.time(7, 9, 7, 70500)),
        ("070907.0705 ", dt.time(7, 9, 7, 70500)),
        ("235959.999999", dt.time(23, 59, 59, 999999)),
        ("000000.000001", dt.time(0, 0, 0, 1)),
        ("070907.", dt.time(7, 9, 7)),
        ("07:09", dt.time(7, 9)),
        ("07:09:07", dt.time(7, 9, 7)),
        ("07:09:07.5", dt.time(7, 9, 7, 500000)),
        # Leap seconds: Python has none, the second before it has to do.
        ("235960", dt.time(23, 59, 59)),
        ("235960.25", dt.time(23, 59, 59, 250000)),
        ("23:59:60", dt.time(23, 59, 59)),
    ],
)
def test_tm(text, value):
    assert temporal.parse_tm(text) == value
    assert temporal.parse_tm(text).tzinfo is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1953", dt.datetime(1953, 1, 1)),
        ("195308", dt.datetime(1953, 8, 1)),
        ("19530827", dt.datetime(1953, 8, 27)),
        ("1953082711", dt.datetime(1953, 8, 27, 11)),
        ("195308271113", dt.datetime(1953, 8, 27, 11, 13)),
        ("19530827111300", dt.datetime(1953, 8, 27, 11, 13)),
        ("19530827111300.0", dt.datetime(1953, 8, 27, 11, 13)),
        ("19530827111300.123456", dt.datetime(1953, 8, 27, 11, 13, 0, 123456)),
        ("19530827111300.0-0500", dt.datetime(1953, 8, 27, 11, 13, tzinfo=zone(-5))),
        ("19530827111300+0930 ", dt.datetime(1953, 8, 27, 11, 13, tzinfo=zone(9, 30))),
        ("2020+0000", dt.datetime(2020, 1, 1, tzinfo=UTC)),
        ("2020-0000", dt.datetime(2020, 1, 1, tzinfo=UTC)),
        ("2020-0330", dt.datetime(2020, 1, 1, tzinfo=zone(-3, -30))),
        ("202002+1400", dt.datetime(2020, 2, 1, tzinfo=zone(14))),
        ("2020-1200", dt.datetime(2020, 1, 1, tzinfo=zone(-12))),
        ("20161231235960", dt.datetime(2016, 12, 31, 23, 59, 59)),
        ("20161231235960.5+0000", dt.datetime(2016, 12, 31, 23, 59, 59, 500000, UTC)),
    ],
)
def test_dt(text, value):
    parsed = temporal.parse_dt(text)
    assert parsed == value
    assert parsed.utcoffset() == value.utcoffset()
    assert pickle.loads(pickle.dumps(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("018M", (18, "M")),
        ("034Y", (34, "Y")),
        ("000D", (0, "D")),
        ("999W", (999, "W")),
        ("034Y ", (34, "Y")),
        ("34Y", (34, "Y")),
        ("034y", (34, "Y")),
    ],
)
def test_as(text, value):
    assert temporal.parse_as(text) == value


# --- what is refused ---

REFUSED = {
    temporal.parse_da: [
        "",
        " ",
        "1993",
        "199308",
        "19931301",
        "19930001",
        "19930800",
        "19930832",
        "19930229",
        "19000229",
        "00000101",
        "1993082",
        "199308222",
        " 19930822",
        "1993-08-22",
        "1993/08/22",
        "1993.8.22 ",
        "1993.0a.22",
        "٢٠٢٠٠١٠١",
        "²0200101",
        "20200101-20200131",
        "20200101-",
        "-20200101",
        "2020010a",
        "1e7",
    ],
    temporal.parse_tm: [
        "",
        "7",
        "070",
        "07090",
        "24",
        "2400",
        "0760",
        "070961",
        "07.5",
        "0709.5",
        "070907.1234567",
        "070907.12a",
        "070907.1.2",
        "7:9:7",
        "07:09:07:01",
        "07:0907",
        ":",
        "07::07",
        " 070907",
        "0709 07",
        "10-11",
        "-11",
        "10-",
        "070907+0100",
        "٠٧٠٩",
        "-07",
        "+7",
    ],
    temporal.parse_dt: [
        "",
        "20",
        "202",
        "20200",
        "20201301",
        "20200230",
        "2020010124",
        "202001011260",
        "20200101125961",
        "2020.5",
        "20200101125959.1234567",
        "20200101125959.1x",
        "0000",
        "2020+1401",
        "2020-1201",
        "2020+0560",
        "2020+05",
        "2020+05000",
        "2020+-500",
        "2020+0500+0500",
        "+0500",
        "2020-2021",
        "20200101-20200131",
        "-2020",
        "2020-",
        "2020-01-01T00:00:00",
        "20200101 120000",
    ],
    temporal.parse_as: ["", "Y", "034", "0034Y", "034H", "-34Y", "3 Y", "٣٤Y", "034YY", "0.5Y", "034 Y"],
}


@pytest.mark.parametrize(("parse", "text"), [(parse, text) for parse in REFUSED for text in REFUSED[parse]])
def test_other_text_is_refused_without_showing_it(parse, text):
    with pytest.raises(ValueDecodeError) as caught:
        parse(text, offset=1184, path="PatientBirthDate")
    assert (caught.value.offset, caught.value.path) == (1184, "PatientBirthDate")
    assert caught.value.section == "PS3.5 6.2"
    message = caught.value.message
    assert message.startswith(f"{parse.__name__[-2:].upper()}: expected ")
    assert ", found " in message
    if len(text.strip()) > 4:
        assert text.strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "text", "hint"),
    [
        (temporal.parse_da, "20200101-20200131", "parse_da_range"),
        (temporal.parse_tm, "10-11", "parse_tm_range"),
        (temporal.parse_dt, "20200101-20200131", "parse_dt_range"),
        (temporal.parse_dt, "2020-2021", "parse_dt_range"),
        (temporal.parse_dt, "2020-", "parse_dt_range"),
    ],
)
def test_the_message_about_a_range_says_who_reads_ranges(parse, text, hint):
    with pytest.raises(ValueDecodeError, match=hint):
        parse(text)


# --- ranges ---


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("20200101-20200131", (dt.date(2020, 1, 1), dt.date(2020, 1, 31))),
        ("20200101 - 20200131", (dt.date(2020, 1, 1), dt.date(2020, 1, 31))),
        ("20200101-", (dt.date(2020, 1, 1), None)),
        ("-20200131", (None, dt.date(2020, 1, 31))),
        ("20200131", (dt.date(2020, 1, 31), dt.date(2020, 1, 31))),
        ("20200131-20200131 ", (dt.date(2020, 1, 31), dt.date(2020, 1, 31))),
        ("2020.01.01-20200131", (dt.date(2020, 1, 1), dt.date(2020, 1, 31))),
    ],
)
def test_da_range(text, ends):
    assert temporal.parse_da_range(text) == ends


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("10-11", (dt.time(10), dt.time(11, 59, 59, 999999))),
        ("1000-1130", (dt.time(10), dt.time(11, 30, 59, 999999))),
        ("100000-113000", (dt.time(10), dt.time(11, 30, 0, 999999))),
        ("100000-113000.5", (dt.time(10), dt.time(11, 30, 0, 599999))),
        ("100000-113000.123456", (dt.time(10), dt.time(11, 30, 0, 123456))),
        ("100000.25-", (dt.time(10, 0, 0, 250000), None)),
        ("-113000", (None, dt.time(11, 30, 0, 999999))),
        ("10", (dt.time(10), dt.time(10, 59, 59, 999999))),
        ("10:00:00-11:30:00", (dt.time(10), dt.time(11, 30, 0, 999999))),
    ],
)
def test_tm_range(text, ends):
    assert temporal.parse_tm_range(text) == ends


LAST = (23, 59, 59, 999999)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("2019-2020", (dt.datetime(2019, 1, 1), dt.datetime(2020, 12, 31, *LAST))),
        ("202001-202002", (dt.datetime(2020, 1, 1), dt.datetime(2020, 2, 29, *LAST))),
        ("201901-201902", (dt.datetime(2019, 1, 1), dt.datetime(2019, 2, 28, *LAST))),
        ("20200101-20200131", (dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 31, *LAST))),
        ("2020010110-", (dt.datetime(2020, 1, 1, 10), None)),
        ("-2020010110", (None, dt.datetime(2020, 1, 1, 10, 59, 59, 999999))),
        ("-202001011030", (None, dt.datetime(2020, 1, 1, 10, 30, 59, 999999))),
        ("2020", (dt.datetime(2020, 1, 1), dt.datetime(2020, 12, 31, *LAST))),
        # Hyphens of offsets from UTC.
        ("2020-0500", (dt.datetime(2020, 1, 1, tzinfo=zone(-5)), dt.datetime(2020, 12, 31, *LAST, zone(-5)))),
        ("2020-0500-", (dt.datetime(2020, 1, 1, tzinfo=zone(-5)), None)),
        ("-2020-0500", (None, dt.datetime(2020, 12, 31, *LAST, zone(-5)))),
        (
            "2019-0500-2020-0600",
            (dt.datetime(2019, 1, 1, tzinfo=zone(-5)), dt.datetime(2020, 12, 31, *LAST, zone(-6))),
        ),
        ("2019+0100-2020", (dt.datetime(2019, 1, 1, tzinfo=zone(1)), dt.datetime(2020, 12, 31, *LAST))),
        ("2019-2020-0600", (dt.datetime(2019, 1, 1), dt.datetime(2020, 12, 31, *LAST, zone(-6)))),
    ],
)
def test_dt_range(text, ends):
    found = temporal.parse_dt_range(text)
    assert found == ends
    assert [end and end.utcoffset() for end in found] == [end and end.utcoffset() for end in ends]


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (temporal.parse_da_range, "-"),
        (temporal.parse_da_range, ""),
        (temporal.parse_da_range, "20200131-20200101"),
        (temporal.parse_da_range, "20200101-20200131-"),
        (temporal.parse_da_range, "2020-2021"),
        (temporal.parse_tm_range, "-"),
        (temporal.parse_tm_range, ""),
        (temporal.parse_tm_range, "2200-0600"),
        (temporal.parse_tm_range, "10-11-12"),
        (temporal.parse_dt_range, "-"),
        (temporal.parse_dt_range, ""),
        (temporal.parse_dt_range, "2021-2020"),
        (temporal.parse_dt_range, "2021+0000-2020+0000"),
        (temporal.parse_dt_range, "20200101-20200131-20200201"),
        (temporal.parse_dt_range, "2019-0500-2020-0600-"),
        (temporal.parse_dt_range, "-" * 1_000_000),
    ],
)
def test_what_is_no_range_either(parse, text):
    with pytest.raises(ValueDecodeError):
        parse(text)


# --- properties ---

PARSERS = [getattr(temporal, f"parse_{vr}{form}") for vr in ("da", "tm", "dt") for form in ("", "_range")]
PARSERS.append(temporal.parse_as)


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.one_of(st.text(alphabet="0123456789.:+- YMZ٣", max_size=30), st.text(max_size=12)))
def test_any_text_gives_a_value_or_a_decode_error(parse, text):
    try:
        parsed = parse(text)
    except ValueDecodeError:
        return
    assert parsed is not None


@given(st.dates())
def test_every_date(value):
    assert temporal.parse_da(f"{value:%Y%m%d}".rjust(8, "0")) == value


@given(st.times())
def test_every_time(value):
    assert temporal.parse_tm(f"{value:%H%M%S.%f}") == value


@given(st.datetimes(), st.integers(-12 * 60, 14 * 60))
def test_every_date_and_time(value, minutes):
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    text = f"{value.year:04}{value:%m%d%H%M%S.%f}{sign}{size // 60:02}{size % 60:02}"
    parsed = temporal.parse_dt(text)
    assert parsed.replace(tzinfo=None) == value
    assert parsed.utcoffset() == dt.timedelta(minutes=minutes)


@given(st.datetimes(), st.sampled_from([4, 6, 8, 10, 12, 14, 16, 21]))
def test_a_period_of_any_precision_holds_the_instant_and_ends_before_the_next(value, length):
    text = f"{value.year:04}{value:%m%d%H%M%S.%f}"[:length]
    first, last = temporal.parse_dt_range(text)
    assert first <= value <= last
    if last < dt.datetime.max:
        after = last + dt.timedelta(microseconds=1)
        assert f"{after.year:04}{after:%m%d%H%M%S.%f}"[:length] != text
    if first > dt.datetime.min:
        before = first - dt.timedelta(microseconds=1)
        assert f"{before.year:04}{before:%m%d%H%M%S.%f}"[:length] != text


# --- pydicom as oracle ---


@given(
    st.datetimes(), st.sampled_from([4, 6, 8, 10, 12, 14, 16, 21]), st.sampled_from(["", "+0930", "-0500"])
)
def test_pydicom_reads_the_same(value, length, suffix):
    text = f"{value.year:04}{value:%m%d%H%M%S.%f}"
    assert temporal.parse_da(text[:8]) == pydicom.valuerep.DA(text[:8])
    assert temporal.parse_dt(text[:length] + suffix) == pydicom.valuerep.DT(text[:length] + suffix)
    if length >= 10:
        assert temporal.parse_tm(text[8:length]) == pydicom.valuerep.TM(text[8:length])


@pytest.mark.parametrize(("ours", "theirs"), [("parse_tm", "TM"), ("parse_dt", "DT")])
def test_pydicom_maps_leap_seconds_alike(ours, theirs):
    text = "235960.25" if theirs == "TM" else "20161231235960.25"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert getattr(temporal, ours)(text) == getattr(pydicom.valuerep, theirs)(text)


# Texts that only one of the two reads (pydicom 3.0.2): text, our value or None, pydicom's value or None.
DIFFERENCES = [
    pytest.param("parse_tm", "07:09:07", dt.time(7, 9, 7), None, id="ACR-NEMA times are read here"),
    pytest.param(
        "parse_tm", "070907 ", dt.time(7, 9, 7), None, id="padding at the end is no part of the value"
    ),
    pytest.param(
        "parse_dt",
        "2020junk",
        None,
        dt.datetime(2020, 1, 1),
        id="pydicom ignores what follows a date and time",
    ),
    pytest.param(
        "parse_dt",
        "20200101125959.1234567",
        None,
        dt.datetime(2020, 1, 1, 12, 59, 59, 123456),
        id="seven digits",
    ),
    pytest.param("parse_dt", "20205", None, dt.datetime(2020, 1, 1), id="half of a month"),
]


@pytest.mark.parametrize(("parse", "text", "ours", "theirs"), DIFFERENCES)
def test_differences_to_pydicom(parse, text, ours, theirs):
    def result(function):
        try:
            return function(text)
        except ValueError:
            return None

    assert result(getattr(temporal, parse)) == ours
    assert result(getattr(pydicom.valuerep, parse[-2:].upper())) == theirs


def test_only_this_module_of_the_three_imports_datetime():
    # Run from their files, so that nothing else of dicomwire is imported beside them.
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "for path in sys.argv[2:]: exec(compile(open(path).read(), path, 'exec'), {'__name__': 'module'})\n"
        "print(*sys.modules)"
    )
    cext = Path(_dicomwire.errors.__file__).parent.parent

    def modules(*names):
        paths = [str(Path(temporal.__file__).with_name(name)) for name in names]
        command = [sys.executable, "-S", "-c", code, str(cext), *paths]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert "datetime" in modules("temporal.py")
    added = set(modules("charset.py", "personname.py")) - set(modules())
    assert added <= {"__future__", "_dicomwire", "_dicomwire.errors"}
