"""PDUs and items of pynetdicom and scapy in the same plain form as ours: tuples of names, numbers, text and bytes."""

from __future__ import annotations

from typing import Any

from dicomwire import ul
from tests.support import missing

try:
    from pynetdicom import pdu as theirs
    from pynetdicom import pdu_items as their_items
    from pynetdicom.tests import encoded_pdu_items
except ImportError:
    theirs = None
try:
    from scapy.contrib import dicom as scapy_dicom
except ImportError:
    scapy_dicom = None

# Name in pynetdicom.tests.encoded_pdu_items -> our class.  What is no item of its own here has no class.
PDUS: dict[str, type[ul.PDU]] = {
    "a_associate_rq": ul.AAssociateRQ,
    "a_associate_rq_user_async": ul.AAssociateRQ,
    "a_associate_rq_role": ul.AAssociateRQ,
    "a_associate_rq_user_id_user_pass": ul.AAssociateRQ,
    "a_associate_rq_user_id_ext_neg": ul.AAssociateRQ,
    "a_associate_rq_com_ext_neg": ul.AAssociateAC,  # whatever its name says
    "a_associate_rq_called": ul.AAssociateRQ,
    "a_associate_rq_calling": ul.AAssociateRQ,
    "a_associate_ac": ul.AAssociateAC,
    "a_associate_ac_user": ul.AAssociateAC,
    "a_associate_ac_zero_ts": ul.AAssociateAC,
    "a_associate_ac_no_ts": ul.AAssociateAC,
    "a_associate_rj": ul.AAssociateRJ,
    "a_release_rq": ul.AReleaseRQ,
    "a_release_rp": ul.AReleaseRP,
    "a_abort": ul.AAbort,
    "a_p_abort": ul.AAbort,
    "p_data_tf": ul.PDataTF,
    "p_data_tf_rq": ul.PDataTF,
    "p_data_tf_n_event_report": ul.PDataTF,
}
ITEMS: dict[str, type[ul.Item]] = {
    "asynchronous_window_ops": ul.AsynchronousOperationsWindow,
    "user_identity_rq_user_nopw": ul.UserIdentityRQ,
    "user_identity_rq_user_pass": ul.UserIdentityRQ,
    "user_identity_ac": ul.UserIdentityAC,
    "presentation_context_rq": ul.ProposedContext,
    "presentation_context_rq_utf8": ul.ProposedContext,
    "presentation_context_ac": ul.ContextResult,
    "maximum_length_received": ul.MaximumLength,
    "implementation_class_uid": ul.ImplementationClassUID,
    "implementation_class_uid_empty": ul.ImplementationClassUID,
    "implementation_version_name": ul.ImplementationVersionName,
    "implementation_version_name_empty": ul.ImplementationVersionName,
    "role_selection": ul.RoleSelection,
    "role_selection_odd": ul.RoleSelection,
    "user_information": ul.UserInformation,
    "extended_negotiation": ul.SOPClassExtendedNegotiation,
    "common_extended_negotiation": ul.SOPClassCommonExtendedNegotiation,
}
PARTS = {
    "application_context",
    "application_context_empty",
    "abstract_syntax",
    "transfer_syntax",
    "presentation_data",
    "presentation_data_value",
}


def encoded(name: str) -> bytes:
    """The bytes with this name in pynetdicom's tests."""
    if theirs is None:
        missing("pynetdicom is not installed")
    data = getattr(encoded_pdu_items, name)
    assert isinstance(data, bytes)
    return data


def all_names() -> set[str]:
    """The names of all encoded PDUs and items in pynetdicom's tests."""
    if theirs is None:
        missing("pynetdicom is not installed")
    return {name for name, value in vars(encoded_pdu_items).items() if isinstance(value, bytes)}


def scapy_layer() -> Any:
    """Module of scapy's DICOM layer."""
    if scapy_dicom is None:
        missing("scapy is not installed")
    return scapy_dicom


def plain(value: Any) -> Any:
    """One of our PDUs or items as nested tuples."""
    match value:
        case ul.AAssociateRQ() | ul.AAssociateAC():
            return (
                value.name,
                value.protocol_version,
                value.called_ae_title,
                value.calling_ae_title,
                str(value.application_context_name),
                tuple(map(plain, value.presentation_contexts)),
                plain(value.user_information),
            )
        case ul.AAssociateRJ():
            return (value.name, int(value.result), int(value.source), int(value.reason))
        case ul.AAbort():
            return (value.name, int(value.source), int(value.reason))
        case ul.AReleaseRQ() | ul.AReleaseRP():
            return (value.name,)
        case ul.PDataTF():
            return (value.name, *((p.context_id, p.is_command, p.is_last, p.data) for p in value.pdvs))
        case ul.ProposedContext():
            return (
                "proposed",
                value.context_id,
                str(value.abstract_syntax),
                tuple(map(str, value.transfer_syntaxes)),
            )
        case ul.ContextResult():
            return ("result", value.context_id, int(value.result), str(value.transfer_syntax or ""))
        case ul.UserInformation():
            return tuple(map(plain, value.items))
        case ul.MaximumLength():
            return ("maximum", value.value)
        case ul.ImplementationClassUID():
            return ("class uid", str(value.uid))
        case ul.ImplementationVersionName():
            return ("version", value.name)
        case ul.AsynchronousOperationsWindow():
            return ("window", value.invoked, value.performed)
        case ul.RoleSelection():
            return ("role", str(value.sop_class_uid), value.scu, value.scp)
        case ul.SOPClassExtendedNegotiation():
            return ("extended", str(value.sop_class_uid), value.information)
        case ul.SOPClassCommonExtendedNegotiation():
            return (
                "common",
                str(value.sop_class_uid),
                str(value.service_class_uid),
                tuple(map(str, value.related_general_sop_class_uids)),
            )
        case ul.UserIdentityRQ():
            return (
                "identity",
                int(value.type),
                value.positive_response_requested,
                value.primary,
                value.secondary,
            )
        case ul.UserIdentityAC():
            return ("response", value.server_response)
    raise AssertionError(f"no plain form of {type(value).__name__}")


def of_pynetdicom(value: Any) -> Any:
    """One of pynetdicom's PDUs or items in the form of `plain`."""
    match type(value).__name__:
        case "A_ASSOCIATE_RQ" | "A_ASSOCIATE_AC" as name:
            accept = name == "A_ASSOCIATE_AC"
            return (
                name.replace("_", "-", 1).replace("_", "-"),
                value.protocol_version,
                (value.reserved_aet if accept else value.called_ae_title).strip(),
                (value.reserved_aec if accept else value.calling_ae_title).strip(),
                str(value.application_context_name),
                tuple(map(of_pynetdicom, value.presentation_context)),
                of_pynetdicom(value.user_information),
            )
        case "A_ASSOCIATE_RJ":
            return ("A-ASSOCIATE-RJ", value.result, value.source, value.reason_diagnostic)
        case "A_ABORT_RQ":
            return ("A-ABORT", value.source, value.reason_diagnostic)
        case "A_RELEASE_RQ" | "A_RELEASE_RP" as name:
            return (name.replace("_", "-"),)
        case "P_DATA_TF":
            items = value.presentation_data_value_items
            values = [(i.presentation_context_id, i.presentation_data_value) for i in items]
            return ("P-DATA-TF", *((c, bool(d[0] & 1), bool(d[0] & 2), d[1:]) for c, d in values))
        case "PresentationContextItemRQ":
            syntaxes = tuple(map(str, value.transfer_syntax))
            return ("proposed", value.context_id, str(value.abstract_syntax), syntaxes)
        case "PresentationContextItemAC":
            return ("result", value.context_id, value.result, str(value.transfer_syntax or ""))
        case "UserInformationItem":
            return tuple(map(of_pynetdicom, value.user_data))
        case "MaximumLengthSubItem":
            return ("maximum", value.maximum_length_received)
        case "ImplementationClassUIDSubItem":
            return ("class uid", str(value.implementation_class_uid or ""))
        case "ImplementationVersionNameSubItem":
            return ("version", value.implementation_version_name or "")
        case "AsynchronousOperationsWindowSubItem":
            return ("window", value.max_operations_invoked, value.max_operations_performed)
        case "SCP_SCU_RoleSelectionSubItem":
            return ("role", str(value.uid), value.scu == 1, value.scp == 1)
        case "SOPClassExtendedNegotiationSubItem":
            return ("extended", str(value.uid), value.app_info)
        case "SOPClassCommonExtendedNegotiationSubItem":
            related = tuple(map(str, value.related_general_sop_class_identification))
            return ("common", str(value.sop_class_uid), str(value.service_class_uid), related)
        case "UserIdentitySubItemRQ":
            return ("identity", value.id_type, value.response_requested, value.primary, value.secondary or b"")
        case "UserIdentitySubItemAC":
            return ("response", value.response)
    raise AssertionError(f"no plain form of pynetdicom's {type(value).__name__}")


def decoded_by_pynetdicom(data: bytes, kind: type[ul.PDU] | type[ul.Item]) -> Any:
    """The plain form of what pynetdicom decodes."""
    if theirs is None:
        missing("pynetdicom is not installed")
    classes = {
        ul.AAssociateRQ: theirs.A_ASSOCIATE_RQ,
        ul.AAssociateAC: theirs.A_ASSOCIATE_AC,
        ul.AAssociateRJ: theirs.A_ASSOCIATE_RJ,
        ul.PDataTF: theirs.P_DATA_TF,
        ul.AReleaseRQ: theirs.A_RELEASE_RQ,
        ul.AReleaseRP: theirs.A_RELEASE_RP,
        ul.AAbort: theirs.A_ABORT_RQ,
        ul.ProposedContext: their_items.PresentationContextItemRQ,
        ul.ContextResult: their_items.PresentationContextItemAC,
        ul.UserInformation: their_items.UserInformationItem,
        ul.MaximumLength: their_items.MaximumLengthSubItem,
        ul.ImplementationClassUID: their_items.ImplementationClassUIDSubItem,
        ul.ImplementationVersionName: their_items.ImplementationVersionNameSubItem,
        ul.AsynchronousOperationsWindow: their_items.AsynchronousOperationsWindowSubItem,
        ul.RoleSelection: their_items.SCP_SCU_RoleSelectionSubItem,
        ul.SOPClassExtendedNegotiation: their_items.SOPClassExtendedNegotiationSubItem,
        ul.SOPClassCommonExtendedNegotiation: their_items.SOPClassCommonExtendedNegotiationSubItem,
        ul.UserIdentityRQ: their_items.UserIdentitySubItemRQ,
        ul.UserIdentityAC: their_items.UserIdentitySubItemAC,
    }
    value = classes[kind]()
    value.decode(data)
    return of_pynetdicom(value)


def _text(data: bytes) -> str:
    return data.decode("ascii").strip(" \0")


def of_scapy(layer: Any) -> Any:
    """What scapy made of a PDU or of an item, in the form of `plain`."""
    body = layer.payload
    match type(body).__name__:
        case "A_ASSOCIATE_RQ" | "A_ASSOCIATE_AC" as name:
            items = [(item.item_type, of_scapy(item)) for item in body.variable_items]
            (context_name,) = (value for kind, value in items if kind == 0x10)
            (information,) = (value for kind, value in items if kind == 0x50)
            return (
                name.replace("_", "-"),
                body.protocol_version,
                _text(body.called_ae_title),
                _text(body.calling_ae_title),
                context_name,
                tuple(value for kind, value in items if kind in (0x20, 0x21)),
                information,
            )
        case "A_ASSOCIATE_RJ":
            return ("A-ASSOCIATE-RJ", body.result, body.source, body.reason_diag)
        case "A_ABORT":
            return ("A-ABORT", body.source, body.reason_diag)
        case "A_RELEASE_RQ" | "A_RELEASE_RP" as name:
            return (name.replace("_", "-"),)
        case "P_DATA_TF":
            values = ((p.context_id, bool(p.is_command), bool(p.is_last), p.data) for p in body.pdv_items)
            return ("P-DATA-TF", *values)
        case "DICOMApplicationContext" | "DICOMAbstractSyntax" | "DICOMTransferSyntax":
            return _text(body.uid)
        case "DICOMPresentationContextRQ":
            (abstract,) = (of_scapy(item) for item in body.sub_items if item.item_type == 0x30)
            syntaxes = tuple(of_scapy(item) for item in body.sub_items if item.item_type == 0x40)
            return ("proposed", body.context_id, abstract, syntaxes)
        case "DICOMPresentationContextAC":
            syntaxes = [of_scapy(item) for item in body.sub_items if item.length]
            return ("result", body.context_id, body.result, syntaxes[0] if syntaxes else "")
        case "DICOMUserInformation":
            return tuple(map(of_scapy, body.sub_items))
        case "DICOMMaximumLength":
            return ("maximum", body.max_pdu_length)
        case "DICOMImplementationClassUID":
            return ("class uid", _text(body.uid))
        case "DICOMImplementationVersionName":
            return ("version", _text(body.getfieldval("name")))
        case "DICOMAsyncOperationsWindow":
            return ("window", body.max_ops_invoked, body.max_ops_performed)
        case "DICOMSCPSCURoleSelection":
            return ("role", _text(body.sop_class_uid), body.scu_role == 1, body.scp_role == 1)
        case "DICOMSOPClassExtendedNegotiation":
            return ("extended", _text(body.sop_class_uid), body.service_class_application_information)
        case "DICOMSOPClassCommonExtendedNegotiation":
            listed, related = body.related_sop_class_uids, []
            while listed:
                size = int.from_bytes(listed[:2], "big")
                related.append(_text(listed[2 : 2 + size]))
                listed = listed[2 + size :]
            uids = _text(body.sop_class_uid), _text(body.service_class_uid)
            return ("common", *uids, tuple(related))
        case "DICOMUserIdentity":
            # scapy has the secondary field for type 2 alone; by the standard its length is always there.
            secondary = body.secondary_field if body.user_identity_type == 2 else b""
            return (
                "identity",
                body.user_identity_type,
                body.positive_response_requested == 1,
                body.primary_field,
                secondary,
            )
        case "DICOMUserIdentityResponse":
            return ("response", body.server_response)
    raise AssertionError(f"no plain form of scapy's {type(body).__name__}")


def decoded_by_scapy(data: bytes) -> Any:
    """The plain form of a PDU as scapy decodes it."""
    return of_scapy(scapy_layer().DICOM(data))
