"""Notices of a run about its input: on standard error, in the manifest and in the report."""
import json, shutil, struct, unittest

from harness import Case, FIXTURES, heads, largest_difference, read_safetensors, run, small_model, write_safetensors


class Notices(Case):
    def setUp(self):
        super().setUp()
        self.model = small_model(self.folder / "model")
        self.text = self.model / "tokens.json"

    def configure(self, **keys):
        path = self.model / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | keys))

    def analyze(self, out, *more, ranks=1):
        done = run("analyze", "--model", self.model, "--contexts", 64, "--out", self.folder / out, *more, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        folder = self.folder / out
        return done.stderr, json.loads((folder / "manifest.json").read_text()), json.loads((folder / "summary.json").read_text())

    def test_a_plain_run_tells_nothing(self):
        said, manifest, _ = self.analyze("run", "--tokens", self.text)
        self.assertNotIn("unknown", said)
        self.assertNotIn("notices", manifest["model"])

    def test_unknown_keys_are_told_once_and_recorded(self):
        _, _, plain = self.analyze("plain", "--tokens", self.text)
        self.configure(zebra=7, use_mrope=False)
        said, manifest, _ = self.analyze("run", "--tokens", self.text, ranks=2)
        self.assertEqual(said.count("unknown keys of the configuration"), 1)
        for part in ('"zebra" is 7', '"use_mrope" is false'):
            self.assertIn(part, said)
            self.assertIn(part, manifest["model"]["notices"][0])
            self.assertIn(part.replace('"', '\\"'), (self.folder / "run" / "report.html").read_text())
        self.assertLessEqual(largest_difference(heads(self.folder / "plain"), heads(self.folder / "run"))[0], 1e-5)
        for command in ("plan", "validate"):
            more = ("--tokens", self.text) if command == "plan" else ()
            self.assertIn('"zebra" is 7', run(command, "--model", self.model, *more).stdout)
        for command in (("analyze", "--tokens", self.text, "--out", self.folder / "strict"), ("validate",)):
            refused = run(*command, "--model", self.model, "--strict-config")
            self.assertEqual(refused.returncode, 2)
            self.assertIn('"use_mrope" is false, "zebra" is 7', refused.stderr)

    def test_keys_that_may_change_the_arithmetic_are_refused_together(self):
        self.configure(attn_logit_softcapping=50.0, residual_multiplier=0.2, zebra=7)
        refused = run("analyze", "--model", self.model, "--tokens", self.text, "--out", self.folder / "run")
        self.assertEqual(refused.returncode, 2)
        self.assertIn('"attn_logit_softcapping" is 50.0, "residual_multiplier" is 0.2', refused.stderr)
        self.assertFalse((self.folder / "run").exists())

    def test_a_backbone_is_measured_without_a_loss(self):
        _, _, whole = self.analyze("whole", "--tokens", self.text)
        self.assertEqual(len(whole["losses"]), 1)
        tensors = {name: tensor for shard in sorted(self.model.glob("*.safetensors"))
                   for name, tensor in read_safetensors(shard).items()}
        del tensors["lm_head.weight"]
        for file in self.model.glob("model*safetensors*"):
            file.unlink()
        write_safetensors(self.model / "model.safetensors", tensors)
        for ranks in (1, 2, 3):
            said, manifest, summary = self.analyze(f"run{ranks}", "--tokens", self.text, ranks=ranks)
            self.assertIn("no file holds lm_head.weight: the next-token loss is left out", said)
            self.assertEqual((summary["losses"], len(manifest["model"]["notices"])), ([], 1))
            difference, where = largest_difference(heads(self.folder / "whole"), heads(self.folder / f"run{ranks}"))
            self.assertLessEqual(difference, 1e-5, where)

    def test_a_tied_configuration_with_a_matrix_of_its_own_uses_it(self):
        _, _, untied = self.analyze("untied", "--tokens", self.text)
        self.configure(tie_word_embeddings=True)
        said, _, tied = self.analyze("tied", "--tokens", self.text, ranks=2)
        self.assertIn("lm_head.weight: that tensor is used", said)
        self.assertAlmostEqual(tied["losses"][0]["loss"], untied["losses"][0]["loss"], delta=1e-5)

    def test_short_texts_are_left_out_on_request(self):
        short = self.folder / "short.json"
        short.write_text(json.dumps(list(range(40))))
        texts = ("--tokens", short, self.text)
        refused = run("analyze", "--model", self.model, *texts, "--contexts", 64, "--out", self.folder / "no")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("text 'short' has 40 tokens", refused.stderr)
        said, manifest, _ = self.analyze("run", *texts, "--skip-short")
        self.assertIn("1 of 2 texts are left out, shorter than 64 tokens", said)
        self.assertEqual([text["name"] for text in manifest["texts"]], [self.text.stem])
        none = run("analyze", "--model", self.model, "--tokens", short, "--contexts", 64, "--skip-short", "--out", self.folder / "n")
        self.assertEqual(none.returncode, 2)
        self.assertIn("all are shorter than 64 tokens", none.stderr)

    def test_raw_token_files(self):
        ids = [i % 301 for i in range(100)]
        (self.folder / "same.json").write_text(json.dumps(ids))
        (self.folder / "same.bin").write_bytes(struct.pack("<100H", *ids))
        self.analyze("json", "--tokens", self.folder / "same.json")
        self.analyze("bin", "--tokens", self.folder / "same.bin", "--token-dtype", "uint16")
        self.assertEqual(heads(self.folder / "json"), heads(self.folder / "bin"))
        self.refuse(("analyze", "--model", self.model, "--tokens", self.folder / "same.bin", "--out", self.folder / "no"),
                    "same.bin", "--token-dtype")

    def test_a_text_with_a_first_token_of_its_own_is_told(self):
        model = self.folder / "texts"
        shutil.copytree(FIXTURES / "llama", model)
        shutil.copy(FIXTURES.parent / "tokenizers" / "tiny" / "tokenizer.json", model)
        text = self.folder / "own.txt"
        text.write_text("<s>" + "The sea was calm that morning. " * 9)
        said = run("analyze", "--model", model, "--text", text, "--bos", "yes", "--contexts", 16, "--out", self.folder / "bos").stderr
        self.assertIn("begins with the model's first token itself", said)
        quiet = run("analyze", "--model", model, "--text", text, "--bos", "no", "--contexts", 16, "--out", self.folder / "no").stderr
        self.assertNotIn("first token", quiet)


if __name__ == "__main__":
    unittest.main()
