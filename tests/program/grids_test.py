"""Every grid and both residencies give the same numbers; a repetition gives the same bits."""
import unittest

from harness import Case, MAKE_CHECKPOINT, heads, largest_difference, run

GRIDS = ["1x1", "2x1", "1x2", "2x2", "3x1", "1x3"]


class Grids(Case):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        # 5 layers, 4 KV heads, 172 MLP rows, 301 tokens: none of these is divisible by 2 and by 3
        made = run(self.model, "--layers", 5, "--hidden", 64, "--heads", 8, "--kv-heads", 4, "--head-dim", 8, "--mlp", 172,
                   "--vocab", 301, "--positions", 256, "--tokens", 200, "--dtype", "F32", program=MAKE_CHECKPOINT)
        self.assertEqual(made.returncode, 0, made.stderr)

    def analyze(self, grid, weights, name):
        stages, shards = map(int, grid.split("x"))
        tokens = self.model / "tokens.json"
        out = self.folder / name
        self.succeed("analyze", "--model", self.model, "--tokens", tokens, tokens, "--contexts", "7,64,200", "--grid", grid,
                     "--weights", weights, "--out", out, ranks=stages * shards)
        return out

    def test_numbers_do_not_depend_on_the_grid(self):
        reference = heads(self.analyze("1x1", "stream", "reference"))
        self.assertEqual(len(reference), 2 * 3 * 5 * 8)
        for grid in GRIDS:
            for weights in ("stream", "resident"):
                with self.subTest(grid=grid, weights=weights):
                    difference, where = largest_difference(reference, heads(self.analyze(grid, weights, grid + weights)))
                    self.assertLessEqual(difference, 1e-5, where)

    def test_a_repeated_run_is_the_same_bit_for_bit(self):
        for grid in ("1x1", "2x2"):
            first, second = (self.analyze(grid, "stream", grid + n) / "heads.csv" for n in "ab")
            self.assertEqual(first.read_bytes(), second.read_bytes())

    def test_ranks_that_do_not_fit_are_refused_with_what_does(self):
        tokens = self.model / "tokens.json"
        self.refuse(["plan", "--model", self.model, "--tokens", tokens, "--grid", "1x5"], "5 shards", "5x1")
        self.refuse(["analyze", "--model", self.model, "--tokens", tokens, "--grid", "2x1", "--out", self.folder / "x"],
                    "--grid 2x1 needs 2 ranks")


if __name__ == "__main__":
    unittest.main()
