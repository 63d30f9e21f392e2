"""Folders of checkpoints as people have them: a Trainer's output, published names, custom names."""
import re, shutil, signal, time, unittest

from harness import Case, run, start, table
from monitor_test import Training


class CheckpointFolders(Case):
    def setUp(self):
        super().setUp()
        self.checkpoints, self.out = self.folder / "llama-7b-sft", self.folder / "monitor"
        self.training = Training()

    def write(self, names):
        """A capture of each name, of later and later training."""
        for t, name in enumerate(names):
            self.training.write(self.checkpoints / name, t)

    def monitor(self, *more, code=0):
        result = run("monitor", "--checkpoints", self.checkpoints, "--out", self.out, *more)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result

    def add_final_model(self):
        for file in (self.checkpoints / "checkpoint-500").iterdir():
            shutil.copy(file, self.checkpoints)

    def steps(self):
        return sorted({int(row["step"]) for row in table(self.out / "series.csv")})

    def left_out(self, errors):
        return dict(re.findall(r"^logitfield: left out: .*?([^/\n]+): (.*)$", errors, re.M))

    def test_a_trainers_folder_is_the_series_of_its_checkpoints(self):
        self.write(["checkpoint-500", "checkpoint-1000", "best_model", "final", "last"])
        self.add_final_model()
        result = self.monitor()
        self.assertEqual(self.steps(), [500, 1000])
        left_out = self.left_out(result.stderr)
        self.assertEqual(sorted(left_out), ["best_model", "final", "last", "llama-7b-sft"])
        self.assertIn("their final model", left_out["llama-7b-sft"])

    def test_a_final_model_may_appear_while_the_folder_is_followed(self):
        self.write(["checkpoint-500"])
        process = start("monitor", "--checkpoints", self.checkpoints, "--follow", "--interval", "0.2", "--out", self.out)

        def wait_for(step):
            deadline = time.monotonic() + 60
            while not (self.out / f"step_{step:06}.json").exists():
                self.assertIsNone(process.process.poll(), "the monitor has ended")
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)

        wait_for(500)
        self.add_final_model()
        self.training.write(self.checkpoints / "final", 1)
        time.sleep(0.6)
        self.training.write(self.checkpoints / "checkpoint-1000", 2)
        wait_for(1000)
        process.signal_rank(0, signal.SIGTERM)
        code, errors = process.wait()
        self.assertEqual(code, 128 + signal.SIGTERM, errors)
        self.assertEqual(errors.count("left out"), 2, "each is named once: " + errors)
        self.assertEqual(self.steps(), [500, 1000])

    def test_published_names(self):
        self.write(["stage1-step1000-tokens3B", "stage1-step1907359-tokens4001B", "stage2-ingredient1-step1000-tokens3B",
                    "stage2-ingredient2-step1000-tokens3B"])
        result = self.monitor()
        self.assertEqual(self.steps(), [1000, 1907359, 1908359])
        self.assertEqual(self.left_out(result.stderr),
                         {"stage2-ingredient2-step1000-tokens3B": "it belongs to another branch of its stage (ingredient 2)"})
        shutil.rmtree(self.out)
        self.training.write(self.checkpoints / "stage1-step1907360-tokens4001B", 9)
        self.monitor()
        for stage1 in self.checkpoints.glob("stage1-*"):
            shutil.rmtree(stage1)
        self.training.write(self.checkpoints / "stage2-ingredient1-step2000-tokens5B", 10)
        result = self.monitor()
        self.assertEqual(self.steps(), [1000, 1907359, 1907360, 1908360, 1909360])
        self.assertIn("stage1-step1907360-tokens4001B and other checkpoints of earlier stages no longer exist; their values stay in the series",
                      result.stderr)
        self.training.write(self.checkpoints / "stage1-step1908000-tokens4002B", 11)
        self.refuse(["monitor", "--checkpoints", self.checkpoints, "--out", self.out],
                    "stage2-ingredient1-step1000-tokens3B: is step 1909000 now but was measured as step 1908360")

    def test_a_pattern(self):
        self.write(["run5_it20k_a", "run7_it3000_a", "run9_a"])
        result = self.monitor("--step-pattern", r"it(\d+k?)_")
        self.assertEqual(self.steps(), [3000, 20000])
        self.assertEqual(self.left_out(result.stderr), {"run9_a": "its name does not match the pattern of steps"})
        arguments = ["monitor", "--checkpoints", self.checkpoints, "--out", self.folder / "other", "--step-pattern"]
        self.refuse([*arguments, "it("], "the pattern of steps 'it('", "missing closing parenthesis")
        self.refuse([*arguments, "z"], "run9_a: its name does not match", "give --step-pattern REGEX")

    def test_checkpoints_that_cannot_be_told_apart_are_named_and_left_out(self):
        self.write(["checkpoint-100", "ckpt-100", "checkpoint-200"])
        result = self.monitor()
        self.assertEqual(self.steps(), [200])
        self.assertRegex(self.left_out(result.stderr)["ckpt-100"], "it is at step 100, as is .*/checkpoint-100")


if __name__ == "__main__":
    unittest.main()
