"""convert: captures from what the plugin vLLM-Hook writes. The runs are made here from captures, as the plugin lays them out."""
import json, math, pathlib, shutil, struct, unittest

from harness import Case, FIXTURES, heads, read_safetensors, small_model, write_safetensors

FAMILIES = FIXTURES / "families"


def rows_of(raw, num_heads, length, size, mine, entry):
    """[tokens, columns of some heads] of an entry, from [heads, tokens, columns of a head]; `size`: bytes of a row of a head."""
    return b"".join(raw[(h * length + t) * size:(h * length + t + 1) * size] for t in range(*entry) for h in mine)


def padded(entries, longest, width):
    return b"".join(e + bytes(longest * width - len(e)) for e in entries)


def write_run(folder, captures, ranks=1, cuts=(), layers=None, **config):
    """The texts of some captures, each whole or cut at some tokens, as entries of one run of `ranks` ranks."""
    folder = pathlib.Path(folder)
    infos = [json.loads((c / "capture.json").read_text()) for c in captures]
    info, layers = infos[0], list(range(infos[0]["num_layers"]) if layers is None else layers)
    entries = []
    for text, own in enumerate(infos):
        places = [0, *cuts, own["num_tokens"]]
        entries += [(text, (begin, end)) for begin, end in zip(places, places[1:])]
    lengths = [end - begin for _, (begin, end) in entries]
    for rank in range(ranks):
        path = folder / f"tp_rank_{rank}"
        path.mkdir(parents=True)
        tensors, order = {}, []
        for layer in layers:
            name = f"model.layers.{layer}.self_attn.attn"
            order.append({"key_q": name.replace(".", "__") + "__q", "key_k": name.replace(".", "__") + "__k",
                          "module_name": name, "layer_num": layer})
            stored = [read_safetensors(c / f"layer_{layer:03}.safetensors") for c in captures]
            for which, count in (("q", info["num_heads"]), ("k", info["num_kv_heads"])):
                share = max(1, count // ranks)
                first = rank * count // ranks
                dtype = stored[0][which][0]
                size = info["head_dim"] * {"F32": 4, "BF16": 2}[dtype]
                raw = [rows_of(stored[text][which][2], count, infos[text]["num_tokens"], size, range(first, first + share), entry)
                       for text, entry in entries]
                tensors[order[-1][f"key_{which}"]] = (dtype, [len(entries), max(lengths), share * info["head_dim"]],
                                                      padded(raw, max(lengths), share * size))
        write_safetensors(path / "qk.safetensors", tensors)
        sizes = {"num_attention_heads": info["num_heads"], "num_key_value_heads": info["num_kv_heads"],
                 "hidden_size": info["num_heads"] * info["head_dim"], "head_dim": info["head_dim"],
                 "attention_multiplier": 1 / math.sqrt(info["head_dim"])} | config
        (path / "qk.json").write_text(json.dumps({"config": sizes, "layer_order": order, "batch_size": len(entries),
                                                  "hookq_mode": "all_tokens", "tp_rank": rank, "seq_lens": lengths}))
    return folder


class Convert(Case):
    def convert(self, hook, *tokens, out="out", model=None, ranks=1):
        return self.succeed("convert", "--vllm-hook", hook, "--tokens", *tokens, "--out", self.folder / out,
                            *(["--model", model] if model else []), ranks=ranks)

    def assert_same_capture(self, converted, capture):
        for path in sorted(capture.glob("layer_*")):
            self.assertEqual(read_safetensors(converted / path.name), read_safetensors(path))
        found, expected = (json.loads((folder / "capture.json").read_text()) for folder in (converted, capture))
        self.assertAlmostEqual(found["scale"], expected["scale"], delta=1e-15)
        for key in ("source", "model", "scale"):
            del found[key], expected[key]
        self.assertEqual(found, expected)

    def dumped(self):
        """A model, and captures of two of its texts of 60 and 100 tokens."""
        model = small_model(self.folder / "model", layers=3)
        ids = json.loads((model / "tokens.json").read_text())
        for name, length in (("long", 100), ("short", 60)):
            (self.folder / f"{name}.json").write_text(json.dumps(ids[-length:]))
            self.succeed("analyze", "--model", model, "--tokens", self.folder / f"{name}.json", "--contexts", length,
                         "--scopes", "full,causal", "--dump-captures", self.folder, "--out", self.folder / f"run-{name}")
        return model

    def test_statistics_are_those_of_the_model_on_any_number_of_ranks(self):
        model = self.dumped()
        for ranks, cuts in ((1, ()), (2, (64, 65)), (8, (1,))):
            hook = write_run(self.folder / f"hook{ranks}", [self.folder / "long"], ranks, cuts)
            told = self.convert(hook, self.folder / "long.json", out=f"out{ranks}", model=model, ranks=min(ranks, 2))
            self.assertIn(f"100 tokens in {len(cuts) + 1} pass", told.stdout)
            self.assert_same_capture(self.folder / f"out{ranks}" / "long", self.folder / "long")
        self.succeed("validate", "--model", model, "--against", self.folder / "out8" / "long")
        for name, capture in (("dumped", self.folder / "long"), ("converted", self.folder / "out8" / "long")):
            self.succeed("analyze", "--capture", capture, "--contexts", 100, "--scopes", "full,causal", "--out", self.folder / name)
        self.assertEqual(*(heads(self.folder / name) for name in ("dumped", "converted")))

    def test_several_texts_are_told_apart_by_their_lengths(self):
        self.dumped()
        hook = write_run(self.folder / "hook", [self.folder / "short", self.folder / "long"])
        told = self.convert(hook, self.folder / "long.json", self.folder / "short.json")
        self.assertIn("no --model: 3 layers", told.stderr)
        for name in ("long", "short"):
            self.assert_same_capture(self.folder / "out" / name, self.folder / name)
        shutil.copy(self.folder / "long.json", self.folder / "other.json")
        self.refuse(["convert", "--vllm-hook", hook, "--tokens", self.folder / "long.json", self.folder / "other.json", "--out",
                     self.folder / "new"], "both have 100 tokens", "run of its own")
        self.assertFalse((self.folder / "new").exists())

    def test_the_models_configuration_tells_what_the_plugin_cannot(self):
        # qwen3: heads of 12 columns, not 32 / 4; gemma2: a scale of its own, caps and windows; gemma3: two kinds of layers.
        for family, assumed in (("qwen3", 8), ("gemma2", 8), ("gemma3", 8)):
            reference = FAMILIES / family / "reference"
            hook = write_run(self.folder / family, [reference], head_dim=assumed, attention_multiplier=assumed ** -0.5,
                             hidden_size=json.loads((FAMILIES / family / "config.json").read_text())["hidden_size"])
            arguments = ["convert", "--vllm-hook", hook, "--tokens", reference / "tokens.npy", "--out", self.folder / f"{family}-out"]
            if json.loads((reference / "capture.json").read_text())["head_dim"] != assumed:
                self.refuse(arguments, "qk.safetensors", "columns", "the model's configuration")
            told = self.succeed(*arguments, "--model", FAMILIES / family)
            self.assertIn("by the plugin, which does not know all models", told.stderr)
            self.assert_same_capture(self.folder / f"{family}-out" / "tokens", reference)

    def test_any_quantisation_of_the_weights_is_of_no_concern(self):
        reference = FAMILIES / "qwen3" / "reference"
        config = json.loads((FAMILIES / "qwen3" / "config.json").read_text())
        (self.folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "unheard-of"}}))
        hook = write_run(self.folder / "hook", [reference], hidden_size=config["hidden_size"])
        self.convert(hook, reference / "tokens.npy", model=self.folder / "config.json")
        self.assert_same_capture(self.folder / "out" / "tokens", reference)

    def test_bad_input_is_refused_by_name(self):
        reference = FAMILIES / "qwen2" / "reference"
        length = json.loads((reference / "capture.json").read_text())["num_tokens"]
        count = 0

        def refuse(*named, tokens=reference / "tokens.npy", model=FAMILIES / "qwen2", change=None, ranks=1, **options):
            nonlocal count
            count += 1
            hook = write_run(self.folder / f"hook{count}", [reference], **options)
            if change:
                change(hook / "tp_rank_0")
            self.refuse(["convert", "--vllm-hook", hook, "--tokens", tokens, "--model", model, "--out", self.folder / "out"], *named,
                        ranks=ranks)
            self.assertFalse((self.folder / "out" / "tokens" / "capture.json").exists())

        def last_tokens(rank):
            told = json.loads((rank / "qk.json").read_text())
            (rank / "qk.json").write_text(json.dumps(told | {"hookq_mode": "last_token"}))

        def saved_by_torch(rank):
            (rank / "qk.safetensors").rename(rank / "qk.pt")

        (self.folder / "more.json").write_text(json.dumps([1] * (length + 16)))
        refuse(f"{length} tokens", f"'more' has {length + 16}", "enable_prefix_caching=False", tokens=self.folder / "more.json")
        refuse("last_token", "qk.json", change=last_tokens)
        refuse("qk.pt", "VLLM_HOOK_USE_SAFETENSORS=1", change=saved_by_torch)
        refuse("6 heads and a hidden size of 64", "6 and 36", "the model that was run", hidden_size=64)
        (self.folder / "jamba.json").write_text(json.dumps({"model_type": "jamba"}))
        refuse("jamba.json", "\"jamba\"", "leave out --model", model=self.folder / "jamba.json")
        refuse("gpt_oss", "learned sinks", "capture_hf.py", model=FAMILIES / "gpt_oss")
        refuse("holds 1 layers", "has 2", "important_heads", layers=[0])
        refuse("layer 1, but not layer 0", layers=[1], ranks=2)
        refuse("no folder tp_rank_0", change=lambda rank: rank.rename(rank.with_name("x")))
        refuse("tokens.npy", "outside 0 ... 3", model=self.small_vocabulary())

    def small_vocabulary(self):
        config = json.loads((FAMILIES / "qwen2" / "config.json").read_text())
        (self.folder / "config.json").write_text(json.dumps(config | {"vocab_size": 4}))
        return self.folder / "config.json"

    def test_numbers_that_are_not_finite_are_refused(self):
        reference = FAMILIES / "qwen2" / "reference"
        hook = write_run(self.folder / "hook", [reference])
        path = hook / "tp_rank_0" / "qk.safetensors"
        raw = path.read_bytes()
        start = 8 + struct.unpack("<Q", raw[:8])[0]
        path.write_bytes(raw[:start] + struct.pack("<f", math.inf) + raw[start + 4:])
        self.refuse(["convert", "--vllm-hook", hook, "--tokens", reference / "tokens.npy", "--out", self.folder / "out"],
                    "qk.safetensors", "inf")
        self.assertFalse((self.folder / "out" / "tokens" / "capture.json").exists())


if __name__ == "__main__":
    unittest.main()
