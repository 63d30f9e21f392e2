"""Checkpoints as GGUF files give the same results as transformers gives for the folders from which they were made."""
import json, unittest

from gguf_files import convert, metadata_of, tensors_of, write_gguf
from harness import Case, FIXTURES, heads, largest_difference, run

# Every family that llama.cpp knows, and every kind of rotation that it writes.
NAMES = ["arcee", "bloom", "bloom_odd_heads", "cohere", "cohere2", "cohere_qk_norm", "deepseek_v2", "deepseek_v2_group",
         "deepseek_v3", "ernie4_5", "ernie4_5_bias", "exaone4", "exaone4_full", "falcon", "falcon_40b", "gemma", "gemma2",
         "gemma3", "glm4", "gpt2", "gpt_bigcode", "gpt_neox", "gpt_neox_sequential", "granite", "llama3", "llama_linear",
         "llama_yarn", "mistral_full", "mixtral", "mpt", "mpt_odd_heads", "olmo", "olmo2", "olmo3", "olmoe", "phi", "phi3",
         "phi3_longrope", "phi3_longrope_short", "phi3_window", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "seed_oss",
         "seed_oss_bias", "smollm3", "stablelm", "stablelm_parallel", "starcoder2_no_bias"]
TOLERANCE = 2e-5


def folder_of(name):
    return FIXTURES / "families" / name


class Gguf(Case):
    def validate(self, model, name, grid="1x1"):
        stages, shards = map(int, grid.split("x"))
        return run("validate", "--model", model, "--against", folder_of(name) / "reference", "--tolerance", TOLERANCE, "--grid", grid,
                   ranks=stages * shards)

    def test_queries_keys_and_logits_equal_transformers(self):
        for name in NAMES:
            with self.subTest(name):
                result = self.validate(convert(folder_of(name), self.folder / f"{name}.gguf"), name)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                self.assertRegex(result.stdout, r"final logits [0-9.e-]+\n")

    def test_files_of_older_converters(self):
        """One tensor for each expert; whole maps from latents, and V2's routers not named."""
        for name in ("mixtral", "deepseek_v2", "deepseek_v2_group", "deepseek_v3"):
            with self.subTest(name):
                result = self.validate(convert(folder_of(name), self.folder / f"{name}.gguf", older=True), name)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_groups_of_experts_that_the_file_leaves_open_are_told(self):
        for name, told in (("deepseek_v2", True), ("deepseek_v3", False)):
            model = convert(folder_of(name), self.folder / f"{name}.gguf")
            self.assertEqual("chosen by groups" in self.succeed("validate", "--model", model).stdout, told)

    def test_on_every_grid(self):
        for name in ("llama3", "mixtral", "falcon_40b", "deepseek_v3"):
            model = convert(folder_of(name), self.folder / f"{name}.gguf")
            for grid in ("2x1", "1x2", "2x2"):
                with self.subTest(name, grid=grid):
                    result = self.validate(model, name, grid)
                    self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_quantised_blocks_equal_transformers_with_the_numbers_of_the_reference(self):
        """tests/development/make_gguf_fixture.py makes the file, whose layers have nine types of blocks."""
        folder = FIXTURES / "gguf"
        for grid in ("1x1", "2x1", "1x2", "2x2"):
            with self.subTest(grid=grid):
                stages, shards = map(int, grid.split("x"))
                self.succeed("validate", "--model", folder / "quantised.gguf", "--against", folder / "reference", "--tolerance",
                             TOLERANCE, "--grid", grid, ranks=stages * shards)

    def analyze(self, model, name, *options):
        out = self.folder / f"run-{len(list(self.folder.iterdir()))}"
        result = run("analyze", "--model", model, "--tokens", folder_of(name) / "reference/tokens.npy", "--backend", "cpu",
                     "--out", out, *options)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return out

    def test_a_run_gives_the_numbers_of_the_folder(self):
        model = convert(folder_of("llama3"), self.folder / "small.gguf")
        ours, theirs = self.analyze(model, "llama3"), self.analyze(folder_of("llama3"), "llama3")
        self.assertLess(largest_difference(heads(theirs), heads(ours))[0], 1e-5)
        manifest = json.loads((ours / "manifest.json").read_text())
        self.assertEqual(manifest["model"]["name"], "small.gguf")
        again = run("analyze", "--model", model, "--tokens", folder_of("llama3") / "reference/tokens.npy", "--backend", "cpu",
                    "--out", ours, "--resume")
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_unknown_architectures_and_missing_tensors_are_refused(self):
        config = json.loads((folder_of("qwen3") / "config.json").read_text())
        tensors = tensors_of(folder_of("qwen3"), config)
        metadata = metadata_of(config, tensors)

        def refused(*parts, metadata=metadata, tensors=tensors):
            write_gguf(self.folder / "x.gguf", metadata, tensors)
            result = self.validate(self.folder / "x.gguf", "qwen3")
            self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
            for part in ("x.gguf", *parts):
                self.assertIn(part, result.stderr)

        refused("mamba", "not implemented", metadata=metadata | {"general.architecture": "mamba"})
        refused("qwen3.block_count", metadata={k: v for k, v in metadata.items() if k != "qwen3.block_count"})
        refused("qwen3.attention.logit_scale", "0.5", metadata=metadata | {"qwen3.attention.logit_scale": 0.5})
        refused("blk.1.attn_k.weight", tensors={k: v for k, v in tensors.items() if k != "blk.1.attn_k.weight"})
        refused("blk.1.attn_sinks.weight", "does not belong", tensors=tensors | {"blk.1.attn_sinks.weight": ([2], [0.0, 0.0])})


if __name__ == "__main__":
    unittest.main()
