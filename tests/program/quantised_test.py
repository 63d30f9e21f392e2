"""Quantised checkpoints compared with transformers' float32 forward pass of the dequantised weights, on up to 4 ranks.
The fixtures in tests/fixtures/quantised are made by tests/development/make_quantised_fixtures.py."""
import json, shutil, unittest

from harness import Case, FIXTURES, heads, largest_difference, read_safetensors, run, write_safetensors

FOLDER = FIXTURES / "quantised"
MODELS = sorted(path.parent.name for path in FOLDER.glob("*/config.json"))
TOLERANCE = 2e-5


def validate(name, grid="1x1", model=None):
    stages, shards = map(int, grid.split("x"))
    return run("validate", "--model", model or FOLDER / name, "--against", FOLDER / name / "reference",
               "--tolerance", TOLERANCE, "--grid", grid, ranks=stages * shards)


class Quantised(Case):
    def test_queries_keys_and_logits_equal_the_reference_on_every_grid(self):
        self.assertGreaterEqual(len(MODELS), 10)
        for name in MODELS:
            for grid in ("1x1", "2x1", "1x2", "2x2"):
                with self.subTest(name, grid=grid):
                    result = validate(name, grid)
                    self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                    self.assertRegex(result.stdout, r"final logits [0-9.e-]+\n")

    def test_a_run_certifies_every_head_and_says_that_weights_are_dequantised(self):
        for name in ("fp8_deepseek_v3", "gptq_llama"):
            with self.subTest(name):
                options = ["--model", FOLDER / name, "--tokens", FOLDER / name / "reference/tokens.npy"]
                self.assertIn("dequantised", self.succeed("plan", *options).stdout)
                self.succeed("analyze", *options, "--out", self.folder / name)
                self.succeed("analyze", "--capture", FOLDER / name / "reference", "--out", self.folder / f"{name}-capture")
                difference, where = largest_difference(heads(self.folder / name), heads(self.folder / f"{name}-capture"),
                                                       only=["energy"])
                self.assertLessEqual(difference, 1e-4, where)
                self.assertIn("dequantised", json.dumps(json.loads((self.folder / name / "manifest.json").read_text())))

    def test_bfloat16_is_near(self):
        for name in ("fp8_qwen3", "awq_qwen3", "mxfp4_llama"):
            with self.subTest(name):
                found = {}
                for precision in ("float32", "bf16"):
                    out = self.folder / f"{name}-{precision}"
                    result = run("analyze", "--model", FOLDER / name, "--tokens", FOLDER / name / "reference/tokens.npy",
                                 "--backend", "cpu", "--precision", precision, "--out", out)
                    if result.returncode == 2 and "does not support bf16 here" in result.stderr:
                        self.skipTest("no bfloat16 products here")
                    self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                    found[precision] = heads(out)
                difference, where = largest_difference(found["float32"], found["bf16"], only=["energy"])
                # Operands of Q and K, and now weights too, are rounded by up to 2^-8.
                self.assertLessEqual(difference, 6 * 2**-8, where)
                self.assertGreater(difference, 0)

    def damage(self, name, change):
        model = self.folder / "model"
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(FOLDER / name, model)
        tensors = read_safetensors(model / "model.safetensors")
        change(tensors)
        write_safetensors(model / "model.safetensors", tensors)
        return model

    def test_bad_input_is_refused_with_file_and_tensor(self):
        q_proj = "model.layers.0.self_attn.q_proj"

        def without(name):
            return lambda tensors: tensors.pop(name)

        def begins(name, raw):
            def change(tensors):
                dtype, shape, old = tensors[name]
                tensors[name] = (dtype, shape, raw + old[len(raw):])
            return change

        def shaped(name, shape):
            def change(tensors):
                dtype, old, raw = tensors[name]
                tensors[name] = (dtype, shape, raw)
            return change

        for model, change, *named in (
                ("fp8_qwen3", without(q_proj + ".weight_scale_inv"), "q_proj.weight_scale_inv", "complete"),
                ("fp8_qwen3", shaped(q_proj + ".weight_scale_inv", [1, 16]), "q_proj.weight_scale_inv", "[4, 4]"),
                ("fp8_qwen3", begins(q_proj + ".weight_scale_inv", b"\0\0\xc0\x7f"), "q_proj.weight_scale_inv", "nan"),
                ("fp8_qwen3", begins(q_proj + ".weight", b"\x7f"), "q_proj.weight", "nan", "[0, 0]"),
                ("mxfp4_llama", without("model.layers.0.mlp.up_proj_scales"), "up_proj_scales", "complete"),
                ("mxfp4_gpt_oss", without("model.layers.1.mlp.experts.down_proj_scales"), "down_proj_scales", "complete"),
                ("gptq_llama", without(q_proj + ".qzeros"), "q_proj.qzeros", "complete"),
                ("gptq_llama", begins(q_proj + ".g_idx", b"\x09\0\0\0"), "q_proj.g_idx", "9", "0 ... 0"),
                ("awq_qwen3", without(q_proj + ".scales"), "q_proj.scales", "complete"),
                ("int4_qwen3", without(q_proj + ".weight_zero_point"), "q_proj.weight_zero_point", "complete"),
                ("int4_qwen3", shaped(q_proj + ".weight_packed", [32, 8]), "q_proj.weight_packed", "[32, 8]"),
                ("int8_llama", without(q_proj + ".weight_scale"), "q_proj.weight_scale", "complete")):
            with self.subTest(model, named=named):
                self.refuse(["validate", "--model", self.damage(model, change)], "model.safetensors", *named)

    def test_an_unknown_method_is_refused_by_name(self):
        model = self.folder / "model"
        shutil.copytree(FOLDER / "fp8_qwen3", model)
        config = json.loads((model / "config.json").read_text())
        config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
        (model / "config.json").write_text(json.dumps(config))
        self.refuse(["validate", "--model", model], "config.json", "bitsandbytes", "unquantised")

    def test_biases_of_zeros_that_autogptq_writes_change_nothing(self):
        def add_bias(value):
            return lambda tensors: tensors.update({"model.layers.0.self_attn.q_proj.bias": ("F16", [64], value * 64)})
        model = self.damage("gptq_llama", add_bias(b"\0\0"))
        self.assertEqual(validate("gptq_llama", model=model).returncode, 0)
        self.refuse(["validate", "--model", self.damage("gptq_llama", add_bias(b"\0\x3c"))], "q_proj.bias", "does not belong")


if __name__ == "__main__":
    unittest.main()
