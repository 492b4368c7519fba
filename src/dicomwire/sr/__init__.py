"""Structured reports: the content tree with its texts, codes, measurements and references (PS3.3 section C.17.3)."""

from __future__ import annotations

from dicomwire.sr.content import Code, ContentItem, Coordinates, Measurement, Reference, read_content

__all__ = ["Code", "ContentItem", "Coordinates", "Measurement", "Reference", "read_content"]
