#!/usr/bin/env python3
"""io/capture/capture_hf.py as its users run it. Development only: needs PyTorch, transformers (python3 -m unittest)."""
import json, pathlib, shutil, subprocess, sys, tempfile, unittest

import numpy as np
import torch
import transformers
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).parents[2]
MODELS = ROOT / "tests" / "fixtures" / "families"
SCRIPT = ROOT / "io" / "capture" / "capture_hf.py"
SMALL = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
         "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
sys.path.insert(0, str(SCRIPT.parent))
import hf_check  # noqa: E402


def small_model(folder, kind, seed=0, **others):
    """Random weights, large enough that heads prefer some keys."""
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(kind, **others)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        parameter.data.add_(0.15 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


def softmax_of(folder, layer):
    """Attention weights by the definition in docs/captures.md, where nothing but causality hides keys."""
    scale = json.loads((folder / "capture.json").read_text())["scale"]
    tensors = load_file(folder / f"layer_{layer:03}.safetensors")
    q, k = tensors["q"].double(), tensors["k"].double()
    logits = scale * q @ k.repeat_interleave(len(q) // len(k), 0).transpose(1, 2)
    return torch.softmax(logits.masked_fill(~torch.ones_like(logits, dtype=torch.bool).tril(), -torch.inf), -1)


class CaptureHf(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="logitfield-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.texts = []
        for seed in range(2):
            self.texts.append(self.folder / f"text{seed}.npy")
            np.save(self.texts[-1], np.random.default_rng(seed).integers(0, 89, 40))

    def capture(self, name, *options, code=0, script=(SCRIPT,)):
        result = subprocess.run([sys.executable, "-B", *script, "--model", MODELS / name, "--out", self.folder / "out",
                                 *map(str, options)], capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def test_a_batch_of_texts_and_what_was_there_is_left(self):
        self.capture("qwen3", "--tokens", *self.texts, "--logits")
        out = self.folder / "out"
        names = {"capture.json", "layer_000.safetensors", "layer_001.safetensors", "logits.safetensors", "tokens.npy"}
        for text in ("text0", "text1"):
            self.assertEqual({p.name for p in (out / text).iterdir()}, names)
        before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
        again = self.capture("qwen3", "--tokens", *self.texts)
        self.assertIn("2 of 2 texts were there already", again.stdout)
        self.assertEqual(before, {p: p.stat().st_mtime_ns for p in out.rglob("*")})

    def test_an_interrupted_text_goes_on_from_its_first_missing_layer(self):
        self.capture("qwen3", "--tokens", self.texts[0])
        text = self.folder / "out" / "text0"
        whole = {p.name: p.read_bytes() for p in text.iterdir()}
        (text / "layer_001.safetensors").unlink()
        (text / "capture.json").rename(text / "capture.json.tmp")
        kept = (text / "layer_000.safetensors").stat().st_mtime_ns
        self.capture("qwen3", "--tokens", self.texts[0])
        self.assertEqual({p.name: p.read_bytes() for p in text.iterdir()}, whole)
        self.assertEqual((text / "layer_000.safetensors").stat().st_mtime_ns, kept)

    def test_other_models_and_tokens_are_refused(self):
        self.capture("qwen3", "--tokens", self.texts[0])
        self.assertIn("of model 'qwen3'", self.capture("qwen2", "--tokens", self.texts[0], code=2).stderr)
        np.save(self.texts[0], np.arange(30))
        self.assertIn("other tokens", self.capture("qwen3", "--tokens", self.texts[0], code=2).stderr)
        (self.folder / "out/text0/capture.json").rename(self.folder / "out/text0/capture.json.tmp")
        self.assertIn("of model 'qwen3'", self.capture("qwen2", "--tokens", self.texts[0], code=2).stderr)

    def test_another_model_of_the_same_name_is_refused(self):
        for run in ("a", "b"):
            small_model(self.folder / run / "checkpoint-500", "llama", seed=ord(run), **SMALL)
        self.capture(self.folder / "a/checkpoint-500", "--tokens", self.texts[0])
        text = self.folder / "out" / "text0"
        before = {p.name: p.read_bytes() for p in text.iterdir()}
        error = self.capture(self.folder / "b/checkpoint-500", "--tokens", self.texts[0], code=2).stderr
        self.assertIn("another model of this name", error)
        self.assertEqual({p.name: p.read_bytes() for p in text.iterdir()}, before)
        (text / "capture.json").rename(text / "capture.json.tmp")
        (text / "layer_001.safetensors").unlink()
        error = self.capture(self.folder / "b/checkpoint-500", "--tokens", self.texts[0], code=2).stderr
        self.assertIn("another model of this name", error)
        self.capture(self.folder / "a/checkpoint-500", "--tokens", self.texts[0])
        self.assertEqual({p.name: p.read_bytes() for p in text.iterdir()}, before)

    def test_another_dtype_is_refused(self):
        self.capture("qwen3", "--tokens", self.texts[0])
        for name in ("capture.json", "capture.json.tmp"):
            (self.folder / "out/text0/capture.json").rename(self.folder / "out/text0" / name)
            error = self.capture("qwen3", "--tokens", self.texts[0], "--dtype", "bfloat16", code=2).stderr
            self.assertIn(f"{name}: is a capture computed in float32, not in bfloat16; give another --out", error)

    def test_models_that_are_not_causal_are_refused_and_leave_nothing(self):
        models = {"bert": SMALL, "roberta": SMALL, "llama": SMALL | {"is_causal": False}}
        if transformers.__version__.startswith("4."):
            del models["llama"]  # is causal there, whatever its configuration says
        for kind, sizes in models.items():
            small_model(self.folder / kind, kind, **sizes)
            np.save(self.texts[0], np.random.default_rng(1).integers(3, 60, 40))
            error = self.capture(self.folder / kind, "--tokens", self.texts[0], code=2).stderr
            self.assertIn("its attention is not causal", error)
            self.assertNotIn("Traceback", error)
            self.assertFalse((self.folder / "out/text0").exists())

    def test_a_decoder_of_those_and_a_scale_in_the_queries_are_right(self):
        xglm = {"vocab_size": 97, "d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 64}
        models = {"xglm": xglm, "bert": SMALL | {"is_decoder": True}, "stablelm": SMALL | {"num_key_value_heads": 2},
                  "ctrl": {"vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "dff": 64}}
        for kind, sizes in models.items():
            model = small_model(self.folder / kind, kind, **sizes)
            shutil.rmtree(self.folder / "out", ignore_errors=True)
            self.capture(self.folder / kind, "--tokens", self.texts[0])
            with torch.no_grad():
                ids = torch.from_numpy(np.load(self.texts[0]))[None]
                weights = model(ids, output_attentions=True, use_cache=False).attentions
            for layer, own in enumerate(weights):
                self.assertLess((softmax_of(self.folder / "out/text0", layer) - own[0]).abs().max(), 2e-5, kind)

    def test_other_versions_of_transformers_are_refused_by_name(self):
        for version in ("4.56.2", "5.25.0", "6.0.0.dev0"):
            fake = f"import runpy, transformers; transformers.__version__ = {version!r}; " \
                   f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
            error = self.capture("qwen3", "--tokens", self.texts[0], code=2, script=("-c", fake)).stderr
            self.assertIn(f"transformers {version} is installed", error)
            self.assertIn("pip install", error)

    def test_bad_input_is_one_line(self):
        np.save(self.texts[1], np.array([1, 500]))
        for tokens, named in ((self.texts[1], "500"), (self.folder / "none.npy", "none.npy")):
            error = self.capture("qwen3", "--tokens", tokens, code=2).stderr
            self.assertIn(named, error)
            self.assertNotIn("Traceback", error)

    def test_slopes_caps_and_repeated_heads_are_recorded_as_the_model_has_them(self):
        for name, key, value in (("bloom", "alibi_slopes", [0.25, 0.0625, 0.015625, 0.00390625]),
                                 ("gemma2", "logit_softcap", 8.0), ("falcon_40b", "num_kv_heads", 2),
                                 ("gpt_oss", "sinks", json.loads(
                                     (MODELS / "gpt_oss/reference/capture.json").read_text())["sinks"])):
            shutil.rmtree(self.folder / "out", ignore_errors=True)
            self.capture(name, "--tokens", self.texts[0], "--num-tokens", 20)
            info = json.loads((self.folder / "out/text0/capture.json").read_text())
            self.assertEqual(info[key], value)
            self.assertEqual(info["num_tokens"], 20)


class Check(unittest.TestCase):
    """hf_check.py on queries and keys whose attention is computed as a model of some dtype does it."""

    def weights_of(self, q, k, dtype, scale=0.25, window=None, bias=None):
        length = q.shape[1]
        i, j = torch.arange(length)[:, None], torch.arange(length)[None, :]
        logits = (q.to(dtype) @ k.to(dtype).transpose(1, 2)) * scale
        logits = logits if bias is None else logits + bias.to(dtype)
        hidden = (j > i) | (j <= i - (window or length))
        weights = torch.softmax(logits.masked_fill(hidden, torch.finfo(dtype).min), -1, dtype=torch.float32).to(dtype)
        return weights[:, hf_check.checked_rows(length)]

    def test_what_is_right_passes_and_what_is_wrong_does_not_in_every_dtype(self):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            for length in (2, 17, 200):
                torch.manual_seed(length)
                q, k = (torch.randn(2, length, 16).to(dtype).float() for _ in range(2))
                form = hf_check.Form(0.25)
                check = lambda weights, form: hf_check.fits(0, q, k, weights, dtype, form)
                self.assertTrue(check(self.weights_of(q, k, dtype), form))
                self.assertFalse(check(None, form))
                large = [(200 * t).to(dtype).float() for t in (q, k)]  # logits of 100,000
                if dtype != torch.float16:
                    weights = self.weights_of(*large, dtype)
                    self.assertTrue(hf_check.fits(0, *large, weights, dtype, form))
                    self.assertFalse(hf_check.fits(0, *large, weights.flip(2), dtype, form))
                self.assertFalse(check(self.weights_of(q, k, dtype, scale=0.5), form))
                self.assertFalse(check(self.weights_of(q, k, dtype) * torch.nan, form))
                self.assertFalse(check(self.weights_of(q, k, dtype, bias=0.5 * torch.arange(length)), form))
                if length > 20:
                    self.assertTrue(check(self.weights_of(q, k, dtype, window=9), hf_check.Form(0.25, window=9)))
                    for recorded in (None, 8, 10):
                        other = hf_check.Form(0.25, window=recorded)
                        self.assertFalse(check(self.weights_of(q, k, dtype, window=9), other))

    def test_a_small_error_of_float32_is_found(self):
        torch.manual_seed(3)
        q, k = torch.randn(2, 64, 16), torch.randn(2, 64, 16)
        self.assertFalse(hf_check.fits(0, q, k, self.weights_of(q, k, torch.float32, scale=0.2501), torch.float32,
                                       hf_check.Form(0.25)))


if __name__ == "__main__":
    unittest.main()
