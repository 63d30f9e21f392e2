"""Threads of the CUDA back end on the emulated device; ThreadSanitizer runs this test."""
import os, unittest

from harness import Case, heads, largest_difference, run, small_model

EMULATED = os.environ["LOGITFIELD_EMULATED"]


class EmulatedThreads(Case):
    def analyze(self, model, *options):
        folder = self.folder / "-".join(options)
        done = run("analyze", "--model", model, "--tokens", model / "tokens.json", "--contexts", "8,16", "--scopes", "full,causal",
                   *options, "--out", folder, program=EMULATED, timeout=600)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return heads(folder)

    def test_a_run_that_needs_all_of_them_equals_that_of_the_cpu(self):
        """One thread loads the next layer into memory that earlier layers have left; several convert its matrices of
        more than two million numbers; several measure heads."""
        model = small_model(self.folder / "model", layers=3, hidden=128, mlp=16384, tokens=16)
        expected = self.analyze(model, "--backend", "cpu")
        for weights in ("stream", "resident"):
            with self.subTest(weights):
                difference, where = largest_difference(expected, self.analyze(model, "--backend", "cuda", "--weights", weights))
                self.assertLessEqual(difference, 1e-4, where)


if __name__ == "__main__":
    unittest.main()
