#!/usr/bin/env python3
"""Writes tokens/NAME.npy for every text/NAME.txt: the token id is the byte value."""
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent


def npy(ids):
    """An int32 vector as a version 1.0 .npy file, whose data must start at a multiple of 64 bytes."""
    header = f"{{'descr': '<i4', 'fortran_order': False, 'shape': ({len(ids)},), }}".encode("ascii")
    prefix = 10  # magic, version and the header's length
    header += b" " * (-(prefix + len(header) + 1) % 64) + b"\n"
    data = struct.pack(f"<{len(ids)}i", *ids)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def main():
    folder = HERE / "tokens"
    folder.mkdir(exist_ok=True)
    for text in sorted((HERE / "text").glob("*.txt")):
        (folder / f"{text.stem}.npy").write_bytes(npy(text.read_bytes()))


if __name__ == "__main__":
    main()
