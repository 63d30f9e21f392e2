"""Nothing hangs: pipes and devices in place of files are refused; long work shows its progress and ends by a signal."""
import json, os, shutil, signal, subprocess, time, unittest

from harness import Case, FIXTURES, PROGRAM

# Tries every way to cut a text of one letter.
BACKTRACKS = {"type": "Split", "pattern": {"Regex": "(a|aa)+[;=]"}, "behavior": "Isolated", "invert": False}
TOKENIZER = {"version": "1.0", "added_tokens": [], "pre_tokenizer": BACKTRACKS,
             "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}}


class Hanging(Case):
    def setUp(self):
        super().setUp()
        self.model, self.out, self.text = self.folder / "model", self.folder / "out", self.folder / "text.txt"
        shutil.copytree(FIXTURES / "qwen2", self.model)
        # Each piece is slow, and none so long that matching it fails.
        self.text.write_text(("a" * 25 + "b") * 115_000)

    def arguments(self, *texts):
        return ["analyze", "--model", self.model, *(texts or ("--tokens", self.model / "tokens.npy")), "--contexts", "32",
                "--out", self.out]

    def test_pipes_and_devices_are_no_files_of_a_model(self):
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
            path = self.model / name
            (self.model / "tokenizer.json").write_text(json.dumps(TOKENIZER))
            kept = path.read_bytes() if path.exists() else None
            for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
                with self.subTest(name):
                    path.unlink(missing_ok=True)
                    make(path)
                    self.refuse(self.arguments("--text", self.text), path, "not a regular file")
            path.unlink()
            if kept is not None:
                path.write_bytes(kept)

    def test_pipes_are_no_texts(self):
        for option, name in (("--text", "a.txt"), ("--tokens", "a.npy"), ("--tokens", "a.json")):
            os.mkfifo(self.folder / name) if not (self.folder / name).exists() else None
            (self.model / "tokenizer.json").write_text(json.dumps(TOKENIZER))
            self.refuse(self.arguments(option, self.folder / name), name, "is a pipe")

    def test_a_pipe_is_no_lock(self):
        self.succeed(*self.arguments())
        (self.out / "lock").unlink(missing_ok=True)
        os.mkfifo(self.out / "lock")
        self.refuse([*self.arguments(), "--resume"], "lock", "is a pipe")

    def test_a_long_read_is_shown_and_ends_by_a_signal(self):
        (self.model / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        process = subprocess.Popen([PROGRAM, *map(str, self.arguments("--text", self.text))], stderr=subprocess.PIPE, text=True)
        self.assertIn(f"reading and tokenising {self.text}: 2 s so far", process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        _, errors = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, errors)
        self.assertIn("stopped by a signal before anything was measured", errors)
        self.assertFalse(self.out.exists())

    def test_expressions_that_backtrack_end(self):
        (self.model / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        self.text.write_text("a" * 10_000)
        self.refuse(self.arguments("--text", self.text), "tokenizer.json", json.dumps(BACKTRACKS["pattern"]["Regex"]))


if __name__ == "__main__":
    unittest.main()
