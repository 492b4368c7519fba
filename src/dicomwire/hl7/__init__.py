"""HL7 v2: framing by MLLP, tolerant messages, the keys that join orders to images, acknowledgements."""

from dicomwire.hl7.keys import Conflict, JoinKeys
from dicomwire.hl7.message import Header, Message, Segment
from dicomwire.hl7.mllp import Deframer, Frame, framed

__all__ = ["Conflict", "Deframer", "Frame", "Header", "JoinKeys", "Message", "Segment", "framed"]
