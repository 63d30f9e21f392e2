"""Output on a terminal: a summary of at most 100 columns, and progress on one line that is updated in place."""
import os, pty, shutil, subprocess, unittest

from harness import Case, PROGRAM, REPOSITORY, small_model

MODEL = sorted((REPOSITORY / "demo" / "checkpoints").iterdir())[-1]
TOKENS = REPOSITORY / "demo" / "tokens" / "harbour.npy"


class Terminal(Case):
    def test_the_summary_fits_100_columns(self):
        long_name = self.folder / ("a_text_with_a_name_of_many_words_" * 3 + ".npy")
        shutil.copy(TOKENS, long_name)
        shown = self.succeed("analyze", "--model", MODEL, "--tokens", TOKENS, long_name, "--contexts", "32,64", "--scopes",
                             "full,causal,causal-mean", "--null", 2, "--out", self.folder / "run").stdout
        lines = [line for line in shown.splitlines() if not line.startswith("results: ")]  # a path may be longer
        self.assertGreater(len(lines), 30)
        self.assertLessEqual(max(map(len, lines)), 100, shown)
        self.assertIn("text 'a_text_with_a_name_of_many_words_a_te...': next-token loss", shown)

    def test_progress_renews_one_line_on_a_terminal(self):
        ours, its = pty.openpty()
        done = subprocess.Popen([PROGRAM, "analyze", "--model", small_model(self.folder / "model"), "--tokens",
                                 self.folder / "model" / "tokens.json", "--out", self.folder / "run"], stdout=subprocess.DEVNULL, stderr=its)
        os.close(its)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # Linux signals a closed other end so
            pass
        os.close(ours)
        self.assertEqual(done.wait(timeout=60), 0, shown)
        self.assertEqual(shown.count(b"\n"), 1, shown)
        self.assertTrue(shown.startswith(b"\rmeasured ") and shown.endswith(b"\n"), shown)
        self.assertIn(b"measured 5 of 5 layers over all texts, 100 %, 00:00:00 left", shown)
        self.assertLessEqual(max(map(len, shown.split(b"\r"))), 100)


if __name__ == "__main__":
    unittest.main()
