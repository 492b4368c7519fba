"""Header scans of many files: columns chosen by keyword, tag or path, rows in batches, broken files as rows."""

from dicomwire.scanning.scanner import Batch, ScanResult, scan

__all__ = ["Batch", "ScanResult", "scan"]
