"""Named, seeded, generated DICOM files with known sizes and element counts.

A corpus is generated once and kept in `build/corpus/<name>-<size>-<hash>/`; the hash covers the generator's
sources and the parameters, so that a changed generator never meets an old file.
`python -m benchmarks.workloads --size M` generates every corpus and prints where it is.

Workloads
    ct-explicit-le, ct-implicit-le,     single-frame CT files, 512 x 512 x 16 bit, 207 header elements,
    ct-explicit-be                      531 kB each; 2,000 explicit LE and 200 of the others (size M)
    sr-known, sr-undefined              a measurement report of 50,001 content items (size M)
    enhanced-known, enhanced-undefined  an enhanced CT of 1,000 frames, native pixel data (size M)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import struct
import sys
import tempfile
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import encode
from benchmarks.encode import (
    COMPREHENSIVE_3D_SR_STORAGE,
    CT_IMAGE_STORAGE,
    ENHANCED_CT_IMAGE_STORAGE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    PIXEL_DATA,
    UID_ROOT,
    Counts,
    Element,
    Items,
    file_meta,
    writer_for,
)

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "build" / "corpus"

# ---------------------------------------------------------------------------------------------- values

FAMILY = [
    "Müller",
    "Okafor",
    "Lindqvist",
    "Tanaka",
    "Garcia",
    "Novak",
    "O'Brien",
    "Haddad",
    "Silva",
    "Kowalski",
    "Nguyen",
    "Jensen",
    "Rossi",
    "Petit",
]
GIVEN = [
    "Anna",
    "Bjørn",
    "Chidi",
    "Dolores",
    "Emeka",
    "Françoise",
    "Gita",
    "Hiro",
    "Ines",
    "Jakub",
    "Kim",
    "Leila",
    "Mateus",
    "Nora",
]
DESCRIPTIONS = ["Thorax  1.0  B70f", "Abdomen  5.0  B30f", "Neck  2.0  B31s", "CTA Aorta  0.75  I26f 3"]
FILTERS = ["B70f", "B30f", "B31s", "I26f\\3"]


class Study:
    """Values shared by the files of one study, drawn from a seeded generator."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.uid = f"{UID_ROOT}.2.{20200000 + number}.{rng.randrange(10**9, 10**10)}"
        self.series_uid = f"{self.uid}.{rng.randrange(2, 9)}"
        self.frame_uid = f"{self.uid}.0.{rng.randrange(10**6)}"
        self.family, self.given = rng.choice(FAMILY), rng.choice(GIVEN)
        self.patient_id = f"{rng.choice('ABKX')}{rng.randrange(10**6, 10**7)}"
        self.birth_date = f"{rng.randrange(1931, 2006)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"
        self.date = f"{rng.randrange(2018, 2026)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"
        self.hour = rng.randrange(6, 20)
        self.sex = rng.choice("FM")
        self.age = f"{rng.randrange(18, 92):03}Y"
        self.description = rng.choice(DESCRIPTIONS)
        self.kernel = rng.choice(FILTERS)
        self.accession = f"ACC{rng.randrange(10**7, 10**8)}"
        self.kvp = str(rng.choice([80, 100, 120, 140]))
        self.current = rng.randrange(60, 420)
        self.origin = (rng.uniform(-260, -180), rng.uniform(-410, -300), rng.uniform(-900, -200))
        self.spacing = f"{rng.uniform(0.58, 0.98):.8f}"
        self.thickness = rng.choice(["1", "0.75", "5", "2.5"])
        self.weight, self.size = f"{rng.uniform(42, 118):.1f}", f"{rng.uniform(1.48, 2.02):.2f}"


def code(value: str, scheme: str, meaning: str, version: str | None = None) -> list[Element]:
    """Return the item of a code sequence (PS3.3 section 8.8)."""
    item = [Element(0x00080100, "SH", value), Element(0x00080102, "SH", scheme)]
    if version is not None:
        item.append(Element(0x00080103, "SH", version))
    item.append(Element(0x00080104, "LO", meaning))
    return item


def reference(sop_class: str, instance: str) -> list[Element]:
    """Return an item that refers to a SOP Instance (PS3.3 table 10-11)."""
    return [Element(0x00081150, "UI", sop_class), Element(0x00081155, "UI", instance)]


def private_blob(rng: random.Random, size: int) -> bytes:
    """Return bytes shaped like a vendor's name-value table: magic, count, records with padded names."""
    names = [
        "SliceThickness",
        "TableFeed",
        "RotationTime",
        "DetectorRow",
        "GantryTilt",
        "KernelName",
        "TubeLoad",
    ]
    out = bytearray(b"SV10\4\3\2\1" + struct.pack("<II", 34, 77))
    while len(out) < size:
        text = f"{rng.uniform(-500, 500):.6f}"
        out += rng.choice(names).encode().ljust(64, b"\0") + struct.pack("<i4sii", 1, b"DS\0\0", 3, 77)
        out += text.encode().ljust(16, b"\0")
    return bytes(out[:size])


# -------------------------------------------------------------------------------------------- CT files

CT_ROWS = CT_COLUMNS = 512


def ct_elements(study: Study, index: int, rng: random.Random, blob: bytes) -> list[Element]:
    """Return one CT image without pixel data, in tag order: 137 elements at the top level, 63 nested ones.

    A mixture seen in files of large scanners: dates and times down to microseconds, lists of decimal strings,
    references with known and with undefined lengths, nested codes, and five private blocks.
    """
    e = Element
    sop = f"{study.series_uid}.{index + 1}.{rng.randrange(10**8, 10**9)}"
    seconds = index * 0.731250
    time = f"{study.hour:02}{int(seconds // 60) % 60:02}{seconds % 60:09.6f}"
    z = study.origin[2] + index * float(study.thickness)
    position = [f"{study.origin[0]:.6f}", f"{study.origin[1]:.6f}", f"{z:.4f}"]
    current = study.current + rng.randrange(-30, 30)
    exam = code("IMG112", "L", study.description.split()[0] + " routine")
    referenced = [reference(CT_IMAGE_STORAGE, f"{study.uid}.1.{k}") for k in (1, 2, 3)]
    request = [
        e(0x00081110, "SQ", Items([reference("1.2.840.10008.3.1.2.3.1", study.uid)])),
        e(0x00321060, "LO", "CT " + study.description),
        e(0x00321064, "SQ", Items([exam])),
        e(0x00400007, "LO", "CT " + study.description),
        e(0x00400008, "SQ", Items([code("PROT7", "L", "Protocol 7", "2")])),
        e(0x00400009, "SH", f"SPS{index % 7 + 1}"),
        e(0x00401001, "SH", "RP" + study.accession[3:]),
    ]
    sources = [
        [
            e(0x00081150, "UI", CT_IMAGE_STORAGE),
            e(0x00081155, "UI", f"{study.uid}.7.{index + k}"),
            e(0x00089215, "SQ", Items([code("113072", "DCM", "Reformatting")], undefined=True)),
            e(0x0040A170, "SQ", Items([code("121322", "DCM", "Source image")])),
        ]
        for k in (0, 1)
    ]
    patient_ids = [
        [e(0x00100020, "LO", prefix + study.patient_id), e(0x00100021, "LO", issuer)]
        for prefix, issuer in (("77", "REG"), ("", "HOSP2"), ("X", "CLIN"))
    ]
    elements = [
        e(0x00080005, "CS", "ISO_IR 100"),
        e(0x00080008, "CS", ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]),
        e(0x00080012, "DA", study.date),
        e(0x00080013, "TM", time),
        e(0x00080016, "UI", CT_IMAGE_STORAGE),
        e(0x00080018, "UI", sop),
        e(0x00080020, "DA", study.date),
        e(0x00080021, "DA", study.date),
        e(0x00080022, "DA", study.date),
        e(0x00080023, "DA", study.date),
        e(0x0008002A, "DT", study.date + time),
        e(0x00080030, "TM", f"{study.hour:02}0312.437000"),
        e(0x00080031, "TM", f"{study.hour:02}0944.125000"),
        e(0x00080032, "TM", time),
        e(0x00080033, "TM", time),
        e(0x00080050, "SH", study.accession),
        e(0x00080060, "CS", "CT"),
        e(0x00080070, "LO", "SIEMENS"),
        e(0x00080080, "LO", "University Hospital"),
        e(0x00080081, "ST", "1 Harbour Street, Uppsala, District 4, SE-75185"),
        e(0x00080090, "PN", "Referrer^Ines^^Dr."),
        e(0x00080201, "SH", "+0100"),
        e(0x00081010, "SH", "CTAWP73"),
        e(0x00081030, "LO", study.description),
        e(0x00081032, "SQ", Items([exam, code("RPID16", "RADLEX", "CT Chest", "3.8")])),
        e(0x0008103E, "LO", study.description),
        e(0x00081040, "LO", "Radiology 2"),
        e(0x00081048, "PN", ["Attending^Gita", "Second^Kim"]),
        e(0x00081050, "PN", "Performing^Nora"),
        e(0x00081060, "PN", "Reader^Jakub"),
        e(0x00081070, "PN", "Operator^Hiro"),
        e(0x00081080, "LO", ["R07.4", "J18.9"]),
        e(0x00081090, "LO", "SOMATOM Definition AS+"),
        e(0x00081110, "SQ", Items([reference("1.2.840.10008.3.1.2.3.1", study.uid)])),
        e(0x00081111, "SQ", Items([reference("1.2.840.10008.3.1.2.3.3", study.uid + ".9")], undefined=True)),
        e(0x00081140, "SQ", Items(referenced)),
        e(0x00082112, "SQ", Items(sources)),
        e(0x00083010, "UI", f"{study.uid}.77.{index // 40}"),
        e(0x00090010, "LO", "GEMS_IDEN_01"),
        e(0x00091001, "LO", "CT_LIGHTSPEED"),
        e(0x00091004, "SH", "LightSpeed VCT"),
        e(0x00091027, "SL", 1584091234 + index),
        e(0x000910E3, "UI", "1.2.840.113619.1.2.5"),
        e(0x00100010, "PN", f"{study.family}^{study.given}"),
        e(0x00100020, "LO", study.patient_id),
        e(0x00100021, "LO", "HOSP-MPI"),
        e(0x00100030, "DA", study.birth_date),
        e(0x00100040, "CS", study.sex),
        e(0x00101000, "LO", ["X" + study.patient_id, "OLD-" + study.patient_id]),
        e(0x00101002, "SQ", Items(patient_ids)),
        e(0x00101010, "AS", study.age),
        e(0x00101020, "DS", study.size),
        e(0x00101030, "DS", study.weight),
        e(0x00102000, "LO", ""),
        e(0x00102110, "LO", "None known"),
        e(0x001021C0, "US", 4),
        e(0x00104000, "LT", ""),
        e(0x00180010, "LO", "APPLIED"),
        e(0x00180012, "SQ", Items([code("C-B0317", "SRT", "Iohexol", "1.1")])),
        e(0x00180015, "CS", "CHEST"),
        e(0x00180022, "CS", ["HELICAL_CT", "NONE"]),
        e(0x00180050, "DS", study.thickness),
        e(0x00180060, "DS", study.kvp),
        e(0x00180090, "DS", "500"),
        e(0x00181000, "LO", "65432"),
        e(0x00181020, "LO", ["syngo CT 2012B", "VA44A"]),
        e(0x00181030, "LO", "THORAX ROUTINE (Adult)"),
        e(0x00181041, "DS", "80"),
        e(0x00181044, "DS", "80"),
        e(0x00181046, "DS", ["3.5", "2"]),
        e(0x00181049, "DS", "350"),
        e(0x00181100, "DS", f"{float(study.spacing) * 512:.3f}"),
        e(0x00181110, "DS", "1085.6"),
        e(0x00181111, "DS", "595"),
        e(0x00181120, "DS", "0"),
        e(0x00181130, "DS", f"{140 + rng.uniform(-20, 20):.1f}"),
        e(0x00181140, "CS", "CW"),
        e(0x00181150, "IS", "500"),
        e(0x00181151, "IS", str(current)),
        e(0x00181152, "IS", str(current // 2)),
        e(0x00181160, "SH", "FLAT"),
        e(0x00181170, "IS", "28"),
        e(0x00181190, "DS", ["0.7", "1.2"]),
        e(0x00181200, "DA", [study.date, study.date]),
        e(0x00181201, "TM", ["060512.000000", "061144.000000"]),
        e(0x00181210, "SH", study.kernel.split("\\")),
        e(0x00185100, "CS", "HFS"),
        e(0x00189305, "FD", 0.5),
        e(0x00189306, "FD", 0.6),
        e(0x00189307, "FD", 38.4),
        e(0x00189309, "FD", 46.08),
        e(0x00189311, "FD", 1.2),
        e(0x00189324, "FD", 5.0 + current / 64),
        e(0x00189345, "FD", current / 32),
        e(0x00190010, "LO", "GEMS_ACQU_01"),
        e(0x00191002, "SL", 912),
        e(0x00191003, "DS", "373.75"),
        e(0x00191004, "DS", "1.0166"),
        e(0x00191018, "LO", "S"),
        e(0x0019101A, "LO", "I"),
        e(0x00191023, "DS", "39.37"),
        e(0x00191027, "DS", "0.5"),
        e(0x0020000D, "UI", study.uid),
        e(0x0020000E, "UI", study.series_uid),
        e(0x00200010, "SH", study.accession[3:]),
        e(0x00200011, "IS", "3"),
        e(0x00200012, "IS", str(index // 40 + 1)),
        e(0x00200013, "IS", str(index + 1)),
        e(0x00200032, "DS", position),
        e(0x00200037, "DS", ["1", "0", "0", "0", "1", "0"]),
        e(0x00200052, "UI", study.frame_uid),
        e(0x00201040, "LO", ""),
        e(0x00201041, "DS", position[2]),
        e(0x00280002, "US", 1),
        e(0x00280004, "CS", "MONOCHROME2"),
        e(0x00280010, "US", CT_ROWS),
        e(0x00280011, "US", CT_COLUMNS),
        e(0x00280030, "DS", [study.spacing, study.spacing]),
        e(0x00280100, "US", 16),
        e(0x00280101, "US", 12),
        e(0x00280102, "US", 11),
        e(0x00280103, "US", 0),
        e(0x00280106, "US", 0),
        e(0x00280107, "US", 4095),
        e(0x00281050, "DS", ["-600", "50"]),
        e(0x00281051, "DS", ["1200", "350"]),
        e(0x00281052, "DS", "-1024"),
        e(0x00281053, "DS", "1"),
        e(0x00281054, "LO", "HU"),
        e(0x00281055, "LO", ["LUNG", "MEDIASTINUM"]),
        e(0x00290010, "LO", "SIEMENS CSA HEADER"),
        e(0x00291008, "CS", "IMAGE NUM 4"),
        e(0x00291009, "LO", study.date),
        e(0x00291010, "OB", blob),
        e(0x00400244, "DA", study.date),
        e(0x00400245, "TM", f"{study.hour:02}0312.437000"),
        e(0x00400275, "SQ", Items([request])),
    ]
    return elements


def write_ct(folder: Path, syntax: str, files: int, seed: int) -> dict[str, Any]:
    """Write `files` CT images of 16 per study into `folder`; return their paths and counts per file."""
    rng = random.Random(seed)
    low = rng.randbytes(CT_ROWS * CT_COLUMNS)
    high = rng.randbytes(CT_ROWS * CT_COLUMNS).translate(bytes(k & 0x0F for k in range(256)))
    pixels = array("H", bytes(2 * CT_ROWS * CT_COLUMNS))
    as_bytes = memoryview(pixels).cast("B")
    as_bytes[0::2], as_bytes[1::2] = low, high
    stored = writer_for(syntax).value("OW", pixels.tobytes())
    blob = private_blob(rng, 2816)
    paths, counts, header_bytes, study = [], Counts(), 0, Study(rng, 0)
    top_level = 0
    for index in range(files):
        if index % 16 == 0:
            study = Study(rng, index // 16)
        elements = ct_elements(study, index % 16, rng, blob)
        writer = writer_for(syntax)
        sop = next(x.value for x in elements if x.tag == 0x00080018)
        head = file_meta(writer.counts, CT_IMAGE_STORAGE, sop, syntax) + writer.data_set(elements)
        head += writer.header(PIXEL_DATA, "OW", len(stored))
        counts, header_bytes, top_level = writer.counts, len(head), len(elements) + 1
        path = folder / f"{index // 16:03}" / f"CT{index:06}.dcm"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as stream:
            stream.write(head)
            stream.write(stored)
        paths.append(str(path.relative_to(folder)))
    return {
        "files": paths,
        "header_elements": counts.elements,
        "top_level_elements": top_level,
        "header_bytes": header_bytes,
    }


# ----------------------------------------------------------------------------------- structured report

FINDINGS = [
    ("108369006", "Neoplasm"),
    ("39607008", "Lung"),
    ("27550009", "Vessel disorder"),
    ("52988006", "Lesion"),
]
SITES = [("39607008", "Lung structure"), ("10200004", "Liver"), ("64033007", "Kidney"), ("15825003", "Aorta")]
MEASURES = [
    ("103339001", "Long Axis", "mm", "millimeter"),
    ("103340004", "Short Axis", "mm", "millimeter"),
    ("118565006", "Volume", "mm3", "cubic mm"),
    ("112039", "Tracking", "1", "no units"),
    ("112031", "Attenuation", "[hnsf'U]", "Hounsfield"),
]
METHODS = [("373098007", "Mean"), ("56851009", "Maximum"), ("255605001", "Minimum"), ("386136009", "Std dev")]
GROUP_ITEMS = 25


def content(relation: str, value_type: str, name: list[Element], *rest: Element) -> list[Element]:
    """Return one content item (PS3.3 section C.17.3); `rest` is its value and its children, in tag order."""
    head = [
        Element(0x0040A010, "CS", relation),
        Element(0x0040A040, "CS", value_type),
        Element(0x0040A043, "SQ", Items([name])),
    ]
    return sorted([*head, *rest])


def measurement_group(rng: random.Random, number: int, when: str | None) -> list[Element]:
    """Return a container of 25 content items, itself included: identity, finding, site, ten measurements."""
    e = Element
    finding, site = FINDINGS[number % 4], SITES[number // 4 % 4]
    children = [
        content(
            "HAS OBS CONTEXT",
            "TEXT",
            code("112039", "DCM", "Tracking ID"),
            e(0x0040A160, "UT", f"Lesion {number}"),
        ),
        content(
            "HAS OBS CONTEXT",
            "UIDREF",
            code("112040", "DCM", "Tracking UID"),
            e(0x0040A124, "UI", f"{UID_ROOT}.5.{rng.randrange(10**11, 10**12)}.{number}"),
        ),
        content(
            "CONTAINS",
            "CODE",
            code("121071", "DCM", "Finding"),
            e(0x0040A168, "SQ", Items([code(finding[0], "SCT", finding[1])])),
        ),
        content(
            "HAS CONCEPT MOD",
            "CODE",
            code("363698007", "SCT", "Finding Site"),
            e(0x0040A168, "SQ", Items([code(site[0], "SCT", site[1])])),
        ),
    ]
    for k in range(10):
        concept, meaning, unit, unit_meaning = MEASURES[(number + k) % 5]
        method = METHODS[(number + k) % 4]
        measured = [
            e(0x004008EA, "SQ", Items([code(unit, "UCUM", unit_meaning, "1.4")])),
            e(0x0040A30A, "DS", f"{rng.uniform(0, 900):.{k % 4}f}"),
        ]
        derivation = content(
            "HAS CONCEPT MOD",
            "CODE",
            code("121401", "DCM", "Derivation"),
            e(0x0040A168, "SQ", Items([code(method[0], "SCT", method[1])])),
        )
        children.append(
            content(
                "CONTAINS",
                "NUM",
                code(concept, "SCT", meaning),
                e(0x0040A300, "SQ", Items([measured])),
                e(0x0040A730, "SQ", Items([derivation])),
            )
        )
    rest = [e(0x0040A050, "CS", "SEPARATE"), e(0x0040A730, "SQ", Items(children))]
    if when is not None:
        rest.append(e(0x0040A032, "DT", when))
    return content("CONTAINS", "CONTAINER", code("125007", "DCM", "Measurement Group"), *rest)


def report_elements(groups: int, seed: int) -> list[Element]:
    """Return a measurement report of 1 + 25 * groups content items; the root's own elements are 65."""
    e, rng = Element, random.Random(seed)
    study = Study(rng, 7)
    time = f"{study.hour:02}1730.250000"
    ct = [reference(CT_IMAGE_STORAGE, f"{study.series_uid}.{k}") for k in range(1, 4)]
    evidence = [
        e(0x00081115, "SQ", Items([[e(0x00081199, "SQ", Items(ct)), e(0x0020000E, "UI", study.series_uid)]])),
        e(0x0020000D, "UI", study.uid),
    ]
    request = [
        e(0x00080050, "SH", study.accession),
        e(0x0020000D, "UI", study.uid),
        e(0x00321060, "LO", study.description),
        e(0x00321064, "SQ", Items([])),
        e(0x00401001, "SH", "RP" + study.accession[3:]),
    ]
    observer = [
        e(0x0040A027, "LO", "University Hospital"),
        e(0x0040A030, "DT", study.date + time),
        e(0x0040A075, "PN", "Reader^Jakub"),
        e(0x0040A088, "SQ", Items([code("R77", "L", "Reader")])),
    ]
    children = [measurement_group(rng, k, study.date + "101112" if k % 2 else None) for k in range(groups)]
    return [
        e(0x00080005, "CS", "ISO_IR 100"),
        e(0x00080016, "UI", COMPREHENSIVE_3D_SR_STORAGE),
        e(0x00080018, "UI", study.series_uid + ".88"),
        e(0x00080020, "DA", study.date),
        e(0x00080021, "DA", study.date),
        e(0x00080023, "DA", study.date),
        e(0x00080030, "TM", time),
        e(0x00080033, "TM", time),
        e(0x00080050, "SH", study.accession),
        e(0x00080060, "CS", "SR"),
        e(0x00080070, "LO", "Reporter Inc."),
        e(0x00080090, "PN", "Referrer^Ines"),
        e(0x00081090, "LO", "Measure 3"),
        e(0x00100010, "PN", f"{study.family}^{study.given}"),
        e(0x00100020, "LO", study.patient_id),
        e(0x00100030, "DA", study.birth_date),
        e(0x00100040, "CS", study.sex),
        e(0x00181000, "LO", "2201"),
        e(0x00181020, "LO", "3.1.0"),
        e(0x0020000D, "UI", study.uid),
        e(0x0020000E, "UI", study.series_uid + ".80"),
        e(0x00200010, "SH", study.accession[3:]),
        e(0x00200011, "IS", "880"),
        e(0x00200013, "IS", "1"),
        e(0x0040A040, "CS", "CONTAINER"),
        e(0x0040A043, "SQ", Items([code("126000", "DCM", "Imaging Measurement Report")])),
        e(0x0040A050, "CS", "SEPARATE"),
        e(0x0040A073, "SQ", Items([observer])),
        e(0x0040A370, "SQ", Items([sorted(request)])),
        e(0x0040A372, "SQ", Items([code("IMG112", "L", "Thorax routine")])),
        e(0x0040A375, "SQ", Items([evidence])),
        e(0x0040A491, "CS", "COMPLETE"),
        e(0x0040A493, "CS", "VERIFIED"),
        e(0x0040A504, "SQ", Items([[e(0x00080105, "CS", "DCMR"), e(0x0040DB00, "CS", "1500")]])),
        e(0x0040A730, "SQ", Items(children)),
    ]


def write_sr(folder: Path, undefined: bool, groups: int, seed: int) -> dict[str, Any]:
    """Write one structured report; return its path and counts."""
    writer = writer_for(EXPLICIT_LE, undefined=undefined)
    elements = report_elements(groups, seed)
    sop = next(x.value for x in elements if x.tag == 0x00080018)
    meta = Counts()
    head = file_meta(meta, COMPREHENSIVE_3D_SR_STORAGE, sop, EXPLICIT_LE)
    body = writer.data_set(elements)
    (folder / "report.dcm").write_bytes(head + body)
    return {
        "files": ["report.dcm"],
        "header_elements": meta.elements + writer.counts.elements,
        "top_level_elements": len(elements),
        "content_items": 1 + GROUP_ITEMS * groups,
        "header_bytes": len(head) + len(body),
    }


# ----------------------------------------------------------------------------------------- enhanced CT


def frame_groups(index: int, study: Study, rng: random.Random) -> list[Element]:
    """Return the 42 elements (nested ones too) of one frame's functional groups (PS3.3 section A.38.1.4)."""
    e = Element
    z = study.origin[2] + index * 0.625
    when = f"{study.date}{study.hour:02}{index // 60 % 60:02}{index % 60:02}.{rng.randrange(10**6):06}"
    current = study.current + rng.randrange(-30, 30)
    content_item = [
        e(0x00189074, "DT", when),
        e(0x00189151, "DT", when),
        e(0x00189220, "FD", 500.0 + index % 3),
        e(0x00209056, "SH", "1"),
        e(0x00209057, "UL", index + 1),
        e(0x00209156, "US", index % 65535 + 1),
        e(0x00209157, "UL", [1, index + 1]),
    ]
    exposure = [
        e(0x00189323, "CS", "ANGULAR"),
        e(0x00189328, "FD", 500.0),
        e(0x00189330, "FD", float(current)),
        e(0x00189332, "FD", current / 2),
        e(0x00189345, "FD", current / 32),
    ]
    frame_type = [
        e(0x00089007, "CS", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]),
        e(0x00089205, "CS", "MONOCHROME"),
        e(0x00089206, "CS", "VOLUME"),
        e(0x00089207, "CS", "NONE"),
    ]
    table = [
        e(0x00189313, "FD", [0.0, -142.5, z]),
        e(0x00189318, "FD", [0.5, -142.0, z]),
        e(0x00189327, "FD", -z),
    ]
    details = [
        e(0x00180060, "DS", study.kvp),
        e(0x00181160, "SH", "WEDGE_1"),
        e(0x00181190, "DS", "1.2"),
        e(0x00187050, "CS", "ALUMINUM"),
    ]
    window = [e(0x00281050, "DS", "50"), e(0x00281051, "DS", "350"), e(0x00281055, "LO", "SOFT TISSUE")]
    transform = [e(0x00281052, "DS", "-1024"), e(0x00281053, "DS", "1"), e(0x00281054, "LO", "HU")]
    position = [f"{study.origin[0]:.4f}", f"{study.origin[1]:.4f}", f"{z:.4f}"]
    return [
        e(0x00189321, "SQ", Items([exposure])),
        e(0x00189325, "SQ", Items([details])),
        e(0x00189326, "SQ", Items([table])),
        e(0x00189329, "SQ", Items([frame_type])),
        e(0x00189477, "SQ", Items([[e(0x00083010, "UI", f"{study.uid}.77.{index // 40}")]])),
        e(0x00209111, "SQ", Items([content_item])),
        e(0x00209113, "SQ", Items([[e(0x00200032, "DS", position)]])),
        e(0x00209116, "SQ", Items([[e(0x00200037, "DS", ["1", "0", "0", "0", "1", "0"])]])),
        e(0x00289132, "SQ", Items([window])),
        e(0x00289145, "SQ", Items([transform])),
    ]


def enhanced_elements(frames: int, seed: int) -> list[Element]:
    """Return the elements of an enhanced CT without pixel data: 71 and 42 for each frame."""
    e, rng = Element, random.Random(seed)
    study = Study(rng, 11)
    time = f"{study.hour:02}1730.250000"
    organization = f"{study.uid}.60"
    measures = [e(0x00180050, "DS", "0.625"), e(0x00280030, "DS", [study.spacing, study.spacing])]
    acquisition = [
        e(0x00189302, "CS", "SPIRAL"),
        e(0x00189333, "CS", "NO"),
        e(0x00189334, "CS", "NO"),
    ]
    anatomy = [
        e(0x00082218, "SQ", Items([code("43799004", "SCT", "Thoracic cavity")])),
        e(0x00209072, "CS", "U"),
    ]
    shared = [
        e(0x00189301, "SQ", Items([acquisition])),
        e(0x00209071, "SQ", Items([anatomy])),
        e(0x00289110, "SQ", Items([measures])),
    ]
    indices = [
        [e(0x00209164, "UI", organization), e(0x00209165, "AT", [tag]), e(0x00209167, "AT", [0x00209111])]
        for tag in (0x00209056, 0x00209057)
    ]
    per_frame = [frame_groups(k, study, rng) for k in range(frames)]
    return [
        e(0x00080005, "CS", "ISO_IR 100"),
        e(0x00080008, "CS", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]),
        e(0x00080012, "DA", study.date),
        e(0x00080013, "TM", time),
        e(0x00080016, "UI", ENHANCED_CT_IMAGE_STORAGE),
        e(0x00080018, "UI", study.series_uid + ".1"),
        e(0x00080020, "DA", study.date),
        e(0x00080021, "DA", study.date),
        e(0x00080023, "DA", study.date),
        e(0x0008002A, "DT", study.date + time),
        e(0x00080030, "TM", time),
        e(0x00080031, "TM", time),
        e(0x00080033, "TM", time),
        e(0x00080050, "SH", study.accession),
        e(0x00080060, "CS", "CT"),
        e(0x00080070, "LO", "SIEMENS"),
        e(0x00080090, "PN", "Referrer^Ines"),
        e(0x00081010, "SH", "CTAWP74"),
        e(0x00081030, "LO", study.description),
        e(0x00081090, "LO", "SOMATOM Force"),
        e(0x00089205, "CS", "MONOCHROME"),
        e(0x00089206, "CS", "VOLUME"),
        e(0x00089207, "CS", "NONE"),
        e(0x00100010, "PN", f"{study.family}^{study.given}"),
        e(0x00100020, "LO", study.patient_id),
        e(0x00100030, "DA", study.birth_date),
        e(0x00100040, "CS", study.sex),
        e(0x00181000, "LO", "65432"),
        e(0x00181020, "LO", "VB20A"),
        e(0x0020000D, "UI", study.uid),
        e(0x0020000E, "UI", study.series_uid),
        e(0x00200010, "SH", study.accession[3:]),
        e(0x00200011, "IS", "5"),
        e(0x00200013, "IS", "1"),
        e(0x00200052, "UI", study.frame_uid),
        e(0x00201040, "LO", ""),
        e(0x00209221, "SQ", Items([[e(0x00209164, "UI", organization)]])),
        e(0x00209222, "SQ", Items(indices)),
        e(0x00280002, "US", 1),
        e(0x00280004, "CS", "MONOCHROME2"),
        e(0x00280008, "IS", str(frames)),
        e(0x00280010, "US", CT_ROWS),
        e(0x00280011, "US", CT_COLUMNS),
        e(0x00280100, "US", 16),
        e(0x00280101, "US", 12),
        e(0x00280102, "US", 11),
        e(0x00280103, "US", 0),
        e(0x00280301, "CS", "NO"),
        e(0x00282110, "CS", "00"),
        e(0x52009229, "SQ", Items([shared])),
        e(0x52009230, "SQ", Items(per_frame)),
    ]


def write_enhanced(folder: Path, undefined: bool, frames: int, seed: int) -> dict[str, Any]:
    """Write one enhanced CT with native pixel data of 512 KiB a frame; return its path and counts."""
    writer = writer_for(EXPLICIT_LE, undefined=undefined)
    elements = enhanced_elements(frames, seed)
    sop = next(x.value for x in elements if x.tag == 0x00080018)
    meta = Counts()
    head = file_meta(meta, ENHANCED_CT_IMAGE_STORAGE, sop, EXPLICIT_LE) + writer.data_set(elements)
    head += writer.header(PIXEL_DATA, "OW", frames * CT_ROWS * CT_COLUMNS * 2)
    frame = bytearray(random.Random(seed).randbytes(CT_ROWS * CT_COLUMNS * 2))
    frame[1::2] = bytes(frame[1::2]).translate(bytes(k & 0x0F for k in range(256)))
    with (folder / "enhanced.dcm").open("wb") as stream:
        stream.write(head)
        for index in range(frames):
            struct.pack_into("<HH", frame, 0, index & 0x0FFF, index >> 12)
            stream.write(frame)
    return {
        "files": ["enhanced.dcm"],
        "header_elements": meta.elements + writer.counts.elements,
        "top_level_elements": len(elements) + 1,
        "frames": frames,
        "header_bytes": len(head),
    }


# --------------------------------------------------------------------------------------------- corpora


@dataclass(frozen=True)
class Corpus:
    """A generated set of files: absolute paths, and what the generator knows about each of them."""

    name: str
    size: str
    folder: Path
    paths: list[str]
    header_elements: int  # in each file, nested ones and File Meta Information too, Pixel Data not
    top_level_elements: int  # of the data set, Pixel Data too
    header_bytes: int  # from the first byte of the file to the first one of Pixel Data (CT: of the last file)
    total_bytes: int
    details: dict[str, Any]

    @property
    def path(self) -> str:
        """The only path of a corpus of one file."""
        if len(self.paths) != 1:
            raise ValueError(f"{self.name} has {len(self.paths)} files")
        return self.paths[0]


SYNTAXES = {"ct-explicit-le": EXPLICIT_LE, "ct-implicit-le": IMPLICIT_LE, "ct-explicit-be": EXPLICIT_BE}
NAMES = [*SYNTAXES, "sr-known", "sr-undefined", "enhanced-known", "enhanced-undefined"]

PARAMETERS: dict[str, dict[str, int]] = {
    # files of each CT corpus, measurement groups (25 content items each) of a report, frames of enhanced
    "XS": {"explicit": 4, "other": 2, "groups": 3, "frames": 3},
    "S": {"explicit": 200, "other": 50, "groups": 80, "frames": 20},
    "M": {"explicit": 2000, "other": 200, "groups": 2000, "frames": 1000},
    "L": {"explicit": 4000, "other": 400, "groups": 8000, "frames": 3000},
}


def parameters(name: str, size: str) -> dict[str, Any]:
    """Return the generator's parameters for a workload and a size."""
    numbers = PARAMETERS[size]
    if name in SYNTAXES:
        count = numbers["explicit"] if name == "ct-explicit-le" else numbers["other"]
        return {"kind": "ct", "syntax": SYNTAXES[name], "files": count, "seed": 20261122}
    undefined = name.endswith("-undefined")
    if name.startswith("sr-"):
        return {"kind": "sr", "undefined": undefined, "groups": numbers["groups"], "seed": 50001}
    if name.startswith("enhanced-"):
        return {"kind": "enhanced", "undefined": undefined, "frames": numbers["frames"], "seed": 1000}
    raise ValueError(f"unknown workload {name!r}; known: {', '.join(NAMES)}")


WRITERS = {"ct": write_ct, "sr": write_sr, "enhanced": write_enhanced}


def corpus(name: str, size: str = "S", *, root: Path | None = None, **overrides: Any) -> Corpus:
    """Return a corpus, generated at first and cached under `root` (default: build/corpus) afterwards.

    `overrides` replace parameters (a report of 200 groups, say); they are part of the hash, as are the
    generator's sources.
    """
    root = CORPUS if root is None else root
    arguments = parameters(name, size) | overrides
    sources = Path(__file__).read_bytes() + Path(encode.__file__).read_bytes()
    key = hashlib.sha256(sources + json.dumps(arguments, sort_keys=True).encode())
    label = size if not overrides else size + "-custom"
    folder = root / f"{name}-{label}-{key.hexdigest()[:16]}"
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        _generate(folder, arguments)
        _remove_stale(folder, f"{name}-{label}-", arguments)
    facts = json.loads(manifest.read_text())
    return Corpus(
        name=name,
        size=label,
        folder=folder,
        paths=[str(folder / file) for file in facts["files"]],
        header_elements=facts["header_elements"],
        top_level_elements=facts["top_level_elements"],
        header_bytes=facts["header_bytes"],
        total_bytes=facts["total_bytes"],
        details={k: v for k, v in facts.items() if k not in ("files",)},
    )


def _generate(folder: Path, arguments: dict[str, Any]) -> None:
    """Generate into a temporary neighbour and move it in place: a broken run leaves no half corpus."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        rest = {k: v for k, v in arguments.items() if k != "kind"}
        facts = WRITERS[arguments["kind"]](temporary, **rest)
        facts["total_bytes"] = sum((temporary / file).stat().st_size for file in facts["files"])
        facts["parameters"] = arguments
        (temporary / "manifest.json").write_text(json.dumps(facts))
        shutil.rmtree(folder, ignore_errors=True)
        os.chmod(temporary, 0o755)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _remove_stale(folder: Path, prefix: str, arguments: dict[str, Any]) -> None:
    """Remove corpora of the same parameters that an earlier generator made."""
    for manifest in folder.parent.glob(prefix + "*/manifest.json"):
        if manifest.parent != folder and json.loads(manifest.read_text())["parameters"] == arguments:
            shutil.rmtree(manifest.parent)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workloads", description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="M", choices=list(PARAMETERS))
    parser.add_argument("--names", nargs="*", default=NAMES, choices=NAMES, metavar="NAME")
    parser.add_argument("--json", action="store_true", help="print what is known of each corpus as JSON")
    options = parser.parse_args(arguments)
    for name in options.names:
        made = corpus(name, options.size)
        if options.json:
            print(json.dumps(asdict(made) | {"folder": str(made.folder), "paths": len(made.paths)}))
        else:
            print(
                f"{name:20} {len(made.paths):5} files {made.total_bytes / 1e6:9.1f} MB  "
                f"{made.header_elements:7} header elements a file  {made.folder}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
