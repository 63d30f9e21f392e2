#!/usr/bin/env python3
"""Makes tests/tokenizers: small tokenizers of every style and the ids that the library `tokenizers` gives with them.

    make_tokenizer_fixtures.py [FOLDER]

Development only: it needs the Python packages tokenizers and numpy. Per tokenizer: tokenizer.json, trained on the
corpus and this repository's documents, and expected.json with the ids of the first samples, spelled out, and number and
hash of the ids of every chunk of the nasty corpus (see nasty_corpus.py).
"""
import json, pathlib, sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers as n, pre_tokenizers as p, trainers

from nasty_corpus import CHUNKS, Corpus

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else REPOSITORY / "tests" / "tokenizers")
CORPUS = Corpus(REPOSITORY / "tests" / "tokenizers" / "corpus.json")
VOCABULARY = 1000
SPELLED_OUT = 24
TEXTS = CORPUS.samples + [f.read_text() for pattern in ("README.md", "docs/*.md", "docs/decisions/*.md", "io/j*.cpp",
                                                        "io/capture*.cpp") for f in sorted(REPOSITORY.glob(pattern))]

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + CONTRACTIONS + "?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + CONTRACTIONS + "?")
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
O200K = CASED + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
DEEPSEEK_LLM = [r"[\r\n]", "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
                "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5"
                "\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba"
                "\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u2c60-\u2c7b\u2c7e-\u2ce4"
                "\ua640-\ua66d\ua722-\ua76f\uab70-\uabbf\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a]+",
                "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$",
                "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"]
DEEPSEEK_V3 = [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
               "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
               "| ?[\\p{P}\\p{S}]+[\r\n]*|" + SPACES]


def special(*texts, **how):
    return [AddedToken(text, special=True, **{"normalized": False, **how}) for text in texts]


def plain(*texts, **how):
    return [AddedToken(text, special=False, **how) for text in texts]


def runs(character, longest, shortest=2):
    return plain(*(character * size for size in range(longest, shortest - 1, -1)))


def bytewise(regex=False):
    return p.ByteLevel(add_prefix_space=False, use_regex=regex)


def splits(*patterns):
    return [p.Split(Regex(pattern), "isolated") for pattern in patterns]


def train(model, added, normalizer, pre_tokenizer, special_tokens=(), alphabet=(), size=VOCABULARY, **options):
    """Special tokens get the first ids; added tokens that the vocabulary lacks the last."""
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=list(alphabet),
                                  special_tokens=list(special_tokens), **options)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens(list(added))
    return tokenizer


def byte_level(added, pre_tokenizer, normalizer=None, **options):
    return train(models.BPE(), added, normalizer, pre_tokenizer, alphabet=p.ByteLevel.alphabet(), **options)


def sentencepiece(added, normalizer, pre_tokenizer, **model):
    """Trained on words, then used with the given steps: no merge crosses word boundaries, except runs of spaces."""
    own = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = train(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True, **model), added, None,
                      p.Metaspace(), own, limit_alphabet=120)
    parts = json.loads(tokenizer.to_str())
    parts["added_tokens"] = [t for t in parts["added_tokens"] if not t["content"].startswith("<0x")]
    vocabulary, run = parts["model"]["vocab"], "▁"
    for _ in range(4):
        parts["model"]["merges"].append([run, run])
        run += run
        free = next(i for i in range(10**6) if i not in vocabulary.values())
        taken = [t for t in parts["added_tokens"] if t["id"] >= free]
        for token in taken:
            token["id"] += 1
        vocabulary[run] = free
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    return tokenizer


def edited(tokenizer, edit):
    parts = json.loads(tokenizer.to_str())
    edit(parts)
    return Tokenizer.from_str(json.dumps(parts))


def begins_with(token):
    def edit(parts):
        found = next(t["id"] for t in parts["added_tokens"] if t["content"] == token)
        template = [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        parts["post_processor"] = {"type": "Sequence", "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
            {"type": "TemplateProcessing", "single": template, "pair": template + [{"Sequence": {"id": "B", "type_id": 1}}],
             "special_tokens": {token: {"id": token, "ids": [found], "tokens": [token]}}}]}
    return edit


def drop_merges(parts):
    """Removes merges, so that only ignore_merges reaches some whole words."""
    parts["model"]["ignore_merges"] = True
    parts["model"]["merges"] = [m for i, m in enumerate(parts["model"]["merges"]) if i % 5]


def llama2_words():
    return n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")])


def whole(scheme="first"):
    return p.Metaspace(prepend_scheme=scheme, split=False)


CHAT = ("<|user|>", "<|assistant|>", "<|end|>")
MARKUP = ("<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>")
MAKERS = {
    "gpt2": lambda: byte_level(special("<|endoftext|>"), bytewise(True)),
    "gpt2_prefix": lambda: byte_level(special("<s>", "</s>", lstrip=True), p.ByteLevel(add_prefix_space=True)),
    "neox": lambda: byte_level(special("<|endoftext|>", "<|padding|>") + runs(" ", 24), bytewise(True), n.NFC()),
    "opt": lambda: edited(byte_level(special("</s>", "<pad>", "<unk>", normalized=True), bytewise(True)),
                          begins_with("</s>")),
    "qwen2": lambda: byte_level(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
                                p.Sequence(splits(QWEN2) + [bytewise()]), n.NFC()),
    "llama3": lambda: edited(edited(byte_level(
        special("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        p.Sequence(splits(LLAMA3) + [bytewise()])), drop_merges), begins_with("<|begin_of_text|>")),
    "o200k": lambda: byte_level(special("<|endoftext|>"), p.Sequence(splits(O200K) + [bytewise()])),
    "phi": lambda: byte_level(special("<|endoftext|>") + runs(" ", 31) + runs("\t", 9), bytewise(True)),
    "falcon": lambda: byte_level(special(">>TITLE<<", ">>ABSTRACT<<", "<|endoftext|>"), p.Sequence(
        [p.Punctuation("contiguous"), bytewise(True), p.Digits(False), p.Split(Regex("[0-9][0-9][0-9]"), "isolated")])),
    "bloom": lambda: byte_level(special("<unk>", "<s>", "</s>", "<pad>"), p.Sequence(splits(BLOOM) + [bytewise()])),
    "starcoder": lambda: byte_level(special("<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>"),
                                    p.Sequence([p.Digits(True), bytewise(True)])),
    "deepseek_llm": lambda: byte_level(special("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", normalized=True),
                                       p.Sequence(splits(*DEEPSEEK_LLM) + [p.Digits(True), bytewise()]), n.Sequence([])),
    "deepseek_v3": lambda: byte_level(special("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
                                      p.Sequence(splits(*DEEPSEEK_V3) + [bytewise()]), n.Sequence([])),
    "llama2": lambda: edited(sentencepiece(special("<unk>", "<s>", "</s>"), llama2_words(), None), begins_with("<s>")),
    "llama2_legacy": lambda: sentencepiece(special("<unk>", "<s>", "</s>", normalized=True), llama2_words(), None),
    "llama2_metaspace": lambda: sentencepiece(special("<unk>", "<s>", "</s>"), None, whole()),
    "mistral": lambda: sentencepiece(special("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), None, whole("always")),
    "gemma": lambda: sentencepiece(special("<bos>", "<start_of_turn>", "<end_of_turn>", "<unk>")
                                   + plain("\n\n", "\n\n\n", "▁▁", *MARKUP, normalized=False), n.Replace(" ", "▁"),
                                   p.Split(" ", "merged_with_previous")),
    "phi3": lambda: sentencepiece(special("<unk>", "<s>", "</s>", "<|endoftext|>")
                                  + special(*CHAT, rstrip=True), llama2_words(), None),
    "byte_normalizer": lambda: byte_level(special("<s>") + plain("naïve", "été"), p.Split("Ġ", "merged_with_next"),
                                          n.Sequence([n.NFC(), n.ByteLevel()])),
    # Small enough for the models in tests/fixtures.
    "tiny": lambda: edited(train(models.BPE(unk_token="<unk>", fuse_unk=True), (), llama2_words(), None,
                                 special("<unk>", "<s>", "</s>"), limit_alphabet=70, size=90), begins_with("<s>")),
    "characters": lambda: train(models.BPE(unk_token="<unk>"), special("<unk>", "[MASK]", lstrip=True)
                                + plain("word", single_word=True) + plain("LEFT", lstrip=True, normalized=False)
                                + plain("RIGHT", rstrip=True, normalized=False) + plain("norm", "BOTH", lstrip=True, rstrip=True),
                                n.Sequence([n.NFKC(), n.Lowercase(), n.Replace(Regex("[0-9]{4,}"), "#")]),
                                p.Sequence([p.Whitespace(), p.Metaspace()]), ["<unk>"], limit_alphabet=90),
    "splits": lambda: train(models.BPE(unk_token="<unk>", fuse_unk=True), special("<s>", "</s>", rstrip=True),
                            n.Sequence([n.NFD(), n.StripAccents(), n.Strip()]), p.Sequence(
        [p.WhitespaceSplit(), p.Split("e", "merged_with_next"), p.Split(Regex("[aou]+"), "merged_with_previous"),
         p.Split(Regex(r"\p{Lu}\S*+"), "contiguous", invert=True), p.Split("-", "removed"),
         p.Punctuation("merged_with_next"), p.Digits(True)]), ["<unk>"], limit_alphabet=90),
    "accents": lambda: train(models.BPE(), plain("é", "ﬁx"), n.NFKD(),
                             p.Sequence([p.Punctuation(), p.Metaspace()]), limit_alphabet=200),
}


def legacy_merges(path):
    """Writes merges in the form of older files: "left right"."""
    parts = json.loads(path.read_text())
    parts["model"]["merges"] = [" ".join(merge) for merge in parts["model"]["merges"]]
    path.write_text(json.dumps(parts, ensure_ascii=False))


def ids_hash(ids):
    """FNV-1a over the ids."""
    value = 0xCBF29CE484222325
    for token in ids:
        value = ((value ^ token) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def expected(tokenizer, chunks):
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    ids = [encode(text) for text in chunks]
    return {"samples": [encode(text) for text in CORPUS.samples[:SPELLED_OUT]],
            "chunks": [[len(i), f"{ids_hash(i):016x}"] for i in ids]}


def main():
    chunks = [CORPUS.chunk(number) for number in range(CHUNKS)]
    for name, make in MAKERS.items():
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "tokenizer.json"
        make().save(str(path), pretty=False)
        if name in ("gpt2", "llama2"):
            legacy_merges(path)
        record = expected(Tokenizer.from_file(str(path)), chunks)
        (folder / "expected.json").write_text(json.dumps(record) + "\n")
        print(f"{name}: {path.stat().st_size} bytes, {sum(c[0] for c in record['chunks'])} ids of "
              f"{sum(len(c.encode()) for c in chunks)} bytes")


if __name__ == "__main__":
    main()
