"""Person names: the parts of the standard's examples, ``str`` behaviour, and pydicom as oracle."""

import pickle
import warnings

import pydicom.valuerep
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire.dataset.personname import PersonName

GROUPS = ("alphabetic", "ideographic", "phonetic")
COMPONENTS = ("family_name", "given_name", "middle_name", "name_prefix", "name_suffix")


def parts(name, attributes):
    return tuple(getattr(name, attribute) for attribute in attributes)


# PS3.5 section 6.2.1.1 and Annexes H, I, J and K
@pytest.mark.parametrize(
    ("text", "groups", "components"),
    [
        (
            "Adams^John Robert Quincy^^Rev.^B.A. M.Div.",
            ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "", ""),
            ("Adams", "John Robert Quincy", "", "Rev.", "B.A. M.Div."),
        ),
        ("Doe^John", ("Doe^John", "", ""), ("Doe", "John", "", "", "")),
        ("Smith^Fluffy", ("Smith^Fluffy", "", ""), ("Smith", "Fluffy", "", "", "")),
        (
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            ("Yamada^Tarou", "山田^太郎", "やまだ^たろう"),
            ("Yamada", "Tarou", "", "", ""),
        ),
        (
            "Hong^Gildong=洪^吉洞=홍^길동",
            ("Hong^Gildong", "洪^吉洞", "홍^길동"),
            ("Hong", "Gildong", "", "", ""),
        ),
        ("Wang^XiaoDong=王^小東=", ("Wang^XiaoDong", "王^小東", ""), ("Wang", "XiaoDong", "", "", "")),
        # The names of an absent alphabetic group are empty, as in pydicom.
        ("=山田^太郎", ("", "山田^太郎", ""), ("", "", "", "", "")),
        ("", ("", "", ""), ("", "", "", "", "")),
        ("^^^^=^=", ("^^^^", "^", ""), ("", "", "", "", "")),
        # More than the standard allows: nothing is lost from the text, the parts are the first ones.
        ("a^b^c^d^e^f=g=h=i", ("a^b^c^d^e^f", "g", "h"), ("a", "b", "c", "d", "e")),
    ],
)
def test_parts(text, groups, components):
    name = PersonName(text)
    assert name == text
    assert parts(name, GROUPS) == groups
    assert parts(name, COMPONENTS) == components


def test_components_leave_out_empty_groups_at_the_end():
    assert PersonName("Wang^XiaoDong=王^小東=").components == ("Wang^XiaoDong", "王^小東")
    assert PersonName("=王").components == ("", "王")
    assert PersonName("").components == ()


def test_formatting():
    name = PersonName("Yamada^Tarou^^Dr.=山田^太郎=やまだ")
    assert name.family_comma_given() == "Yamada, Tarou"
    assert name.formatted("%(name_prefix)s %(given_name)s %(family_name)s") == "Dr. Tarou Yamada"
    assert (
        name.formatted("%(alphabetic)s|%(ideographic)s|%(phonetic)s") == "Yamada^Tarou^^Dr.|山田^太郎|やまだ"
    )
    assert name.formatted("%(middle_name)s%(name_suffix)s") == ""
    with pytest.raises(KeyError):
        name.formatted("%(nickname)s")


@given(st.text())
def test_is_its_text(text):
    name = PersonName(text)
    assert (name, hash(name), str(name), repr(name), len(name)) == (
        text,
        hash(text),
        text,
        repr(text),
        len(text),
    )
    assert bool(name) == bool(text)
    assert {name: 1}[text] == 1
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copy = pickle.loads(pickle.dumps(name, protocol))
        assert type(copy) is PersonName
        assert copy == name


def test_has_no_room_for_more():
    with pytest.raises(AttributeError):
        PersonName("Doe").nickname = "J"
    assert PersonName.__new__ is str.__new__
    assert PersonName.__init__ is str.__init__


@given(st.lists(st.sampled_from(["a", "Bc", "山田", " ", ".", "^", "="]), max_size=16).map("".join))
def test_pydicom_finds_the_same_parts(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pydicom.valuerep.PersonName(text)
    ours = PersonName(text)
    assert parts(ours, GROUPS) == parts(theirs, GROUPS)
    assert parts(ours, COMPONENTS) == parts(theirs, COMPONENTS)
    assert ours.components == theirs.components
    assert ours.family_comma_given() == theirs.family_comma_given()
    assert ours.formatted("%(family_name)s/%(phonetic)s") == theirs.formatted("%(family_name)s/%(phonetic)s")
    # Known difference: pydicom drops empty groups at the end of the text, here it stays as it was written.
    assert ours.rstrip("=") == str(theirs).rstrip("=")


def test_names_from_components():
    made = PersonName.from_named_components
    assert made("Doe", "John") == "Doe^John"
    assert made(family_name="Doe", name_suffix="Jr.") == "Doe^^^^Jr."
    assert made() == ""
    full = {
        "family_name": "Yamada", "given_name": "Tarou", "family_name_ideographic": "山田",
        "given_name_ideographic": "太郎", "family_name_phonetic": "やまだ", "given_name_phonetic": "たろう",
    }  # fmt: skip
    plain = {"family_name": "Doe", "middle_name": "M", "given_name_ideographic": "I", "name_suffix_phonetic": "P"}
    assert made(**plain) == str(pydicom.valuerep.PersonName.from_named_components(**plain))
    assert made(**full) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert made(family_name_phonetic="p") == "==p"
    for wrong in ("a^b", "a=b", "a\\b"):
        with pytest.raises(ValueError, match=r"PS3\.5 6\.2\.1"):
            made(wrong)
