"""Frames of pixel data: where each one lies in the source, native or encapsulated (PS3.5 section 8 and Annex A.4)."""

from dicomwire.pixel.frames import FrameReader, RawFrame
from dicomwire.pixel.index import FrameIndex

__all__ = ["FrameIndex", "FrameReader", "RawFrame"]
