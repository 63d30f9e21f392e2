"""(b) The script of researcher.py with TransformerLens, with hooks at each layer's rotated queries and keys. Llama-shaped checkpoints."""
import argparse, time

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_llama_weights
from transformers import AutoModelForCausalLM

from explicit import Recorder, arguments, read_tokens, report


def hooked(path, dtype):
    source = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    c = source.config
    rope = getattr(c, "rope_parameters", None) or {}
    config = HookedTransformerConfig(
        n_layers=c.num_hidden_layers, d_model=c.hidden_size, n_heads=c.num_attention_heads, n_key_value_heads=c.num_key_value_heads,
        d_head=getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads, d_mlp=c.intermediate_size, n_ctx=c.max_position_embeddings,
        d_vocab=c.vocab_size, act_fn="silu", normalization_type="RMS", positional_embedding_type="rotary", gated_mlp=True, final_rms=True,
        rotary_dim=getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads, rotary_base=int(rope.get("rope_theta", 10000)),
        rotary_adjacent_pairs=False, eps=c.rms_norm_eps, original_architecture="LlamaForCausalLM", dtype=dtype, device="cpu")
    model = HookedTransformer(config)
    model.load_state_dict(convert_llama_weights(source, config), strict=False)
    return model.eval()


def main():
    a = arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    torch.set_num_threads(a.threads)
    torch.set_grad_enabled(False)
    recorder, queries = Recorder(a.scopes.split(","), a.layers), {}
    begin = time.perf_counter()
    model = hooked(a.model, getattr(torch, a.dtype))
    ids = read_tokens(a.tokens, a.context)
    load = time.perf_counter() - begin

    def take_queries(q, hook):
        queries["last"] = q

    def take_keys(k, hook):  # the keys' hook runs after the queries'; heads are the last axis but one
        q = queries.pop("last")
        recorder.add(q[0].transpose(0, 1).float(), k[0].transpose(0, 1).float(), q.shape[-1] ** -0.5)

    begin = time.perf_counter()
    model.run_with_hooks(ids, return_type="logits", fwd_hooks=[(lambda name: name.endswith("hook_rot_q"), take_queries),
                                                               (lambda name: name.endswith("hook_rot_k"), take_keys)])
    report(a.out, recorder, load, time.perf_counter() - begin)


if __name__ == "__main__":
    main()
