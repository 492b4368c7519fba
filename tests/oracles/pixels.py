"""Kernels of pixel data as plain Python over lists of numbers: slow and obvious."""

from __future__ import annotations


def stored_value(word: int, bits: int, up: int, down: int, *, signed: bool) -> int:
    """The value in a word of so many bits after ``up`` unused bits are taken off above it, ``down`` in all."""
    stored = bits - down
    value = (word >> (down - up)) & ((1 << stored) - 1)
    return value - (1 << stored) if signed and value >> (stored - 1) else value


def bits(data: bytes, count: int, skip: int) -> list[int]:
    return [data[i // 8] >> i % 8 & 1 for i in range(skip, skip + count)]


def twelve(data: bytes, count: int, *, odd: bool) -> list[int]:
    whole = int.from_bytes(data, "little") >> (4 if odd else 0)
    return [whole >> 12 * i & 0xFFF for i in range(count)]


def interleaved(samples: list[int], planes: int, frames: int) -> list[int]:
    size = len(samples) // frames
    pixels = size // planes
    return [samples[f * size + p * pixels + i] for f in range(frames) for i in range(pixels) for p in range(planes)]


def upsampled(samples: list[int]) -> list[int]:
    result = []
    for i in range(0, len(samples), 4):
        first, second, blue, red = samples[i : i + 4]
        result += [first, blue, red, second, blue, red]
    return result


def rle_decoded(segment: bytes) -> bytes:
    """PS3.5 section G.3.2."""
    out, at = bytearray(), 0
    while at < len(segment):
        code = segment[at]
        at += 1
        if code < 128:
            out += segment[at : at + code + 1]
            at += code + 1
        elif code > 128:
            out += segment[at : at + 1] * (257 - code)
            at += 1
    return bytes(out)
