#!/usr/bin/env python3
"""Makes tests/fixtures/gguf: a tiny Mixtral in a GGUF file of quantised blocks, with a record of transformers' float32 forward
pass from the numbers that the Python package `gguf` reads from the same blocks.

Development only: pip install torch transformers gguf. The package cannot quantise to all types, so blocks are random bytes
whose float16 scales give the numbers a useful spread.
"""
import pathlib, shutil, sys, tempfile

import gguf
import numpy as np
import torch
import transformers as t
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "io/capture"))
import capture_hf  # noqa: E402
import make_family_fixtures as families  # noqa: E402
from make_gguf_blocks import HALVES  # noqa: E402

FOLDER = ROOT / "tests" / "fixtures" / "gguf"
LAYERS, HIDDEN, INNER, HEADS, KV_HEADS, HEAD_DIM, EXPERTS = 2, 256, 32, 4, 2, 32, 3
CONFIG = dict(hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS,
              head_dim=HEAD_DIM, intermediate_size=INNER, num_local_experts=EXPERTS, num_experts_per_tok=2, vocab_size=89,
              max_position_embeddings=64, sliding_window=None, **families.SPECIAL)
# The second scale of a block, in units of the first, that centres its numbers.
SECOND_SCALE = {"Q4_1": -7.5, "Q5_1": -15.5, "Q2_K": 1.5, "Q4_K": 7.5, "Q5_K": 15.5}
# Types by layer; rows of HIDDEN numbers can hold any type, shorter ones only blocks of 32.
TYPES = [{"attn_q": "Q4_K", "attn_k": "Q6_K", "attn_v": "Q5_K", "attn_output": "Q8_0", "ffn_gate_exps": "Q4_K",
          "ffn_up_exps": "Q6_K", "ffn_down_exps": "Q8_0"},
         {"attn_q": "Q6_K", "attn_k": "Q4_K", "attn_v": "Q3_K", "attn_output": "Q5_0", "ffn_gate_exps": "Q2_K",
          "ffn_up_exps": "IQ4_XS", "ffn_down_exps": "Q4_1"}]
RNG = np.random.default_rng(7)


def blocks_of(kind, rows, columns):
    """Bytes [rows, bytes], and the numbers that the reference reads from them."""
    number = gguf.GGMLQuantizationType[kind]
    count, size = gguf.GGML_QUANT_SIZES[number]
    blocks = RNG.integers(0, 256, (rows, columns // count, size), np.uint8)

    def scaled(scale):
        for offset, factor in zip(HALVES[kind], (1, SECOND_SCALE.get(kind))):
            blocks[..., offset:offset + 2] = np.array([scale * factor], np.float16).view(np.uint8)
        raw = blocks.reshape(rows, -1)
        return raw, gguf.dequantize(raw, number)

    spread = 2**-10 * columns ** -0.5 / scaled(2**-10)[1].std()
    raw, values = scaled(spread)
    return raw.copy(), torch.from_numpy(np.ascontiguousarray(values))


def halves_apart(values, heads):
    """Rows in the order of the Hugging Face model: llama.cpp's has the two halves of each head in turn."""
    return values.reshape(heads, HEAD_DIM // 2, 2, -1).transpose(1, 2).reshape(values.shape)


class Model:
    """Fills the file and, with the same numbers, the tensors of the folder."""

    def __init__(self, path, tensors):
        self.tensors = tensors
        self.writer = gguf.GGUFWriter(path, "llama")

    def add(self, own, theirs, kind, heads=None):
        shape = self.tensors[theirs].shape
        raw, values = blocks_of(kind, *shape)
        self.writer.add_tensor(own + ".weight", raw, raw_dtype=gguf.GGMLQuantizationType[kind])
        self.tensors[theirs] = halves_apart(values, heads) if heads else values

    def add_experts(self, own, theirs, kind):
        parts = []
        for expert in range(EXPERTS):
            name = theirs.format(expert)
            raw, self.tensors[name] = blocks_of(kind, *self.tensors[name].shape)
            parts.append(raw)
        self.writer.add_tensor(own + ".weight", np.stack(parts), raw_dtype=gguf.GGMLQuantizationType[kind])

    def add_plain(self, own, theirs):
        self.writer.add_tensor(own + ".weight", self.tensors[theirs].numpy())

    def add_layer(self, layer, kinds):
        own, theirs = f"blk.{layer}.", f"model.layers.{layer}."
        self.add_plain(own + "attn_norm", theirs + "input_layernorm.weight")
        self.add_plain(own + "ffn_norm", theirs + "post_attention_layernorm.weight")
        for name, short, heads in (("q", "attn_q", HEADS), ("k", "attn_k", KV_HEADS), ("v", "attn_v", None),
                                   ("o", "attn_output", None)):
            self.add(own + short, f"{theirs}self_attn.{name}_proj.weight", kinds[short], heads)
        moe = theirs + "block_sparse_moe."
        self.add_plain(own + "ffn_gate_inp", moe + "gate.weight")
        for name, short in (("w1", "ffn_gate_exps"), ("w3", "ffn_up_exps"), ("w2", "ffn_down_exps")):
            self.add_experts(own + short, moe + "experts.{}." + name + ".weight", kinds[short])

    def write(self):
        w = self.writer
        w.add_block_count(LAYERS)
        w.add_context_length(CONFIG["max_position_embeddings"])
        w.add_embedding_length(HIDDEN)
        w.add_feed_forward_length(INNER)
        w.add_head_count(HEADS)
        w.add_head_count_kv(KV_HEADS)
        w.add_key_length(HEAD_DIM)
        w.add_value_length(HEAD_DIM)
        w.add_rope_dimension_count(HEAD_DIM)
        w.add_rope_freq_base(1e6)
        w.add_layer_norm_rms_eps(1e-5)
        w.add_expert_count(EXPERTS)
        w.add_expert_used_count(CONFIG["num_experts_per_tok"])
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()


def main():
    torch.set_num_threads(1)
    t.logging.disable_progress_bar()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    model = t.AutoModelForCausalLM.from_config(t.MixtralConfig(**CONFIG))
    families.randomise(model, 7)
    with tempfile.TemporaryDirectory() as plain:
        plain = pathlib.Path(plain)
        model.save_pretrained(plain)
        tensors = load_file(plain / "model.safetensors")
        file = Model(FOLDER / "quantised.gguf", tensors)
        file.add("token_embd", "model.embed_tokens.weight", "Q6_K")
        for layer, kinds in enumerate(TYPES):
            file.add_layer(layer, kinds)
        file.add_plain("output_norm", "model.norm.weight")
        file.add("output", "lm_head.weight", "Q4_K")
        file.write()
        contiguous = {name: value.contiguous() for name, value in tensors.items()}
        save_file(contiguous, plain / "model.safetensors", metadata={"format": "pt"})
        loaded = capture_hf.load_model(plain)
    tokens = np.random.default_rng(7).integers(0, CONFIG["vocab_size"], families.NUM_TOKENS, dtype=np.int64)
    logits = capture_hf.capture(loaded, "quantised", tokens, FOLDER / "reference", keep_logits=True)
    assert torch.isfinite(logits).all()
    size = sum(f.stat().st_size for f in FOLDER.rglob("*") if f.is_file())
    print(f"{size // 1000} kB, final logits up to {logits.abs().max():.2f}")


if __name__ == "__main__":
    main()
