"""Person names: values of VR PN and their component groups (PS3.5 sections 6.2 and 6.2.1).

A name is up to three component groups separated by ``=`` (alphabetic, ideographic, phonetic), each of up to
five components separated by ``^`` (family name, given name, middle name, prefix, suffix).
"""

from __future__ import annotations

_COMPONENTS = ("family_name", "given_name", "middle_name", "name_prefix", "name_suffix")


class PersonName(str):
    """One decoded person name; the ``str`` itself is the whole value.

    Comparing, hashing, pickling and making one cost what they cost for ``str``; the parts are cut out when
    asked for.
    Parts that the value does not have are ``""``.
    """

    __slots__ = ()

    @classmethod
    def from_named_components(
        cls,
        family_name: str = "",
        given_name: str = "",
        middle_name: str = "",
        name_prefix: str = "",
        name_suffix: str = "",
        *,
        family_name_ideographic: str = "",
        given_name_ideographic: str = "",
        middle_name_ideographic: str = "",
        name_prefix_ideographic: str = "",
        name_suffix_ideographic: str = "",
        family_name_phonetic: str = "",
        given_name_phonetic: str = "",
        middle_name_phonetic: str = "",
        name_prefix_phonetic: str = "",
        name_suffix_phonetic: str = "",
    ) -> PersonName:
        """A name from its components; ValueError for a component with a delimiter in it (PS3.5 section 6.2.1)."""
        groups = (
            (family_name, given_name, middle_name, name_prefix, name_suffix),
            (
                family_name_ideographic, given_name_ideographic, middle_name_ideographic, name_prefix_ideographic,
                name_suffix_ideographic,
            ),
            (
                family_name_phonetic, given_name_phonetic, middle_name_phonetic, name_prefix_phonetic,
                name_suffix_phonetic,
            ),
        )  # fmt: skip
        if any(delimiter in component for group in groups for component in group for delimiter in "^=\\"):
            raise ValueError("a component of a name has no ^, = or backslash; PS3.5 6.2.1")
        return cls("=".join("^".join(group).rstrip("^") for group in groups).rstrip("="))

    @property
    def components(self) -> tuple[str, ...]:
        """The component groups in order, without empty ones at the end; ``()`` for an empty name."""
        groups = self.split("=")
        while groups and not groups[-1]:
            groups.pop()
        return tuple(groups)

    def _group(self, index: int) -> str:
        groups = self.split("=", index + 1)
        return groups[index] if index < len(groups) else ""

    @property
    def alphabetic(self) -> str:
        """The first component group: the name in a single-byte character set."""
        return self._group(0)

    @property
    def ideographic(self) -> str:
        """The second component group, in Japan, China and Korea the name in ideographs."""
        return self._group(1)

    @property
    def phonetic(self) -> str:
        """The third component group, for example the name in hiragana or hangul."""
        return self._group(2)

    def _component(self, index: int) -> str:
        components = self._group(0).split("^", index + 1)
        return components[index] if index < len(components) else ""

    @property
    def family_name(self) -> str:
        """The first component of the alphabetic group."""
        return self._component(0)

    @property
    def given_name(self) -> str:
        """The second component of the alphabetic group."""
        return self._component(1)

    @property
    def middle_name(self) -> str:
        """The third component of the alphabetic group."""
        return self._component(2)

    @property
    def name_prefix(self) -> str:
        """The fourth component of the alphabetic group: titles before the name."""
        return self._component(3)

    @property
    def name_suffix(self) -> str:
        """The fifth component of the alphabetic group: degrees and the like behind the name."""
        return self._component(4)

    def formatted(self, format_str: str) -> str:
        """``format_str`` with ``%(family_name)s``, ``%(ideographic)s`` ... replaced by parts of this name.

        Known keys: the five components of the alphabetic group, ``alphabetic``, ``ideographic`` and
        ``phonetic``.
        """
        parts = {name: self._component(index) for index, name in enumerate(_COMPONENTS)}
        parts["alphabetic"] = self.alphabetic
        parts["ideographic"] = self.ideographic
        parts["phonetic"] = self.phonetic
        return format_str % parts

    def family_comma_given(self) -> str:
        """The alphabetic name as ``"Family, Given"``."""
        return f"{self.family_name}, {self.given_name}"
