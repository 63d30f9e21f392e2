"""Gaussian nulls: the same on any ranks, written on request only, rebuilt by report."""
import json, unittest

from drawn_captures import SCOPES, Captures
from harness import FIXTURES, number, table

class Nulls(Captures):
    def test_what_chance_gives_does_not_depend_on_the_ranks(self):
        capture = self.capture()
        options = ["--null", 4, "--seed", 1]
        self.analyze(capture, *options, contexts="67,130")
        reference, summary = table(self.out / "nulls.csv"), json.loads((self.out / "summary.json").read_text())
        self.assertTrue((self.out / "results.nc").exists())
        self.assertEqual([(row["context"], row["scope"], row["draws"]) for row in reference],
                         [(c, s, "4") for c in ("67", "130") for s in SCOPES.split(",")])
        for row in reference:
            self.assertGreater(float(row["energy"]), 0)
            self.assertGreater(float(row["energy_sd"]), 0)
            # Gaussian logits have variance 1, of which centring leaves nearly all.
            entries = int(row["context"]) ** 2 / (2 if row["scope"] == "causal" else 1)
            self.assertTrue(0.7 < float(row["energy"]) / entries < 1.3, row["energy"])
            told = next(f for f in summary["fields"] if (str(f["context"]), f["scope"]) == (row["context"], row["scope"]))
            self.assertEqual(told["null"]["draws"], 4)
            self.assertEqual(told["null"]["statistics"]["k90"]["mean"], float(row["k90"]))
            self.assertEqual(told["null"]["statistics"]["k90"]["sd"], float(row["k90_sd"]))
        for more, ranks in (([], 2), (["--verify-dense", 1], 3)):
            self.analyze(capture, *options, *more, contexts="67,130", ranks=ranks)
            rows = table(self.out / "nulls.csv")
            self.assert_alike(reference, rows, 1e-9, only=[name for name in rows[0] if not name.endswith("_sd") and name != "scope"])
            for x, y in zip(reference, rows):  # a spread that cancels down to rounding is rounding itself
                for name in (name for name in x if name.endswith("_sd") and x[name] != y[name]):
                    self.assertLessEqual(abs(number(x[name]) - number(y[name])), 1e-7 * abs(number(x[name[:-3]])), name)
        self.analyze(capture, "--null", 4, "--seed", 2)
        self.assertNotEqual(table(self.out / "nulls.csv")[0]["energy"], reference[3]["energy"])
        self.analyze(capture, *options, "--spectrum", "krylov", "--rows", "sharded", ranks=3)
        shared = table(self.out / "nulls.csv")
        exact = ["energy", "sigma_max", "stable_rank", "k90", "key_max_share", "query_gini", "coherence"]
        self.assert_alike(reference[3:], shared, 1e-9, only=exact)

    def test_none_unless_asked_for(self):
        self.analyze(self.capture())
        self.assertFalse((self.out / "nulls.csv").exists())
        for entry in json.loads((self.out / "summary.json").read_text())["fields"]:
            self.assertNotIn("null", entry)

    def test_report_rebuilds_them(self):
        self.analyze(self.capture(), "--null", 2, "--seed", 3)
        written = (self.out / "nulls.csv").read_bytes()
        (self.out / "nulls.csv").unlink()
        self.succeed("report", self.out)
        self.assertEqual((self.out / "nulls.csv").read_bytes(), written)
        self.succeed("validate", self.out)

    def test_of_a_model(self):
        out, model = self.folder / "run-model", FIXTURES / "qwen2"
        self.succeed("analyze", "--model", model, "--tokens", model / "tokens.npy", "--contexts", "32", "--null", 3, "--out", out)
        (row,) = table(out / "nulls.csv")
        self.assertGreater(float(row["learned_k90"]), 0)
        self.assertGreaterEqual(float(row["learned_effective_rank"]), 1)
        self.assertGreater(float(row["spectral_gap"]), 0)


if __name__ == "__main__":
    unittest.main()
