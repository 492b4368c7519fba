"""Messages that tests of HL7 share, made up after IHE's Scheduled Workflow."""

ORM = "\r".join(
    (
        r"MSH|^~\&|RIS|RADIOLOGY|BROKER|IMAGING|20261128094000||ORM^O01|MSG00001|P|2.3.1||||||8859/1",
        "PID|||583295^^^ADT1&1.2.3&ISO~X44^^^OLD||DOE^JANE^Q^JR^DR||19610615|F|||1234 MAIN ST^^ANYTOWN^MO^63131||||",
        "PV1||O|RAD^^|||||1234^SMITH^BOB|5101^NELL^FREDERICK^P^^DR||||||||||V100^^^ADT1|||||||||||||||||||||||||2026",
        "ORC|NW|A100Z^RIS|B100Z^RIS||SC||1^once^^202611281000^^S||202611280900|^ROSEWOOD^RANDOLPH||7101^ESTRADA^JAIME",
        "OBR|1|A100Z^RIS|B100Z^RIS|P1^Chest^ERL^X1_A1^Action Item^DSS|||||||||xxx||Radiology^^^^R|7101^ESTRADA||ACC100"
        "|RP123|SS1||||MR|||1^once^^202611281000^^S|||WALK|||||||||||A|||",
        "ZDS|1.2.826.0.1.3680043.1.1^100^Application^DICOM",
        "",
    )
).encode()

OMI = "\r".join(
    (
        r"MSH|^~\&|RIS|RADIOLOGY|BROKER|IMAGING|20261128094000||OMI^O23^OMI_O23|MSG00002|P|2.5.1|||AL|AL||UTF-8",
        "PID|||583295^^^ADT1||MÜLLER^JÜRGEN||19610615|M",
        "ORC|NW|A200|B200||SC",
        "TQ1|1||||||202611281000",
        "OBR|1|A200|B200|P1^Chest||||||||||||||||||||MR",
        "IPC|ACC200|RP200|1.2.3.200|SS200-1|MR|P1||ROOM1|MR_AE1",
        "IPC|ACC200|RP200|1.2.3.200|SS200-2|MR|P2||ROOM1|MR_AE1",
        "",
    )
).encode()


def ack(control_id: str, code: str = "AA", own: str = "ACK1", more: str = "", accept: str = "") -> bytes:
    """An acknowledgement of a control ID; ``accept`` is MSH-15, ``more`` stands behind MSA."""
    header = rf"MSH|^~\&|BROKER|IMAGING|RIS|RADIOLOGY|20261128094001||ACK|{own}|P|2.3.1|||{accept}|"
    return f"{header}\rMSA|{code}|{control_id}\r{more}".encode()
