"""Statuses: classes by number, meanings by service, against the tables of pynetdicom."""

from __future__ import annotations

import pytest
from pynetdicom import sop_class, status

from dicomwire.dimse import status as module
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.status import Service, StatusKind, kind_of, service_of, status_of

TABLES = {
    Service.GENERAL: status.GENERAL_STATUS,
    Service.VERIFICATION: status.VERIFICATION_SERVICE_CLASS_STATUS,
    Service.STORAGE: status.STORAGE_SERVICE_CLASS_STATUS,
    Service.NON_PATIENT_OBJECT_STORAGE: status.NON_PATIENT_SERVICE_CLASS_STATUS,
    Service.FIND: status.QR_FIND_SERVICE_CLASS_STATUS,
    Service.MOVE: status.QR_MOVE_SERVICE_CLASS_STATUS,
    Service.GET: status.QR_GET_SERVICE_CLASS_STATUS,
    Service.WORKLIST: status.MODALITY_WORKLIST_SERVICE_CLASS_STATUS,
    Service.RELEVANT_PATIENT: status.RELEVANT_PATIENT_SERVICE_CLASS_STATUS,
    Service.SUBSTANCE_ADMINISTRATION: status.SUBSTANCE_ADMINISTRATION_SERVICE_CLASS_STATUS,
    Service.PROCEDURE_STEP: status.PROCEDURE_STEP_STATUS,
    Service.STORAGE_COMMITMENT: status.STORAGE_COMMITMENT_SERVICE_CLASS_STATUS,
    Service.PRINT: status.PRINT_JOB_MANAGEMENT_SERVICE_CLASS_STATUS,
    Service.MEDIA_CREATION: status.MEDIA_CREATION_MANAGEMENT_SERVICE_CLASS_STATUS,
    Service.EVENT_LOGGING: status.APPLICATION_EVENT_LOGGING_SERVICE_CLASS_STATUS,
    Service.UNIFIED_PROCEDURE_STEP: status.UNIFIED_PROCEDURE_STEP_SERVICE_CLASS_STATUS,
    Service.RT_MACHINE_VERIFICATION: status.RT_MACHINE_VERIFICATION_SERVICE_CLASS_STATUS,
    Service.STORAGE_MANAGEMENT: status.STORAGE_MANAGEMENT_SERVICE_CLASS_STATUS,
}
UNDEFINED = set(module._OF_KIND.values())


def test_the_class_of_every_number_is_pynetdicoms() -> None:
    differs = {}
    for code in range(0x10000):
        theirs = status.code_to_category(code).lower()
        ours = kind_of(code)
        if ours.value != theirs:
            differs[code] = (ours, theirs)
    # PS3.7 Annex C gives all of 01xx and 02xx to failures; pynetdicom knows those that have a name.
    assert {code >> 8 for code in differs} == {1, 2}
    assert set(differs.values()) == {(StatusKind.FAILURE, "unknown")}


@pytest.mark.parametrize("service", Service)
def test_what_a_service_defines_has_a_meaning(service: Service) -> None:
    theirs = TABLES[service]
    for code, (kind, _) in theirs.items():
        found = status_of(code, service)
        assert (found.code, found.kind.value) == (code, kind.lower())
        assert found.meaning not in UNDEFINED or code in (0, 0xFE00), hex(code)
        assert found.meaning == found.meaning.strip() != ""
    ours = {code for first, last, _ in module._rows(service) for code in range(first, last + 1)}
    more = ours - set(theirs)
    # Beyond: 0001 is of PS3.7 Annex C; limits on matches belong to every query of storage management.
    assert more <= {0x0001, 0xA700, 0xA710, 0xA900, 0xB001, 0xFF00, 0xFF01, *range(0xC000, 0xD000)}
    assert service is Service.STORAGE_MANAGEMENT or more <= {0x0001}


def test_a_single_number_counts_more_than_its_range() -> None:
    assert "locks the step" in status_of(0xC301, Service.UNIFIED_PROCEDURE_STEP).meaning
    assert status_of(0xC3FF, Service.UNIFIED_PROCEDURE_STEP).meaning == "the request cannot be processed"
    assert status_of(0x0110, Service.PROCEDURE_STEP).meaning != status_of(0x0110).meaning


def test_a_status_prints() -> None:
    assert str(status_of(0xA7AB, Service.STORAGE)) == "A7ABH failure: too few resources to store the instance"
    assert str(status_of(0xA7AB)).startswith("A7ABH failure: failed, for a reason")
    assert str(status_of(0x1234)) == "1234H unknown: a number that the standard does not use"


SERVICES = {
    Service.STORAGE_COMMITMENT: sop_class._STORAGE_COMMITMENT_CLASSES,
    Service.EVENT_LOGGING: sop_class._APPLICATION_EVENT_CLASSES,
    Service.PROCEDURE_STEP: sop_class._PROCEDURE_STEP_CLASSES,
    Service.PRINT: sop_class._PRINT_MANAGEMENT_CLASSES,
    Service.MEDIA_CREATION: sop_class._MEDIA_CREATION_CLASSES,
    Service.WORKLIST: sop_class._BASIC_WORKLIST_CLASSES,
    Service.UNIFIED_PROCEDURE_STEP: sop_class._UNIFIED_PROCEDURE_STEP_CLASSES,
    Service.RT_MACHINE_VERIFICATION: sop_class._RT_MACHINE_VERIFICATION_CLASSES,
    Service.RELEVANT_PATIENT: sop_class._RELEVANT_PATIENT_QUERY_CLASSES,
    Service.SUBSTANCE_ADMINISTRATION: sop_class._SUBSTANCE_ADMINISTRATION_CLASSES,
    Service.NON_PATIENT_OBJECT_STORAGE: sop_class._NON_PATIENT_OBJECT_CLASSES,
}


@pytest.mark.parametrize("service", SERVICES)
def test_the_service_of_a_sop_class(service: Service) -> None:
    command = CommandField.N_ACTION_RQ
    for name, uid in SERVICES[service].items():
        assert service_of(command, uid) is service, name
        assert service_of(command | 0x8000, uid) is service


def test_the_service_of_a_command() -> None:
    assert service_of(CommandField.C_STORE_RQ, "1.2.840.10008.5.1.4.1.1.2") is Service.STORAGE
    assert service_of(CommandField.C_STORE_RSP) is Service.STORAGE
    assert service_of(CommandField.C_MOVE_RSP, "1.2.840.10008.5.1.4.1.2.2.2") is Service.MOVE
    assert service_of(CommandField.C_FIND_RSP, "1.2.840.10008.5.1.4.31") is Service.WORKLIST
    assert service_of(CommandField.N_GET_RQ, "1.2.3") is Service.GENERAL
    assert service_of(CommandField.C_CANCEL_RQ) is Service.GENERAL
    assert service_of(0x7777) is Service.GENERAL
