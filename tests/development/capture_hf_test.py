#!/usr/bin/env python3
"""Runs io/capture_hf.py as its users do. Development only: needs PyTorch and transformers (python3 -m unittest)."""
import json, pathlib, shutil, subprocess, sys, tempfile, unittest

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
MODELS = ROOT / "tests" / "fixtures" / "families"


class CaptureHf(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="logitfield-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.texts = []
        for seed in range(2):
            self.texts.append(self.folder / f"text{seed}.npy")
            np.save(self.texts[-1], np.random.default_rng(seed).integers(0, 89, 40))

    def capture(self, name, *options, code=0):
        result = subprocess.run([sys.executable, ROOT / "io/capture_hf.py", "--model", MODELS / name, "--out",
                                 self.folder / "out", *map(str, options)], capture_output=True, text=True, timeout=300)
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
        self.assertIn("another model", self.capture("qwen2", "--tokens", self.texts[0], code=2).stderr)

    def test_bad_input_is_one_line(self):
        np.save(self.texts[1], np.array([1, 500]))
        for tokens, named in ((self.texts[1], "500"), (self.folder / "none.npy", "none.npy")):
            error = self.capture("qwen3", "--tokens", tokens, code=2).stderr
            self.assertIn(named, error)
            self.assertNotIn("Traceback", error)

    def test_slopes_caps_and_repeated_heads_are_recorded_as_the_model_has_them(self):
        for name, key, value in (("bloom", "alibi_slopes", [0.25, 0.0625, 0.015625, 0.00390625]),
                                 ("gemma2", "logit_softcap", 8.0), ("falcon_40b", "num_kv_heads", 2)):
            shutil.rmtree(self.folder / "out", ignore_errors=True)
            self.capture(name, "--tokens", self.texts[0], "--num-tokens", 20)
            info = json.loads((self.folder / "out/text0/capture.json").read_text())
            self.assertEqual(info[key], value)
            self.assertEqual(info["num_tokens"], 20)


if __name__ == "__main__":
    unittest.main()
