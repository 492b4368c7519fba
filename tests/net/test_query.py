"""Query and retrieval with the general requests, as docs/network.md has it, against Orthanc (PS3.4 Annex C)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import dicomwire
from dicomwire.dimse import CFindRQ, CGetRQ, CMoveRQ
from dicomwire.file import data_set_bytes
from dicomwire.net import AE, Handlers, Roles, Server, Storage
from dicomwire.net.storage import Stored, contexts_for, send_files
from tests.net import peers
from tests.net.storage.instances import CT
from tests.net.storage.test_sending import write

pytestmark = pytest.mark.peers

FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))


def test_what_orthanc_has_is_found_and_fetched(tmp_path: Path) -> None:
    port = peers.free_port()
    allowed = {f"DicomAlwaysAllow{name}": True for name in ("Find", "Get", "Move")}
    settings = {**allowed, "DicomModalities": {"own": ["OWN", "127.0.0.1", port]}}
    paths = write(tmp_path, 3)
    found: list[str] = []
    fetched: list[str] = []

    def on_stored(stored: Stored) -> None:
        fetched.append(str(stored.sop_instance_uid))

    async def talk(peer: int) -> list[str]:
        ae = AE("OWN")
        plan = contexts_for(paths)
        await send_files(
            plan.batches, lambda contexts: ae.associate("127.0.0.1", peer, contexts=contexts), report=lambda sent: None
        )
        query = dicomwire.DataSet()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "IMAGE", study
        query.SeriesInstanceUID, query.SOPInstanceUID = series, ""
        async with ae.associate("127.0.0.1", peer, contexts=[FIND]) as association:
            identifier = data_set_bytes(query, transfer_syntax=association.contexts[1].transfer_syntax)
            async for answer in association.responses(CFindRQ(affected_sop_class_uid=FIND), identifier):
                if answer.data is not None:
                    found.append(str(dicomwire.dcmread(answer.data, force=True).SOPInstanceUID))
        query = dicomwire.DataSet()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study
        ends = []
        handlers = Handlers()
        storage = Storage(None, on_stored=on_stored)
        storage.register(handlers)
        async with ae.associate(
            *("127.0.0.1", peer), contexts=[GET, CT], roles={CT: Roles(scu=False, scp=True)}, handlers=handlers
        ) as association:
            identifier = data_set_bytes(query, transfer_syntax=association.contexts[1].transfer_syntax)
            ends.append(await association.request(CGetRQ(affected_sop_class_uid=GET), identifier))
        server = Server("OWN", port=port)
        storage.register(server)
        async with server, ae.associate("127.0.0.1", peer, contexts=[MOVE]) as association:
            identifier = data_set_bytes(query, transfer_syntax=association.contexts[1].transfer_syntax)
            ends.append(
                await association.request(CMoveRQ(affected_sop_class_uid=MOVE, move_destination="OWN"), identifier)
            )
        return [str(end.status) for end in ends]

    header = dicomwire.dcmread(paths[0])
    study, series = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
    with peers.orthanc(tmp_path, **settings) as peer:
        assert asyncio.run(talk(peer.port)) == ["0000H success: done"] * 2
    assert sorted(found) == ["1.2.0", "1.2.1", "1.2.2"]
    assert sorted(fetched) == sorted(found * 2)
