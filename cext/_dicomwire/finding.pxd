"""Findings of the stepper in words."""
from .tape cimport RawFinding

cdef str finding_name(int kind)
cdef str finding_text(RawFinding* f)
