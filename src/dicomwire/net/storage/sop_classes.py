"""Which SOP classes and transfer syntaxes a storage provider takes (PS3.4 Annexes B and GG, PS3.5 Annex A)."""

from __future__ import annotations

from functools import cache

from dicomwire.dictionary import UID
from dicomwire.dictionary.transfer_syntax import TRANSFER_SYNTAXES
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian

STORAGE_SERVICE_CLASS = "1.2.840.10008.4.2"

# What has "Storage" in its name and is no class of instances that are stored by C-STORE.
_OTHERS = ("MediaStorageDirectoryStorage", "StorageCommitmentPushModel", "StorageCommitmentPullModel")
# Documents around a data set, and streams beside it.
_NO_FILES = ("mime", "xml", "smpte2110")


@cache
def storage_sop_classes() -> tuple[UID, ...]:
    """Return all registered SOP classes of the Storage and the Non-Patient Object Storage service, retired ones too."""
    from dicomwire.dictionary._uids import UIDS

    return tuple(
        UID(uid)
        for uid, (_, kind, _, _, keyword) in UIDS.items()
        if kind == "SOP Class" and "Storage" in keyword and keyword not in _OTHERS
    )


@cache
def storage_transfer_syntaxes() -> tuple[UID, ...]:
    """Return the transfer syntaxes of data sets that can be stored as they come, the uncompressed ones first."""
    first = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    others = (syntax.uid for syntax in TRANSFER_SYNTAXES.values() if syntax.family not in _NO_FILES)
    return (*first, *(uid for uid in others if uid not in first))
