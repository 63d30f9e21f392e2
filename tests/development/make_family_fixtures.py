#!/usr/bin/env python3
"""Makes tests/fixtures/families: tiny random checkpoints of every family, with records of transformers' forward passes.

    make_family_fixtures.py [NAME...]

Development only: it needs PyTorch and transformers, which neither the product nor its tests need. Per fixture: the
checkpoint as save_pretrained writes it (weights in BF16, so that it is small) and reference/, a capture with tokens and
final logits recorded by io/capture/capture_hf.py, in float32 by eager attention from the weights as they were saved.
"""
import json, pathlib, shutil, sys

import numpy as np
import torch
import transformers as t

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "io/capture"))
import capture_hf  # noqa: E402

NUM_TOKENS = 48
SPECIAL = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)
BASE = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=56, vocab_size=89,
            max_position_embeddings=64, **SPECIAL)
GPT = dict(n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=89, **SPECIAL)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)

LONGROPE = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.2, 1.3],
                long_factor=[1.5, 2.0, 3.0, 4.0])


def rope(**parameters):
    return {"rope_type": "default", "rope_theta": 10000.0, **parameters}


def base(**changes):
    return {**BASE, **changes}


def gpt(**changes):
    return {**GPT, **changes}


def opt(**changes):
    """Arguments under the names of OPT and Falcon."""
    return {key: value for key, value in base(**changes).items() if key != "intermediate_size"}


DEEPSEEK = base(num_hidden_layers=3, moe_intermediate_size=24, n_routed_experts=8, n_shared_experts=2,
                num_experts_per_tok=2, first_k_dense_replace=1, kv_lora_rank=12, qk_rope_head_dim=8, qk_nope_head_dim=6,
                v_head_dim=10, num_key_value_heads=4, routed_scaling_factor=1.5)

SIGLIP = dict(hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2, image_size=28,
              patch_size=14)
FULL, SLIDING = "full_attention", "sliding_attention"

EXPERTS = base(num_hidden_layers=3, num_key_value_heads=2, head_dim=12, moe_intermediate_size=24, n_routed_experts=8,
               n_shared_experts=1, num_experts_per_tok=2, first_k_dense_replace=1, routed_scaling_factor=1.5)

# name: (configuration class, its arguments)
FIXTURES = {
    "gpt2": (t.GPT2Config, gpt(n_embd=33, n_head=3)),
    "gpt2_untied_inverse": (t.GPT2Config, gpt(tie_word_embeddings=False, scale_attn_by_inverse_layer_idx=True,
                                              activation_function="gelu", n_inner=40, n_layer=3)),
    "gpt_neox": (t.GPTNeoXConfig, base(rope_parameters=rope(partial_rotary_factor=0.25))),
    "gpt_neox_sequential": (t.GPTNeoXConfig, base(use_parallel_residual=False, attention_bias=False,
                                                  tie_word_embeddings=True,
                                                  rope_parameters=rope(partial_rotary_factor=1.0))),
    "opt": (t.OPTConfig, opt(ffn_dim=56, word_embed_proj_dim=32)),
    "opt_350m": (t.OPTConfig, opt(ffn_dim=56, word_embed_proj_dim=20, do_layer_norm_before=False)),
    "opt_no_bias": (t.OPTConfig, opt(ffn_dim=56, enable_bias=False, layer_norm_elementwise_affine=False,
                                      word_embed_proj_dim=32)),
    "llama3": (t.LlamaConfig, base(num_key_value_heads=2, head_dim=12, rope_parameters=rope(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, rope_theta=500.0,
        original_max_position_embeddings=24))),
    "llama_linear": (t.LlamaConfig, base(num_key_value_heads=1, attention_bias=True, mlp_bias=True,
                                         rope_parameters=rope(rope_type="linear", factor=4.0))),
    "llama_yarn": (t.LlamaConfig, base(num_key_value_heads=2, rope_parameters=YARN, num_attention_heads=8,
                                       head_dim=16)),
    "llama_yarn_explicit": (t.LlamaConfig, base(rope_parameters={
        **YARN, "beta_fast": 8.0, "beta_slow": 2.0, "mscale": 0.7, "mscale_all_dim": 0.9})),
    "llama_yarn_factor": (t.LlamaConfig, base(head_dim=16, rope_parameters={**YARN, "attention_factor": 1.3,
                                                                           "truncate": False})),
    "mistral_window": (t.MistralConfig, base(num_key_value_heads=2, head_dim=12, sliding_window=13)),
    "mistral_full": (t.MistralConfig, base(num_key_value_heads=4, sliding_window=None, tie_word_embeddings=True)),
    "qwen2": (t.Qwen2Config, base(num_key_value_heads=2, num_attention_heads=6, hidden_size=36)),
    "qwen2_window": (t.Qwen2Config, base(num_key_value_heads=2, num_hidden_layers=3, use_sliding_window=True,
                                         sliding_window=11, max_window_layers=1, tie_word_embeddings=True)),
    "qwen3": (t.Qwen3Config, base(num_key_value_heads=2, head_dim=12)),
    "qwen3_bias": (t.Qwen3Config, base(num_key_value_heads=4, head_dim=10, attention_bias=True, use_sliding_window=True,
                                       sliding_window=9, max_window_layers=1, tie_word_embeddings=True)),
    "phi": (t.PhiConfig, base(rope_parameters=rope(partial_rotary_factor=0.5))),
    "phi_qk_norm": (t.PhiConfig, base(qk_layernorm=True, num_key_value_heads=2,
                                      rope_parameters=rope(partial_rotary_factor=0.25))),
    "phi3": (t.Phi3Config, base(num_key_value_heads=2)),
    "phi3_window": (t.Phi3Config, base(num_key_value_heads=2, sliding_window=17,
                                       rope_parameters=rope(partial_rotary_factor=0.5))),
    "phi3_longrope": (t.Phi3Config, base(max_position_embeddings=128, original_max_position_embeddings=32,
                                         rope_parameters=LONGROPE)),
    "phi3_longrope_short": (t.Phi3Config, base(max_position_embeddings=256, original_max_position_embeddings=64,
                                               rope_parameters=LONGROPE)),
    "gemma": (t.GemmaConfig, base(num_key_value_heads=1, head_dim=12)),
    "gemma2": (t.Gemma2Config, base(num_key_value_heads=2, head_dim=12, num_hidden_layers=3, query_pre_attn_scalar=20,
                                    sliding_window=15, attn_logit_softcapping=8.0, final_logit_softcapping=6.0)),
    "gemma3": (t.Gemma3TextConfig, base(num_key_value_heads=2, head_dim=12, num_hidden_layers=4,
                                        query_pre_attn_scalar=20, sliding_window=14, layer_types=["sliding_attention", "sliding_attention",
                                                                        "full_attention", "sliding_attention"],
                                        rope_parameters={"full_attention": rope(rope_type="linear", factor=8.0,
                                                                                rope_theta=1e6),
                                                         "sliding_attention": rope()})),
    "gptj": (t.GPTJConfig, gpt(rotary_dim=4)),
    "gpt_neo": (t.GPTNeoConfig, dict(hidden_size=32, num_layers=4, num_heads=4, vocab_size=89, window_size=12,
                                     max_position_embeddings=64, attention_types=[[["global", "local"], 2]],
                                     **SPECIAL)),
    "bloom": (t.BloomConfig, dict(hidden_size=32, n_layer=2, n_head=4, vocab_size=89, **SPECIAL)),
    "bloom_odd_heads": (t.BloomConfig, dict(hidden_size=36, n_layer=2, n_head=6, vocab_size=89, **SPECIAL)),
    "mpt": (t.MptConfig, dict(d_model=32, n_layers=2, n_heads=4, max_seq_len=64, vocab_size=89, **SPECIAL)),
    "mpt_odd_heads": (t.MptConfig, dict(d_model=36, n_layers=2, n_heads=6, max_seq_len=64, vocab_size=89,
                                        attn_config=dict(clip_qkv=1.5), **SPECIAL)),
    "falcon": (t.FalconConfig, opt(ffn_hidden_size=96)),
    "falcon_40b": (t.FalconConfig, opt(new_decoder_architecture=True, num_kv_heads=2, ffn_hidden_size=96)),
    "falcon_rw": (t.FalconConfig, opt(alibi=True, multi_query=False, parallel_attn=False, bias=True,
                                       num_attention_heads=8, ffn_hidden_size=96)),
    "falcon2_11b": (t.FalconConfig, opt(new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1,
                                         ffn_hidden_size=64, tie_word_embeddings=False)),
    "olmo": (t.OlmoConfig, base(num_key_value_heads=2, clip_qkv=1.2)),
    "olmo2": (t.Olmo2Config, base(num_key_value_heads=2)),
    "stablelm": (t.StableLmConfig, base(num_key_value_heads=2, use_qkv_bias=True)),
    "stablelm_parallel": (t.StableLmConfig, base(num_key_value_heads=2, use_parallel_residual=True, qk_layernorm=True,
                                                 rope_parameters=rope(partial_rotary_factor=0.5))),
    "mixtral": (t.MixtralConfig, base(num_key_value_heads=2, num_local_experts=5, num_experts_per_tok=2)),
    "qwen3_moe": (t.Qwen3MoeConfig, base(num_key_value_heads=2, head_dim=12, num_hidden_layers=3, num_experts=6,
                                         num_experts_per_tok=3, moe_intermediate_size=20, norm_topk_prob=True,
                                         mlp_only_layers=[1])),
    "qwen3_moe_unnormalised": (t.Qwen3MoeConfig, base(num_key_value_heads=2, head_dim=8, num_experts=4,
                                                      num_experts_per_tok=2, moe_intermediate_size=20,
                                                      norm_topk_prob=False, decoder_sparse_step=2)),
    "olmoe": (t.OlmoeConfig, base(num_key_value_heads=2, num_experts=6, num_experts_per_tok=2, intermediate_size=24)),
    "olmoe_clipped": (t.OlmoeConfig, base(num_key_value_heads=4, num_experts=4, num_experts_per_tok=1, clip_qkv=0.9,
                                          norm_topk_prob=True, intermediate_size=24)),
    "deepseek_v2": (t.DeepseekV2Config, {**DEEPSEEK, "q_lora_rank": None, "topk_method": "greedy"}),
    "deepseek_v2_group": (t.DeepseekV2Config, {**DEEPSEEK, "q_lora_rank": 16, "topk_method": "group_limited_greedy",
                                               "n_group": 4, "topk_group": 2,
                                               "rope_parameters": {**YARN, "mscale": 0.707, "mscale_all_dim": 0.707}}),
    "deepseek_v3": (t.DeepseekV3Config, {**DEEPSEEK, "q_lora_rank": 16, "n_group": 4, "topk_group": 2,
                                         "norm_topk_prob": True,
                                         "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}}),
    "gemma3_nested": (t.Gemma3Config, dict(
        text_config=base(num_key_value_heads=2, head_dim=12, query_pre_attn_scalar=20, sliding_window=14,
                         layer_types=[SLIDING, FULL]),
        vision_config=SIGLIP, mm_tokens_per_image=4, boi_token_index=80, eoi_token_index=81, image_token_index=82)),
    "olmo3": (t.Olmo3Config, base(num_key_value_heads=2, sliding_window=12, layer_types=[SLIDING, FULL],
                                  rope_parameters={FULL: YARN, SLIDING: rope()})),
    "smollm3": (t.SmolLM3Config, base(num_key_value_heads=2, num_hidden_layers=4, rope_parameters=rope())),
    "smollm3_window": (t.SmolLM3Config, base(num_key_value_heads=2, no_rope_layers=[0, 1], use_sliding_window=True,
                                             sliding_window=13, tie_word_embeddings=False, rope_parameters=rope())),
    "granite": (t.GraniteConfig, base(num_key_value_heads=2, embedding_multiplier=6.0, logits_scaling=1.7,
                                      residual_multiplier=0.22, attention_multiplier=0.3, attention_bias=True,
                                      mlp_bias=True, tie_word_embeddings=True, rope_parameters=rope())),
    "cohere": (t.CohereConfig, base(num_key_value_heads=2, rope_parameters=rope())),
    "cohere_qk_norm": (t.CohereConfig, base(num_key_value_heads=2, use_qk_norm=True, attention_bias=True,
                                            logit_scale=0.3, tie_word_embeddings=False, rope_parameters=rope())),
    "cohere2": (t.Cohere2Config, base(num_key_value_heads=2, num_hidden_layers=4, sliding_window=11,
                                      rope_parameters=rope())),
    "starcoder2": (t.Starcoder2Config, base(num_key_value_heads=2, sliding_window=15, rope_parameters=rope())),
    "starcoder2_no_bias": (t.Starcoder2Config, base(num_key_value_heads=1, use_bias=False, tie_word_embeddings=False,
                                                    rope_parameters=rope())),
    "gpt_bigcode": (t.GPTBigCodeConfig, gpt()),
    "gpt_bigcode_heads": (t.GPTBigCodeConfig, gpt(multi_query=False, tie_word_embeddings=False, n_inner=40,
                                                  activation_function="gelu")),
    "codegen": (t.CodeGenConfig, gpt(n_embd=64, n_head=8, n_inner=48, rotary_dim=4)),
    "glm": (t.GlmConfig, base(num_key_value_heads=2, head_dim=12)),
    "glm4": (t.Glm4Config, base(num_key_value_heads=2, head_dim=8, attention_bias=False)),
    "glm4_moe": (t.Glm4MoeConfig, {**EXPERTS, "use_qk_norm": True, "attention_bias": True}),
    "glm4_moe_groups": (t.Glm4MoeConfig, {**EXPERTS, "n_group": 4, "topk_group": 2, "norm_topk_prob": False}),
    "qwen2_moe": (t.Qwen2MoeConfig, base(num_key_value_heads=2, num_hidden_layers=3, num_experts=6,
                                         num_experts_per_tok=2, moe_intermediate_size=20, mlp_only_layers=[1],
                                         shared_expert_intermediate_size=28)),
    "qwen2_moe_normalised": (t.Qwen2MoeConfig, base(num_key_value_heads=4, num_experts=4, num_experts_per_tok=3,
                                                    moe_intermediate_size=20, norm_topk_prob=True, qkv_bias=False,
                                                    shared_expert_intermediate_size=16, tie_word_embeddings=True)),
    "ernie4_5": (t.Ernie4_5Config, base(num_key_value_heads=2, head_dim=12, rope_parameters=rope())),
    "ernie4_5_bias": (t.Ernie4_5Config, base(num_key_value_heads=1, head_dim=8, use_bias=True,
                                             tie_word_embeddings=False, rope_parameters=rope())),
    "ernie4_5_moe": (t.Ernie4_5_MoeConfig, base(num_key_value_heads=2, num_hidden_layers=4, moe_num_experts=6, moe_k=3,
                                                moe_intermediate_size=20, moe_layer_end_index=2,
                                                rope_parameters=rope())),
    "seed_oss": (t.SeedOssConfig, base(num_key_value_heads=2, head_dim=12)),
    "seed_oss_bias": (t.SeedOssConfig, base(num_key_value_heads=4, head_dim=8, attention_bias=False,
                                            attention_out_bias=True, mlp_bias=True, tie_word_embeddings=True)),
    "arcee": (t.ArceeConfig, base(num_key_value_heads=2, attention_bias=True, mlp_bias=True,
                                  rope_parameters={**YARN, "beta_fast": 4.0})),
    "exaone4": (t.Exaone4Config, base(num_key_value_heads=2, num_hidden_layers=4, sliding_window=13)),
    "exaone4_full": (t.Exaone4Config, base(num_key_value_heads=2, sliding_window=None, layer_types=[FULL, FULL],
                                           tie_word_embeddings=True)),
    "dots1": (t.Dots1Config, {**EXPERTS, "n_shared_experts": 2, "sliding_window": None}),
    "dots1_window": (t.Dots1Config, {**EXPERTS, "sliding_window": 15, "max_window_layers": 2, "norm_topk_prob": True,
                                     "attention_bias": True}),
    "minimax_m2": (t.MiniMaxM2Config, base(num_key_value_heads=2, head_dim=12, num_local_experts=6,
                                           num_experts_per_tok=2,
                                           rope_parameters=rope(partial_rotary_factor=2 / 3))),
    "kimi_k2": (t.DeepseekV3Config, {**DEEPSEEK, "q_lora_rank": 16, "n_group": 1, "topk_group": 1,
                                     "num_nextn_predict_layers": 0}),
    "xglm": (t.XGLMConfig, dict(d_model=32, num_layers=2, attention_heads=4, ffn_dim=56, vocab_size=89,
                                max_position_embeddings=64, bos_token_id=0, eos_token_id=2, pad_token_id=1)),
    "granitemoe": (t.GraniteMoeConfig, base(num_key_value_heads=2, num_local_experts=5, num_experts_per_tok=2,
                                            intermediate_size=24, embedding_multiplier=6.0, logits_scaling=1.7,
                                            residual_multiplier=0.22, attention_multiplier=0.3,
                                            rope_parameters=rope())),
    "hunyuan": (t.HunYuanDenseV1Config, base(num_key_value_heads=2, head_dim=12, attention_bias=True,
                                             rope_parameters=rope())),
    "hunyuan_alpha": (t.HunYuanDenseV1Config, base(
        num_key_value_heads=4, head_dim=8, tie_word_embeddings=True,
        rope_parameters=rope(rope_type="dynamic", alpha=50.0, factor=1.0))),
    "hunyuan_moe": (t.HunYuanMoEV1Config, base(num_key_value_heads=2, head_dim=8, num_experts=5, moe_topk=2,
                                               intermediate_size=24, rope_parameters=rope())),
    "gpt_oss": (t.GptOssConfig, base(num_key_value_heads=2, head_dim=12, num_hidden_layers=3, num_local_experts=5,
                                     num_experts_per_tok=2, intermediate_size=24, rope_parameters=YARN)),
    "gpt_oss_window": (t.GptOssConfig, base(num_key_value_heads=1, head_dim=16, num_hidden_layers=4, sliding_window=11,
                                            num_local_experts=4, num_experts_per_tok=3, intermediate_size=20,
                                            attention_bias=False, swiglu_alpha=1.2, swiglu_limit=0.3,
                                            rope_parameters={**YARN, "truncate": False})),
}
# model_type in published files of models that another family's code computes
OTHER_TYPES = {"kimi_k2": "kimi_k2"}


def randomise(model, seed):
    """Sets larger weights than usual initial ones, also biases and gains, so that attention is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    named = [*model.named_parameters(), *((n, b) for n, b in model.named_buffers() if "correction" in n)]
    with torch.no_grad():
        for name, parameter in named:
            values = torch.randn(parameter.shape, generator=generator)
            gain = "norm" in name.lower() or ".ln" in name or "ln_" in name
            parameter.copy_(1 + 0.15 * values if gain and name.endswith("weight") else 0.2 * values)


def make(folder, name, config_class, arguments, seed):
    shutil.rmtree(folder, ignore_errors=True)
    config = config_class(**arguments)
    model = t.AutoModelForCausalLM.from_config(config)
    randomise(model, seed)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    loaded = capture_hf.load_model(folder)
    saved = model.state_dict()
    assert all(torch.equal(weight, saved[key].float()) for key, weight in loaded.state_dict().items())
    tokens = np.random.default_rng(seed).integers(0, config.get_text_config().vocab_size, NUM_TOKENS, dtype=np.int64)
    logits = capture_hf.capture(loaded, name, tokens, folder / "reference", keep_logits=True)
    assert torch.isfinite(logits).all()
    if name in OTHER_TYPES:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": OTHER_TYPES[name]}, indent=2) + "\n")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{name}: {size // 1000} kB, final logits up to {logits.abs().max():.2f}", flush=True)


def main():
    torch.set_num_threads(1)
    t.logging.disable_progress_bar()
    root = ROOT / "tests" / "fixtures" / "families"
    names = sys.argv[1:] or list(FIXTURES)
    for name in names:
        make(root / name, name, *FIXTURES[name], seed=1 + list(FIXTURES).index(name))


if __name__ == "__main__":
    main()
