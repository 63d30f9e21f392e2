"""Checkpoints and captures that are overwritten, cut off or replaced while a run uses them: the results belong to the hash in the
manifest, or the run ends with a message that names the file. LOGITFIELD_FAULTS: number of changes (4)."""
import os, random, shutil, signal, time, unittest

from harness import Case, heads, largest_difference, read_safetensors, run, small_model, start

CHANGES = int(os.environ.get("LOGITFIELD_FAULTS", "4"))
SEED = int(os.environ.get("LOGITFIELD_FAULT_SEED", str(time.time_ns() % 10**6)))


class ChangingFiles(Case):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        # So large that layers are still to be read once the run has begun.
        self.model = small_model(self.folder / "model", layers=12, hidden=128, mlp=512, vocab=3000)
        self.sound = self.folder / "sound"
        shutil.copytree(self.model, self.sound)
        # Of the last layers, which are read last.
        self.weights = sorted(self.model.glob("*.safetensors"))[-3:]
        self.succeed(*self.arguments(self.folder / "reference"))
        self.reference = heads(self.folder / "reference")

    def arguments(self, out, *more):
        tokens = self.sound / "tokens.json"
        return ["analyze", "--model", self.model, "--tokens", tokens, tokens, "--contexts", "64,400", "--weights", "stream",
                "--out", out, *more]

    def restore(self):
        shutil.rmtree(self.model)
        shutil.copytree(self.sound, self.model)

    def overwrite(self):
        """As a trainer that saves into the same file: the same layout, other numbers."""
        for path in self.weights:
            with open(path, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(size // 2)
                file.write(self.random.randbytes(size // 4) + bytes(size // 4))

    def change_one_number(self):
        tensors, content = read_safetensors(self.weights[0]), bytearray(self.weights[0].read_bytes())
        numbers = tensors[self.random.choice(sorted(tensors))][2]
        place = content.index(numbers) + self.random.randrange(len(numbers) // 4) * 4
        content[place + self.random.randrange(4)] ^= 1 << self.random.randrange(8)
        with open(self.weights[0], "r+b") as file:
            file.write(content)

    def cut_off(self):
        for path in self.weights:
            os.truncate(path, self.random.randrange(path.stat().st_size // 2))

    def replace(self):
        """A new file under the same name, as careful writers do: the run keeps the old one."""
        for path in self.weights:
            other = self.model / "other"
            other.write_bytes(path.read_bytes()[:-5000] + self.random.randbytes(5000))
            other.rename(path)

    def change_during(self, change, out, ranks):
        """Stops all ranks once the run has begun, so that the change falls into it."""
        process = start(*self.arguments(out), ranks=ranks)
        return self.change_while(process, change, out)

    def change_while(self, process, change, out):
        def stopped():
            pids = process.ranks()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            change()
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        process.after_units(self.random.randrange(1, 6), out, stopped)
        return process.wait()

    def require_told(self, change, code, errors):
        named = [line for line in errors.splitlines() if line.startswith("logitfield: error") and "/model-000" in line]
        self.assertEqual(code, 2, errors)
        self.assertGreaterEqual(len(named), 1, errors)
        self.assertRegex(named[0], "cut off while it was in use" if change == self.cut_off else "changed while it was in use")

    def test_no_wrong_number_and_no_end_without_a_sentence(self):
        changes = [self.overwrite, self.cut_off, self.change_one_number, self.replace]
        met = 0
        for number in range(CHANGES):
            change, ranks = changes[number % len(changes)], self.random.choice([1, 2])
            out = self.folder / f"run{number}"
            with self.subTest(seed=SEED, run=number, change=change.__name__, ranks=ranks):
                code, errors = self.change_during(change, out, ranks)
                if code != 0:
                    met += 1
                    self.require_told(change, code, errors)
                    # What was measured before is valid, and the run continues with the file that it began with.
                    other = run(*self.arguments(out, "--resume"))
                    self.assertEqual(other.returncode, 2, other.stderr)
                    self.restore()
                    self.succeed(*self.arguments(out, "--resume"))
                difference, where = largest_difference(self.reference, heads(out))
                self.assertLessEqual(difference, 1e-5, where)
            shutil.rmtree(out, ignore_errors=True)
            self.restore()
        print(f"{CHANGES} changes, seed {SEED}: {met} runs noticed")
        self.assertGreaterEqual(met, CHANGES // 3, "too few changes fell into a run")

    def test_a_monitor_starts_anew_with_a_checkpoint_that_was_overwritten(self):
        first, second = (self.folder / "series" / f"step_{step}" for step in (1, 2))
        for checkpoint in (first, second):
            shutil.copytree(self.sound, checkpoint)
        tokens = self.sound / "tokens.json"
        settings = ["--tokens", *[tokens] * 4, "--contexts", "400", "--scopes", "causal", "--weights", "stream"]
        arguments = ["monitor", "--checkpoints", self.folder / "series", *settings, "--out", self.folder / "monitor"]
        self.model = second
        self.weights = [sorted(second.glob("*.safetensors"))[-3]]
        out = self.folder / "monitor" / "step_000002"
        code, errors = self.change_while(start(*arguments), self.change_one_number, out)
        self.require_told(self.change_one_number, code, errors)
        shown = self.succeed(*arguments)
        self.assertIn("step_2: has changed since its measurement began", shown.stderr)
        self.succeed("analyze", "--model", second, *settings, "--out", self.folder / "alone")
        self.assertEqual((out / "heads.csv").read_bytes(), (self.folder / "alone" / "heads.csv").read_bytes())
        self.assertNotIn("has changed", self.succeed(*arguments).stderr)

    def test_a_capture_that_changes_is_noticed(self):
        captures = self.folder / "captures"
        self.succeed("analyze", "--model", self.model, "--tokens", self.sound / "tokens.json", "--contexts", "64,400", "--out",
                     self.folder / "x", "--dump-captures", captures)
        layer = captures / "tokens" / "layer_011.safetensors"
        for change, told in ((lambda: os.truncate(layer, 5000), "cut off"), (lambda: layer.write_bytes(
                layer.read_bytes()[:-4000] + bytes(4000)), "cut off|changed while")):
            out = self.folder / "run"
            process = start("analyze", "--capture", captures / "tokens", "--scopes", "full,causal", "--out", out)
            def stopped():
                os.kill(process.ranks()[0], signal.SIGSTOP)
                change()
                os.kill(process.ranks()[0], signal.SIGCONT)
            process.after_units(1, out, stopped)
            code, errors = process.wait()
            self.assertEqual(code, 2, errors)
            self.assertRegex(errors, f"layer_011.safetensors.*({told})")
            shutil.rmtree(out)
            shutil.rmtree(captures)
            self.succeed("analyze", "--model", self.model, "--tokens", self.sound / "tokens.json", "--contexts", "64,400",
                         "--out", self.folder / "y", "--dump-captures", captures)
            shutil.rmtree(self.folder / "y")


if __name__ == "__main__":
    unittest.main()
