"""Every family against transformers: Q, K and final logits of tests/fixtures/families, on every grid of up to 4 ranks."""
import json, shutil, unittest

from harness import Case, FIXTURES, heads, largest_difference, read_safetensors, run, write_safetensors

FAMILIES = sorted(path.name for path in (FIXTURES / "families").iterdir())
TOLERANCE = 2e-5


def folder_of(name):
    return FIXTURES / "families" / name


class Families(Case):
    def validate(self, name, grid="1x1", against=None, model=None):
        stages, shards = map(int, grid.split("x"))
        return run("validate", "--model", model or folder_of(name), "--against", against or folder_of(name) / "reference",
                   "--tolerance", TOLERANCE, "--grid", grid, ranks=stages * shards)

    def test_queries_keys_and_logits_equal_transformers(self):
        self.assertGreaterEqual(len(FAMILIES), 49)
        for name in FAMILIES:
            with self.subTest(name):
                result = self.validate(name)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                self.assertRegex(result.stdout, r"final logits [0-9.e-]+\n")

    def test_on_every_grid(self):
        for name in FAMILIES:
            info = json.loads((folder_of(name) / "reference" / "capture.json").read_text())
            for grid in ("2x1", "1x2", "2x2") if info["num_kv_heads"] > 1 else ("2x1",):
                with self.subTest(name, grid=grid):
                    result = self.validate(name, grid)
                    self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_wrong_capture_is_told(self):
        reference = self.folder / "reference"
        shutil.copytree(folder_of("qwen3") / "reference", reference)
        layer = read_safetensors(reference / "layer_001.safetensors")
        dtype, shape, raw = layer["q"]
        write_safetensors(reference / "layer_001.safetensors", {**layer, "q": (dtype, shape, raw[:-4] + b"\0\0\x80\x3f")})
        result = self.validate("qwen3", against=reference)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("(layer 1, head 3)", result.stdout)
        self.assertIn("do not trust", result.stdout)

    def test_a_capture_of_another_model_is_refused(self):
        other = folder_of("qwen3_bias") / "reference"
        self.refuse(["validate", "--model", folder_of("qwen3"), "--against", other], "num_kv_heads is 4", "model has 2")
        self.refuse(["validate", "--capture", other, "--against", other], "--against goes with --model")
        copied = self.folder / "copied"
        shutil.copytree(folder_of("qwen3") / "reference", copied)
        (copied / "tokens.npy").unlink()
        self.refuse(["validate", "--model", folder_of("qwen3"), "--against", copied], "tokens.npy", "capture_hf.py")

    def test_a_capture_gives_the_same_statistics_as_the_model(self):
        for name in ("phi", "gemma2", "bloom", "mixtral", "deepseek_v3", "opt"):
            with self.subTest(name):
                model, capture = self.folder / (name + "-model"), self.folder / (name + "-capture")
                options = ["--contexts", "16,48", "--scopes", "full,causal"]
                self.succeed("analyze", "--model", folder_of(name), "--tokens", folder_of(name) / "reference/tokens.npy",
                             *options, "--out", model)
                self.succeed("analyze", "--capture", folder_of(name) / "reference", *options, "--out", capture)
                learned = {"learned_k90", "learned_effective_rank", "learned_stable_rank", "spectral_gap", "text"}
                difference, where = largest_difference(heads(model), heads(capture), but=learned)
                self.assertLessEqual(difference, 1e-4, where)

    def test_a_key_that_is_not_known_is_refused_by_name(self):
        model = self.folder / "model"
        shutil.copytree(folder_of("olmo2"), model)
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "attention_multiplier": 0.25}))
        self.refuse(["validate", "--model", model], "attention_multiplier", "0.25", "capture_hf.py")


if __name__ == "__main__":
    unittest.main()
