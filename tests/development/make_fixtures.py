#!/usr/bin/env python3
"""Makes tests/fixtures: tiny random checkpoints and, from transformers, an independent record of their forward pass.

    make_fixtures.py [FOLDER]

Development only: it needs PyTorch and transformers, which neither the product nor its tests need. Per fixture: the
checkpoint as save_pretrained writes it, tokens.npy, and reference/ with a capture of Q and K as they enter the dot
product (after biases and rotation, before KV heads are repeated) and the mean next-token loss in nats. The reference is
computed in float32 by eager attention on the checkpoint as it was saved, that is from the rounded weights.
"""
import json, math, pathlib, shutil, sys
from unittest import mock

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral
from transformers.models.qwen2 import modeling_qwen2

NUM_TOKENS = 96
SPECIAL = dict(bos_token_id=1, eos_token_id=2)

# name: (modeling module, model class, config, saved dtype, shard size)
FIXTURES = {
    "llama": (modeling_llama, transformers.LlamaForCausalLM, transformers.LlamaConfig(
        hidden_size=48, num_hidden_layers=5, num_attention_heads=8, num_key_value_heads=4, head_dim=8,
        intermediate_size=100, vocab_size=97, max_position_embeddings=128, rms_norm_eps=1e-5, attention_bias=True,
        mlp_bias=True, rope_parameters=dict(rope_type="default", rope_theta=5000.0), **SPECIAL),
        torch.float32, "150KB"),
    "llama_tied_f16": (modeling_llama, transformers.LlamaForCausalLM, transformers.LlamaConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1, intermediate_size=72,
        vocab_size=80, max_position_embeddings=96, tie_word_embeddings=True, **SPECIAL), torch.float16, "1GB"),
    "mistral": (modeling_mistral, transformers.MistralForCausalLM, transformers.MistralConfig(
        hidden_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
        intermediate_size=72, vocab_size=89, max_position_embeddings=256, sliding_window=24, rms_norm_eps=1e-5,
        rope_parameters=dict(rope_type="default", rope_theta=1000.0), **SPECIAL), torch.bfloat16, "1GB"),
    "qwen2": (modeling_qwen2, transformers.Qwen2ForCausalLM, transformers.Qwen2Config(
        hidden_size=48, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, intermediate_size=80,
        vocab_size=101, max_position_embeddings=128, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="default", rope_theta=1000000.0), **SPECIAL), torch.float32, "1GB"),
}


def randomise(model, seed):
    """Sets larger weights than usual initial ones, also biases and gains, so that attention is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.15 * values if "norm" in name else 0.2 * values)


def check_mask(mask, window):
    i, j = torch.arange(NUM_TOKENS)[:, None], torch.arange(NUM_TOKENS)[None, :]
    expected = (j <= i) & (j > i - (window or NUM_TOKENS))
    assert mask.shape == (1, 1, NUM_TOKENS, NUM_TOKENS)
    assert torch.equal(mask[0, 0] == 0, expected) and mask[0, 0][~expected].max() < -1e30


def run_recorded(modeling, model, tokens):
    """Returns the logits, and per layer (scale, Q, K) as eager attention receives them."""
    eager, recorded = modeling.eager_attention_forward, []

    def record(module, query, key, value, attention_mask, scaling, **kwargs):
        assert module.layer_idx == len(recorded)
        check_mask(attention_mask, getattr(model.config, "sliding_window", None))
        recorded.append((scaling, query[0].numpy().copy(), key[0].numpy().copy()))
        return eager(module, query, key, value, attention_mask, scaling, **kwargs)

    with mock.patch.object(modeling, "eager_attention_forward", record), torch.no_grad():
        logits = model(torch.from_numpy(tokens)[None], use_cache=False).logits[0]
    assert logits.dtype == torch.float32 and len(recorded) == model.config.num_hidden_layers
    return logits, recorded


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def make(folder, seed, modeling, model_class, config, dtype, shard_size):
    shutil.rmtree(folder, ignore_errors=True)
    model = model_class(config)
    randomise(model, seed)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard_size)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokens = np.random.default_rng(seed).integers(0, config.vocab_size, NUM_TOKENS, dtype=np.int64)
    np.save(folder / "tokens.npy", tokens)

    loaded = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    weights = loaded.state_dict()
    assert all(torch.equal(weights[name], saved.float()) for name, saved in model.state_dict().items())
    logits, recorded = run_recorded(modeling, loaded, tokens)
    loss = torch.nn.functional.cross_entropy(logits[:-1].double(), torch.from_numpy(tokens[1:])).item()

    reference = folder / "reference"
    reference.mkdir()
    for layer, (scale, q, k) in enumerate(recorded):
        assert q.dtype == k.dtype == np.float32 and math.isclose(scale, q.shape[2] ** -0.5, rel_tol=1e-15)
        save_file({"q": q, "k": k}, reference / f"layer_{layer:03}.safetensors")
    write_json(reference / "capture.json", {
        "format": "logitfield-capture", "version": 1, "model": folder.name, "num_layers": len(recorded),
        "num_heads": q.shape[0], "num_kv_heads": k.shape[0], "head_dim": q.shape[2], "num_tokens": q.shape[1],
        "scale": scale, "causal": True, "position_encoding_applied": True, "dtype": "F32",
        **({"windows": [window] * len(recorded)} if (window := getattr(model.config, "sliding_window", None)) else {}),
        "source": f"transformers {transformers.__version__}, eager attention, float32"})
    write_json(reference / "loss.json", {"loss": loss})
    print(f"{folder}: loss {loss!r}")


def main():
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "fixtures"
    for seed, (name, fixture) in enumerate(FIXTURES.items(), start=1):
        make(root / name, seed, *fixture)


if __name__ == "__main__":
    main()
