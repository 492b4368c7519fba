"""Frames of Pixel Data: where each one lies in the source, native or encapsulated (PS3.5 section 8 and Annex A.4)."""
