"""Compiled readers and writers of dicomwire.  Private: import :mod:`dicomwire`."""
