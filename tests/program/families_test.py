"""Every family compared with transformers: Q, K and final logits of tests/fixtures/families, on up to 4 ranks."""
import json, shutil, unittest

from harness import Case, FIXTURES, LEARNED, heads, largest_difference, read_safetensors, run, write_safetensors

# Variants of config.json as in published files, for the same arithmetic: (keys to remove, keys to add).
PUBLISHED = {
    "gpt2": ([], {"n_ctx": 64, "summary_type": "cls_index", "task_specific_params": {"x": 1}, "resid_pdrop": 0.1}),
    "gpt_neox": (["rope_parameters"], {"rotary_pct": 0.25, "rotary_emb_base": 10000, "tokenizer_class": "X"}),
    "llama3": (["rope_parameters"], {"rope_theta": 500.0, "pretraining_tp": 1, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 24}}),
    "phi": (["rope_parameters"], {"rope_theta": 10000.0, "partial_rotary_factor": 0.5, "embd_pdrop": 0.0}),
    "phi3_longrope": (["rope_parameters"], {"rope_theta": 10000.0, "rope_scaling": {
        "type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.5, 2.0, 3.0, 4.0]}}),
    "gemma2": ([], {"cache_implementation": "hybrid", "hidden_act": "gelu_pytorch_tanh"}),
    "gemma3": (["rope_parameters"], {"rope_theta": 1e6, "rope_local_base_freq": 10000.0,
                                     "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    "gptj": (["rope_parameters"], {"rotary": True, "scale_attn_weights": True, "gradient_checkpointing": False}),
    "bloom": ([], {"n_embed": 32, "num_attention_heads": 4, "offset_alibi": 100, "seq_length": 2048, "unk_token_id": 0,
                   "skip_bias_add": True, "masked_softmax_fusion": True}),
    "qwen3_moe": (["num_local_experts"], {"num_experts": 6, "max_window_layers": 48}),
    "gemma3_nested": ([], {"text_config": {
        "model_type": "gemma3_text", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12, "vocab_size": 89, "query_pre_attn_scalar": 20,
        "sliding_window": 14, "sliding_window_pattern": 2, "rope_theta": 1e6, "rope_local_base_freq": 10000,
        "cache_implementation": "hybrid"}}),
    "olmo3": (["rope_parameters"], {"rope_theta": 10000.0, "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}}),
    "smollm3": ([], {"max_window_layers": 28, "no_rope_layers": [1, 1, 1, 0], "pretraining_tp": 2}),
    "cohere2": (["rope_parameters", "layer_types"], {
        "rope_theta": 10000, "layer_switch": 4, "order_of_interleaved_layers": "local_attn_first", "rotary_pct": 1.0,
        "position_embedding_type": "rope_gptj", "sliding_window_pattern": 4, "use_embedding_sharing": True,
        "use_gated_activation": True, "use_parallel_block": True, "use_parallel_embedding": False}),
    "gpt_bigcode": ([], {"inference_runner": 0, "max_batch_size": None, "pre_allocate_kv_cache": True}),
    "starcoder2_no_bias": ([], {"mlp_type": "default", "norm_type": "layer_norm", "sliding_window": None}),
    "ernie4_5_moe": ([], {"moe_gate": "topk", "moe_capacity": [6, 6, 6], "moe_use_aux_free": True,
                          "num_nextn_predict_layers": 1}),
    "hunyuan_alpha": (["rope_parameters"], {
        "rope_theta": 10000.0, "rope_scaling": {"type": "dynamic", "alpha": 50.0, "factor": 1.0, "beta_fast": 32,
                                                "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
        "use_cla": False, "cla_share_factor": 2, "use_qk_norm": True, "norm_type": "hf_rms", "num_experts": 1, "moe_topk": 1}),
    "hunyuan_moe": (["num_local_experts"], {"num_experts": 5, "moe_topk": [2, 2], "num_shared_expert": [1, 1],
                                            "moe_intermediate_size": [24, 24], "use_mixed_mlp_moe": True}),
    "gpt_oss": (["rope_parameters", "swiglu_alpha", "layer_types"], {
        "rope_theta": 10000, "experts_per_token": 2, "initial_context_length": 16, "rope_scaling": {
            "rope_type": "yarn", "factor": 4.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": True,
            "original_max_position_embeddings": 16}}),
    "exaone4": ([], {"sliding_window_pattern": "LLLG"}),
    "minimax_m2": (["rope_parameters"], {
        "rope_theta": 10000, "rotary_dim": 8, "scoring_func": "sigmoid", "use_routing_bias": True, "use_qk_norm": True,
        "qk_norm_type": "per_layer", "shared_intermediate_size": 0, "shared_moe_mode": "sigmoid",
        "layernorm_mlp_beta": 1.0, "attn_type_list": [1, 1]}),
    # Other names of rotations, and one that differs only in longer texts.
    "phi3_longrope_short": (["rope_parameters"], {"rope_theta": 10000.0, "rope_scaling": {
        "type": "yarn", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.5, 2.0, 3.0, 4.0]}}),
    "llama_yarn": (["rope_parameters"], {"rope_theta": 10000.0, "rope_scaling": {
        "type": "deepseek_yarn", "factor": 4.0, "original_max_position_embeddings": 16}}),
    "qwen2": (["rope_parameters"], {"rope_theta": 10000.0, "rope_scaling": {"type": "dynamic", "factor": 2.0}}),
    "deepseek_v2_group": (["rope_parameters"], {
        "rope_theta": 10000, "ep_size": 1, "moe_layer_freq": 1, "scoring_func": "softmax", "seq_aux": True,
        "aux_loss_alpha": 0.001, "rope_scaling": {"type": "yarn", "factor": 4, "beta_fast": 32, "beta_slow": 1,
                                                  "original_max_position_embeddings": 16, "mscale": 0.707,
                                                  "mscale_all_dim": 0.707}}),
}
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
        self.assertGreaterEqual(len(FAMILIES), 80)
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

    def energies(self, name, precision, ranks):
        """Rows of heads.csv; None where the program reports that the processor does not support this precision."""
        out = self.folder / f"{name}-{precision}-{ranks}"
        result = run("analyze", "--model", folder_of(name), "--tokens", folder_of(name) / "reference/tokens.npy", "--backend", "cpu",
                     "--precision", precision, "--out", out, ranks=ranks)
        if result.returncode == 2 and precision == "bf16":
            self.assertIn("does not support bf16 here", result.stderr)
            return None
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(json.loads((out / "manifest.json").read_text())["precision"]["forward"], precision)
        return heads(out)

    def test_bf16_is_near_and_learns_nothing_else(self):
        for name in FAMILIES:
            for ranks in (1, 2) if name in ("deepseek_v3", "llama3", "mixtral") else (1,):
                with self.subTest(name, ranks=ranks):
                    near = self.energies(name, "bf16", ranks)
                    if near is None:
                        self.skipTest("no bfloat16 products here")
                    exact = self.energies(name, "float32", ranks)
                    # Energies are quadratic in Q and in K, whose operands are rounded by up to 2^-8.
                    difference, where = largest_difference(exact, near, only=["energy"])
                    self.assertLessEqual(difference, 4 * 2**-8, where)
                    self.assertGreater(difference, 0)
                    # The files are BF16: W_Q and W_K are the same numbers.
                    self.assertEqual(largest_difference(exact, near, only=LEARNED - {"spectral_gap"}), (0.0, ""))

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
        self.refuse(["validate", "--capture", other, "--against", other], "--against needs --model")
        copied = self.folder / "copied"
        shutil.copytree(folder_of("qwen3") / "reference", copied)
        (copied / "tokens.npy").unlink()
        self.refuse(["validate", "--model", folder_of("qwen3"), "--against", copied], "tokens.npy", "capture_hf.py")

    def test_recorded_logits_are_checked(self):
        reference = self.folder / "reference"
        shutil.copytree(folder_of("phi") / "reference", reference)
        path = reference / "logits.safetensors"
        dtype, shape, raw = read_safetensors(path)["logits"]
        for changed, code, named in (((dtype, shape, raw[:-4] + b"\0\0\xc8\x42"), 3, "do not trust"),
                                     ((dtype, shape, raw[:-4] + b"\0\0\xc0\x7f"), 2, "nan at position 47, token 88"),
                                     ((dtype, [shape[1], shape[0]], raw), 2, "[89, 48]")):
            with self.subTest(named):
                write_safetensors(path, {"logits": changed})
                result = self.validate("phi", against=reference)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertIn(named, result.stdout + result.stderr)
        write_safetensors(path, {"other": (dtype, shape, raw)})
        self.assertIn("logits", self.validate("phi", against=reference).stderr)
        path.unlink()
        self.assertIn("the capture holds no logits", self.validate("phi", against=reference).stdout)

    def test_a_capture_gives_the_same_statistics_as_the_model(self):
        for name in ("phi", "gemma2", "bloom", "mixtral", "deepseek_v3", "opt"):
            with self.subTest(name):
                model, capture = self.folder / (name + "-model"), self.folder / (name + "-capture")
                options = ["--contexts", "16,48", "--scopes", "full,causal"]
                self.succeed("analyze", "--model", folder_of(name), "--tokens", folder_of(name) / "reference/tokens.npy",
                             *options, "--out", model)
                self.succeed("analyze", "--capture", folder_of(name) / "reference", *options, "--out", capture)
                difference, where = largest_difference(heads(model), heads(capture), but=LEARNED | {"text"})
                self.assertLessEqual(difference, 1e-4, where)

    def test_files_as_they_are_published_mean_the_same(self):
        for name, (removed, added) in PUBLISHED.items():
            with self.subTest(name):
                model = self.folder / name
                shutil.copytree(folder_of(name), model)
                config = json.loads((model / "config.json").read_text())
                kept = {key: value for key, value in config.items() if key not in removed}
                (model / "config.json").write_text(json.dumps({**kept, **added}))
                result = self.validate(name, model=model)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_tensors_without_the_base_prefix_are_found(self):
        model = self.folder / "model"
        shutil.copytree(folder_of("gpt2"), model)
        tensors = read_safetensors(model / "model.safetensors")
        write_safetensors(model / "model.safetensors", {n.removeprefix("transformer."): t for n, t in tensors.items()})
        self.assertEqual(self.validate("gpt2", model=model).returncode, 0)

    def test_a_decoder_inside_a_larger_model_is_found_under_either_prefix(self):
        model = self.folder / "model"
        shutil.copytree(folder_of("gemma3_nested"), model)
        tensors = read_safetensors(model / "model.safetensors")
        self.assertIn("language_model.model.norm.weight", tensors)
        renamed = {n.replace("language_model.model.", "model.language_model.").replace("vision_tower", "model.vision_tower"): t
                   for n, t in tensors.items()}
        write_safetensors(model / "model.safetensors", renamed)
        result = self.validate("gemma3_nested", model=model)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        planned = self.succeed("plan", "--model", model, "--tokens", folder_of("gemma3_nested") / "reference/tokens.npy")
        self.assertIn("vision_config, vision_tower., multi_modal_projector.", planned.stdout)
        extra = "model.language_model.layers.1.other.weight"
        write_safetensors(model / "model.safetensors", renamed | {extra: renamed["model.language_model.norm.weight"]})
        self.refuse(["validate", "--model", model], extra)

    def test_a_key_that_is_not_known_is_refused_by_name(self):
        model = self.folder / "model"
        shutil.copytree(folder_of("olmo2"), model)
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "attention_multiplier": 0.25}))
        self.refuse(["validate", "--model", model], "attention_multiplier", "0.25", "capture_hf.py")


if __name__ == "__main__":
    unittest.main()
