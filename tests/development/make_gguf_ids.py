#!/usr/bin/env python3
"""Writes tests/gguf/llama_cpp_ids.json: number and hash of the ids that llama.cpp gives for chunks of the nasty corpus, by
each name of a pre-tokenizer that is read as llama.cpp reads it. The vocabularies are those of tests/tokenizers.

Development only: pip install gguf numpy xllamacpp (llama.cpp as a Python module; made with 2026.10.11549).
"""
import json, pathlib, tempfile, urllib.request

import gguf
import numpy as np
import xllamacpp

from make_tokenizer_fixtures import ids_hash
from nasty_corpus import Corpus

TESTS = pathlib.Path(__file__).resolve().parents[1]
CHUNKS = 30
# name: folder of the vocabulary. Names that keep whole words have one with all merges. With the vocabulary llama3, which lacks
# some, 2 chunks show that llama.cpp takes letters of Unicode 16 for none.
NAMES = {"a.x-4.0": "gpt2", "chatglm-bpe": "llama3", "command-r": "starcoder", "deepseek-r1-qwen": "qwen2",
         "default": "gpt2", "exaone4": "gpt2", "falcon3": "gpt2", "gigachat": "gpt2", "glm4": "gpt2",
         "granite-docling": "gpt2", "megrez": "qwen2", "mellum": "gpt2", "midm-2.0": "gpt2", "minerva-7b": "starcoder",
         "pixtral": "gpt2", "poro-chat": "bloom", "smaug-bpe": "llama3", "stablelm2": "qwen2", "trillion": "gpt2"}
NORMAL, CONTROL, USER = 1, 3, 4
SIZE = 32


def write_model(path, folder, pre):
    """A model of one layer, so that llama.cpp opens the file."""
    parts = json.loads((TESTS / "tokenizers" / folder / "tokenizer.json").read_text())
    kinds = {token: (i, NORMAL) for token, i in parts["model"]["vocab"].items()}
    kinds |= {t["content"]: (t["id"], CONTROL if t["special"] else USER) for t in parts["added_tokens"]}
    tokens = sorted(kinds, key=lambda token: kinds[token][0])
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(1 << 16)
    writer.add_embedding_length(SIZE)
    writer.add_feed_forward_length(SIZE)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([kinds[token][1] for token in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in parts["model"]["merges"]])
    writer.add_add_bos_token(False)
    vectors = ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"]
    maps = [f"blk.0.{name}" for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")]
    shapes = {"token_embd": (len(tokens), SIZE), "output": (len(tokens), SIZE), **dict.fromkeys(vectors, (SIZE,)),
              **dict.fromkeys(maps, (SIZE, SIZE))}
    for name, shape in shapes.items():
        writer.add_tensor(name + ".weight", np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def ids_of(path, texts):
    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.n_ctx, parameters.warmup = str(path), 512, False
    server = xllamacpp.Server(parameters)
    for text in texts:
        body = json.dumps({"content": text, "add_special": False, "parse_special": True}).encode()
        request = urllib.request.Request(server.listening_address + "/tokenize", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            yield json.load(answer)["tokens"]


def main():
    corpus = Corpus(TESTS / "tokenizers" / "corpus.json")
    texts = [corpus.chunk(number) for number in range(CHUNKS)]
    out = {}
    with tempfile.TemporaryDirectory() as scratch:
        for pre, folder in NAMES.items():
            path = pathlib.Path(scratch) / f"{pre}.gguf"
            write_model(path, folder, pre)
            out[pre] = {"tokenizer": folder, "chunks": [[len(ids), f"{ids_hash(ids):016x}"] for ids in ids_of(path, texts)]}
    (TESTS / "gguf" / "llama_cpp_ids.json").write_text(json.dumps(out).replace('}, "', '},\n "') + "\n")


if __name__ == "__main__":
    main()
