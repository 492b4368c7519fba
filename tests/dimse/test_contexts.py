"""Contexts: a command's SOP class need not be the abstract syntax, but for named exceptions it must."""

from __future__ import annotations

import pytest

from dicomwire.dictionary import uids
from dicomwire.dictionary._uids import UIDS
from dicomwire.dimse import contexts
from dicomwire.dimse.contexts import abstract_syntaxes_of, allowed_on


@pytest.mark.parametrize("name", ["Watch", "Pull", "Event", "Query"])
def test_steps_are_instances_of_ups_push(name: str) -> None:
    context = getattr(uids, f"UnifiedProcedureStep{name}")
    assert allowed_on(context, uids.UnifiedProcedureStepPush)
    assert allowed_on(context, context)  # C-FIND names the negotiated one
    assert not allowed_on(uids.UnifiedProcedureStepPush, context)
    assert context in abstract_syntaxes_of(uids.UnifiedProcedureStepPush)


def test_print_contexts_carry_their_members() -> None:
    grey, color = uids.BasicGrayscalePrintManagementMeta, uids.BasicColorPrintManagementMeta
    for member in (uids.BasicFilmSession, uids.BasicFilmBox, uids.Printer):
        assert allowed_on(grey, member)
        assert allowed_on(color, member)
        assert not allowed_on(member, grey)
    assert allowed_on(grey, uids.BasicGrayscaleImageBox)
    assert not allowed_on(color, uids.BasicGrayscaleImageBox)
    assert allowed_on(color, uids.BasicColorImageBox)
    # Optional classes are negotiated by themselves, PS3.4 H.3.3.2.
    for optional in (uids.PrintJob, uids.PresentationLUT, uids.BasicAnnotationBox):
        assert not allowed_on(grey, optional)
        assert allowed_on(optional, optional)


def test_all_else_is_carried_by_its_own_context_only() -> None:
    assert allowed_on(uids.CTImageStorage, uids.CTImageStorage)
    assert not allowed_on(uids.CTImageStorage, uids.MRImageStorage)
    assert not allowed_on(uids.Verification, uids.CTImageStorage)
    assert not allowed_on(uids.CTImageStorage, "")
    assert allowed_on("1.2.3.4", "1.2.3.4")  # private
    assert abstract_syntaxes_of(uids.CTImageStorage) == (uids.CTImageStorage,)


def test_the_table_names_registered_classes() -> None:
    for context, members in contexts._MEMBERS.items():
        assert UIDS[context][1] in ("Meta SOP Class", "SOP Class")
        for member in members:
            assert UIDS[member][1] == "SOP Class", member
    metas = {uid for uid, entry in UIDS.items() if entry[1] == "Meta SOP Class"}
    # Retired, and the editions at hand do not tell which classes it had: commands on it go by its own UID.
    assert metas - set(contexts._MEMBERS) == {uids.DetachedStudyManagementMeta}
