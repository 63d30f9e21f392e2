"""A deterministic text of input that is hard for tokenizers, in chunks. tests/io/nasty_corpus.cpp makes the same."""
import json, pathlib

MASK = (1 << 64) - 1
CHUNKS, CHUNK_BYTES = 100, 10_500


class Random:
    """splitmix64"""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return (z ^ z >> 31) % bound


class Corpus:
    def __init__(self, path):
        parts = json.loads(pathlib.Path(path).read_text())
        self.samples, self.separators = parts["samples"], parts["separators"]
        self.ranges, self.repeats = parts["ranges"], parts["repeats"]

    def piece(self, r):
        kind = r.below(10)
        if kind < 4:
            return self.samples[r.below(len(self.samples))]
        if kind < 6:  # a part of a sample
            sample = self.samples[r.below(len(self.samples))]
            begin = r.below(len(sample) + 1)
            return sample[begin:begin + r.below(40)]
        if kind < 8:  # characters of one block
            first, last = self.ranges[r.below(len(self.ranges))]
            return "".join(chr(first + r.below(last - first + 1)) for _ in range(1 + r.below(12)))
        if kind == 8:  # one character, many times
            character = chr(self.repeats[r.below(len(self.repeats))])
            return character * (1 + r.below(1 << r.below(10)))
        codes = [r.below(0x110000) for _ in range(1 + r.below(4))]
        return "".join(chr(code - 0x800 if 0xD800 <= code < 0xE000 else code) for code in codes)

    def chunk(self, number):
        r, text, size = Random(number), [], 0
        while size < CHUNK_BYTES:
            piece = self.piece(r)
            piece += self.separators[r.below(len(self.separators))]
            text.append(piece)
            size += len(piece.encode())
        return "".join(text)
