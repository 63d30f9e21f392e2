"""Captures that a run of a model writes (--dump-captures)."""
import json, unittest

from drawn_captures import ATTENTION, SCOPES
from harness import FIXTURES, LEARNED, heads, largest_difference
from model_runs import ModelRuns


class DumpedCaptures(ModelRuns):
    def test_captures_written_by_a_run_measure_the_same(self):
        other = self.folder / "other.json"
        other.write_text(json.dumps([(7 * i) % 97 for i in range(100)]))
        for grid, ranks in (("1x1", 1), ("1x2", 2), ("2x1", 2)):
            with self.subTest(grid=grid):
                captures = self.folder / f"captures-{grid}"
                rows = self.analyze(f"model-{grid}", "--grid", grid, "--dump-captures", captures, ranks=ranks,
                                    tokens=[FIXTURES / "qwen2" / "tokens.npy", other])
                self.assertEqual({p.name for p in captures.iterdir()}, {"tokens", "other"})
                for text in ("tokens", "other"):
                    self.succeed("validate", "--capture", captures / text)
                    out = self.folder / f"capture-{grid}-{text}"
                    self.succeed("analyze", "--capture", captures / text, "--contexts", "32,96", "--scopes", SCOPES, "--out", out)
                    ours = [row for row in rows if row["text"] == text]
                    difference, where = largest_difference(ours, heads(out), LEARNED | ATTENTION)
                    self.assertLessEqual(difference, 1e-12, where)
                    # The model's logits are float32, the capture's float64.
                    difference, where = largest_difference(ours, heads(out), only=ATTENTION)
                    self.assertLessEqual(difference, 1e-5, where)
                    self.assertEqual({row["learned_k90"] for row in heads(out)}, {""})
                    self.assertEqual({row["learned_stable_rank"] for row in heads(out)}, {""})

    def test_a_folder_with_captures_is_left_alone(self):
        captures, out = self.folder / "captures", self.folder / "run"
        (captures / "tokens").mkdir(parents=True)
        (captures / "tokens" / "mine").write_text("precious")
        model = FIXTURES / "qwen2"
        self.refuse(["analyze", "--model", model, "--tokens", model / "tokens.npy", "--contexts", "32", "--dump-captures",
                     captures, "--out", out], captures / "tokens", ranks=2)
        self.assertEqual([p.name for p in (captures / "tokens").iterdir()], ["mine"])
        self.assertFalse(out.exists(), "something was written")


if __name__ == "__main__":
    unittest.main()
