"""Carrying out plans: to descriptors, to bytes, in pieces.  See splice.pyx."""
