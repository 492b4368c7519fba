"""What an image that was compressed with loss says of itself and of the one before it.

PS3.3 sections C.7.6.1.1.2, C.7.6.1.1.3, C.7.6.1.1.5 and C.7.6.16.2.6, PS3.16 CID 7202 and CID 7203.  What was said
before stays, and the new comes behind it.
"""

from __future__ import annotations

from _dicomwire.dataset import DataElement, DataSet, Sequence
from dicomwire.dictionary.implementation import generate_uid
from dicomwire.pixel.attributes import items, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LOSSY_COMPRESSION = ("113040", "Lossy Compression")
_PREDECESSORS = {
    False: ("121320", "Uncompressed predecessor"),
    True: ("121330", "Lossy compressed predecessor"),
}
_LONGEST_DESCRIPTION = 1024  # characters of VR ST (PS3.5 section 6.2)
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def mark_lossy(data_set: DataSet, ratio: float, method: str, *, new_instance: bool) -> None:
    """Say that samples may have changed; new_instance: give the image a new SOP Instance UID, and its source's.

    Where there are functional groups, Frame Type and the derivation are there.
    """
    was_lossy = data_set.get("LossyImageCompression") == "01"
    data_set["LossyImageCompression"] = "01"
    for keyword, vr, value in (("Ratio", "DS", f"{ratio:.2f}"), ("Method", "CS", method)):
        keyword = f"LossyImageCompression{keyword}"
        _set(data_set, keyword, vr, [*_values(data_set, keyword), value])
    _mark_derived(data_set, "ImageType")
    source = _reference(data_set, was_lossy=was_lossy) if new_instance else None
    description = f"Lossy compression, {method}, ratio {ratio:.2f}"
    for place in _derivations(data_set):
        _describe(place, description)
        if source is not None:
            _append(place, "SourceImageSequence", source.copy())
        elif place is not data_set and "SourceImageSequence" not in place:
            place["SourceImageSequence"] = Sequence()  # which an item of Derivation Image Sequence has, empty or not
    if new_instance:
        set_new_instance(data_set)


def set_new_instance(data_set: DataSet) -> None:
    """A new SOP Instance UID, also in the File Meta Information."""
    uid = str(generate_uid())
    data_set["SOPInstanceUID"] = uid
    data_set.file_meta["MediaStorageSOPInstanceUID"] = uid


def _derivations(data_set: DataSet) -> Iterator[DataSet]:
    """Where the derivation is said: in the data set, or new items of Derivation Image Sequence in its groups."""
    groups = [group for keyword in _GROUPS for group in items(data_set, keyword)]
    if not groups:
        yield data_set
        return
    for group in groups:
        for element in list(group):
            for item in element.value if isinstance(element.value, Sequence) else ():
                if "FrameType" in item:
                    _mark_derived(item, "FrameType")
    # It is in the groups of frames, or in the shared ones, and never in both.
    places = [group for group in items(data_set, _GROUPS[1]) if "DerivationImageSequence" in group]
    for group in places or list(items(data_set, _GROUPS[0]))[:1] or groups:
        item = DataSet()
        _append(group, "DerivationImageSequence", item)
        yield items(group, "DerivationImageSequence")[-1]


def _mark_derived(data_set: DataSet, keyword: str) -> None:
    kinds = _values(data_set, keyword)
    _set(data_set, keyword, "CS", ["DERIVED", *(kinds[1:] or ["PRIMARY"])])


def _describe(place: DataSet, description: str) -> None:
    before = text(place, "DerivationDescription")
    whole = f"{before}; {description}" if before else description
    if len(whole) <= _LONGEST_DESCRIPTION:
        _set(place, "DerivationDescription", "ST", whole)
    if not any(code.get("CodeValue") == _LOSSY_COMPRESSION[0] for code in items(place, "DerivationCodeSequence")):
        _append(place, "DerivationCodeSequence", _code(*_LOSSY_COMPRESSION))


def _reference(data_set: DataSet, *, was_lossy: bool) -> DataSet | None:
    """An item of Source Image Sequence for the image as it is; None where it has no SOP Instance UID."""
    kind, uid = data_set.get("SOPClassUID"), data_set.get("SOPInstanceUID")
    if not isinstance(kind, str) or not isinstance(uid, str) or not kind or not uid:
        return None
    found = DataSet({"PurposeOfReferenceCodeSequence": [_code(*_PREDECESSORS[was_lossy])]})
    _set(found, "ReferencedSOPClassUID", "UI", kind)
    _set(found, "ReferencedSOPInstanceUID", "UI", uid)
    return found


def _code(value: str, meaning: str) -> DataSet:
    return DataSet({"CodeValue": value, "CodingSchemeDesignator": "DCM", "CodeMeaning": meaning})


def _append(data_set: DataSet, keyword: str, item: DataSet) -> None:
    found = data_set.get(keyword)
    if isinstance(found, Sequence):
        found.append(item)
    else:
        _set(data_set, keyword, "SQ", [item])


def _set(data_set: DataSet, keyword: str, vr: str, value: object) -> None:
    """Set what may hold values of others, right or wrong, or have another VR; only a strict data set refuses them."""
    data_set.add(DataElement(keyword, vr, value, policy="ignore"))


def _values(data_set: DataSet, keyword: str) -> list[object]:
    value = data_set.get(keyword)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list) else [value]
