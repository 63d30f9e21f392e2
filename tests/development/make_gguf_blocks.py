"""Writes tests/gguf/blocks.json: checksums of the numbers that the Python package `gguf` (0.19) reads from blocks of every
quantised type. tests/io/gguf_blocks_test.cpp makes the same blocks: bytes of a SplitMix64 sequence, whose float16 scales run
through all bit patterns that are finite. Needs: pip install gguf numpy
"""
import json
import pathlib

import gguf
import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[1] / "gguf" / "blocks.json"
FINITE = np.array([bits for bits in range(1 << 16) if bits & 0x7C00 != 0x7C00], np.uint16)
# Where the float16 numbers of a block stand.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}


def random_bytes(count):
    state = np.arange(1, (count + 7) // 8 + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (state ^ (state >> np.uint64(31))).view(np.uint8)[:count]


def blocks_of(kind, size):
    blocks = random_bytes(len(FINITE) * size).reshape(len(FINITE), size).copy()
    for k, offset in enumerate(HALVES[kind]):
        blocks[:, offset:offset + 2] = np.roll(FINITE, 12345 * k)[:, None].view(np.uint8)
    return blocks


def checksum(values):
    bits = values.ravel().view(np.uint32).astype(np.uint64)
    return f"{int(np.sum(bits * (2 * np.arange(len(bits), dtype=np.uint64) + 1), dtype=np.uint64)):016x}"


if __name__ == "__main__":
    out = {}
    for kind in HALVES:
        number = gguf.GGMLQuantizationType[kind]
        blocks = blocks_of(kind, gguf.GGML_QUANT_SIZES[number][1])
        with np.errstate(over="ignore"):  # of the largest scales of MXFP4
            values = gguf.dequantize(blocks, number)
        out[kind] = {"halves": HALVES[kind], "checksum": checksum(values), "first": [float(v) for v in values[20000][:8]]}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(out, indent=1) + "\n")
