"""Compares what dicomwire, pydicom and DCMTK's dcmdump read from the same file, element by element.

`readings` has dicomwire and pydicom, `dcmtk` runs dcmdump and reads its listing, `differences` compares and
holds the list of explained differences.  The command is tools/compare_readers.py.
"""
