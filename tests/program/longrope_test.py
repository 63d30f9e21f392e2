"""Models whose rotation changes with the length of the text (LongRoPE): no short context is a prefix of a long one."""
import json, struct, unittest

from harness import Case, FIXTURES, heads, largest_difference

MODEL = FIXTURES / "families" / "phi3_longrope"  # rotation changes after 32 tokens; the reference has 48
TOLERANCE = 1e-4  # forward passes of other lengths sum in another order, in float32


def token_ids():
    raw = (MODEL / "reference" / "tokens.npy").read_bytes()
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    width = 8 if b"'<i8'" in raw[:start] else 4
    return list(struct.unpack(f"<{(len(raw) - start) // width}{'q' if width == 8 else 'i'}", raw[start:]))


class LongRope(Case):
    def analyze(self, tokens, *options):
        self.runs = getattr(self, "runs", 0) + 1
        text, out = self.folder / f"text{tokens}.json", self.folder / f"run{self.runs}"
        text.write_text(json.dumps(token_ids()[:tokens]))
        self.succeed("analyze", "--model", MODEL, "--tokens", text, *options, "--scopes", "full,causal", "--out", out)
        return heads(out)

    def test_contexts_on_both_sides_are_refused(self):
        for command in ("analyze", "plan"):
            out = ["--out", self.folder / "out"] if command == "analyze" else []
            self.refuse([command, "--model", MODEL, "--tokens", MODEL / "reference/tokens.npy", "--contexts", "8,48", *out],
                        "contexts of 8 and of 48", "more than 32 tokens", "--contexts up to 32")

    def test_contexts_of_one_side_are_those_of_texts_so_long(self):
        together = self.analyze(48, "--contexts", "8,32")
        for context in (8, 32):
            alone = self.analyze(context, "--contexts", str(context))
            own = [row for row in together if row["context"] == str(context)]
            difference, where = largest_difference(own, alone, but={"text"})
            self.assertLessEqual(difference, TOLERANCE, where)
        # The factors matter: rows of a longer run differ.
        longer = self.analyze(48, "--contexts", "33,48")
        self.assertGreater(largest_difference(self.analyze(33, "--contexts", "33"), self.analyze(32, "--contexts", "32"),
                                              only=["energy"])[0], 0.01)
        own = [row for row in longer if row["context"] == "33"]
        self.assertLessEqual(largest_difference(own, self.analyze(33, "--contexts", "33"), but={"text"})[0], TOLERANCE)

    def test_contexts_that_nobody_chose_are_of_one_side(self):
        self.assertEqual({row["context"] for row in self.analyze(48)}, {"32"})

    def test_captures_know_it(self):
        reference = MODEL / "reference"
        self.refuse(["analyze", "--capture", reference, "--contexts", "8,40", "--out", self.folder / "out"],
                    "a context of 8 tokens is not a prefix", "more than 32 tokens")
        self.succeed("analyze", "--capture", reference, "--contexts", "40,48", "--out", self.folder / "long")
        for length, key in ((48, 32), (32, None)):
            dumped = self.folder / f"captures{length}"
            self.analyze(48, "--contexts", str(length), "--dump-captures", str(dumped))
            info = json.loads(next(dumped.rglob("capture.json")).read_text())
            self.assertEqual(info.get("rotation_changes_after"), key)
        self.succeed("analyze", "--capture", next((self.folder / "captures32").iterdir()), "--contexts", "8,32", "--out",
                     self.folder / "short")


if __name__ == "__main__":
    unittest.main()
