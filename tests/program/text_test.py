"""--text: the model's own tokenizer gives the same results as its recorded token ids."""
import gzip, json, shutil, unittest

from harness import Case, FIXTURES, REPOSITORY, heads, largest_difference

TOKENIZERS = REPOSITORY / "tests" / "tokenizers"
BOS = 1


class Text(Case):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        shutil.copytree(FIXTURES / "llama", self.model)
        shutil.copy(TOKENIZERS / "tiny" / "tokenizer.json", self.model)
        samples = json.loads((TOKENIZERS / "corpus.json").read_text())["samples"]
        recorded = json.loads((TOKENIZERS / "tiny" / "expected.json").read_text())["samples"]
        self.ids = {"prose": recorded[0], "quotes": recorded[1]}
        self.lines = self.folder / "texts.jsonl"
        self.lines.write_text("".join(json.dumps({"name": name, "text": text}) + "\n" for name, text in zip(self.ids, samples)))

    def analyze(self, out, *more, ranks=1, context=24):
        self.succeed("analyze", "--model", self.model, *more, "--contexts", context, "--out", self.folder / out, ranks=ranks)
        return heads(self.folder / out), json.loads((self.folder / out / "manifest.json").read_text())

    def token_files(self, ids):
        for name, tokens in ids.items():
            (self.folder / f"{name}.json").write_text(json.dumps(tokens))
        return [self.folder / f"{name}.json" for name in ids]

    def expect_the_same(self, ids, *more, ranks=1):
        by_tokens, their = self.analyze("tokens", "--tokens", *self.token_files(ids), ranks=ranks)
        by_text, ours = self.analyze("text", "--text", self.lines, *more, ranks=ranks)
        self.assertLessEqual(largest_difference(by_tokens, by_text)[0], 0)
        for a, b in zip(their["texts"], ours["texts"]):
            self.assertEqual({key: b[key] for key in a}, a)
            self.assertRegex(b["text_hash"], "^xxh3:[0-9a-f]{16}$")
        self.assertIsNone(their["tokenization"])
        return ours["tokenization"]

    def test_a_text_gives_what_its_ids_give(self):
        how = self.expect_the_same({name: [BOS, *ids] for name, ids in self.ids.items()})
        self.assertEqual((how["bos"], how["start"]), (BOS, 0))
        self.assertEqual(how["tokenizer"], str(self.model / "tokenizer.json"))

    def test_without_the_token_in_front(self):
        self.assertIsNone(self.expect_the_same(self.ids, "--bos", "no")["bos"])

    def test_a_part_of_the_tokens_on_two_ranks(self):
        how = self.expect_the_same({name: [BOS, *ids[5:]][:30] for name, ids in self.ids.items()},
                                   "--bos", "yes", "--start", 5, "--num-tokens", 30, ranks=2)
        self.assertEqual((how["bos"], how["start"]), (BOS, 5))

    def test_texts_and_tokens_together(self):
        rows, manifest = self.analyze("both", "--text", self.lines, "--tokens", *self.token_files({"prose": self.ids["quotes"]}))
        self.assertEqual([text["name"] for text in manifest["texts"]], ["prose", "prose-2", "quotes"])
        self.assertNotIn("text_hash", manifest["texts"][0])

    def test_compressed_texts_are_the_same_texts(self):
        whole, manifest = self.analyze("whole", "--text", self.lines)
        compressed = self.folder / "texts.jsonl.gz"
        compressed.write_bytes(gzip.compress(self.lines.read_bytes()))
        rows, same = self.analyze("compressed", "--text", compressed)
        self.assertLessEqual(largest_difference(whole, rows)[0], 0)
        self.assertEqual(same["texts"], manifest["texts"])

    def test_tokens_prints_ids_and_pieces(self):
        only = self.folder / "tokenizer only"
        only.mkdir()
        shutil.copy(self.model / "tokenizer.json", only)
        shown = self.succeed("tokens", "--model", only, "--text", self.lines, "--num-tokens", 20, ranks=2).stdout
        rows = [line.split(maxsplit=2) for line in shown.splitlines()]
        ids = [row[1] for row in rows if row[0].isdigit()]
        self.assertEqual(ids, [str(id) for name in self.ids for id in [BOS, *self.ids[name]][:20]])
        self.assertEqual(shown.splitlines()[0], 'text "prose": 20 tokens')
        vocabulary = json.loads((only / "tokenizer.json").read_text())["model"]["vocab"]
        for _, id, piece in (row for row in rows if row[0].isdigit()):
            self.assertEqual(vocabulary[json.loads(piece)], int(id))
        self.refuse(["tokens", "--model", self.folder, "--text", self.lines], self.folder / "tokenizer.json", "no such file")

    def test_plan_takes_texts(self):
        self.assertRegex(self.succeed("plan", "--model", self.model, "--text", self.lines).stdout, r"texts +2, first 64 tokens")

    def refused(self, *more, named):
        self.refuse(["analyze", "--model", self.model, *more, "--out", self.folder / "none"], *named)
        self.assertFalse((self.folder / "none").exists())

    def test_what_cannot_be_tokenised_is_refused(self):
        self.refused("--text", self.lines, "--start", 1000, named=["texts.jsonl: line 1", "--start 1000"])
        bad = self.folder / "bad.txt"
        bad.write_bytes(b"abc\xe9")
        self.refused("--text", bad, named=[bad, "byte 3", "UTF-8"])
        self.refused("--tokens", FIXTURES / "llama" / "tokens.npy", "--bos", "yes", named=["--bos", "--text"])
        self.refuse(["plan", "--capture", FIXTURES / "llama" / "reference", "--text", self.lines], "--text", "--model")
        shutil.copy(TOKENIZERS / "gpt2" / "tokenizer.json", self.model)
        self.refused("--text", self.lines, named=["texts.jsonl: line 1", "tokenizer.json", "config.json", "vocab_size", "97"])
        (self.model / "tokenizer.json").unlink()
        self.refused("--text", self.lines, named=["tokenizer.json", "token ids", "transformers"])

    def test_a_token_in_front_that_nobody_names(self):
        path = self.model / "tokenizer.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))
        config = self.model / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "bos_token_id": None}))
        self.refused("--text", self.lines, "--bos", "yes", named=["--bos yes", "--bos no"])


if __name__ == "__main__":
    unittest.main()
