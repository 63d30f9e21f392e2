#include "io/config/unknown_keys.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>

namespace logitfield::io {
namespace {

using nlohmann::json;

/// Keys of Hugging Face configurations that do not affect a forward pass: names, training, generation, storage.
constexpr auto kHarmless = std::to_array<std::string_view>({"architectures",
                                                            "auto_map",
                                                            "bad_words_ids",
                                                            "begin_suppress_tokens",
                                                            "bos_token_id",
                                                            "cache_implementation",
                                                            "chunk_size_feed_forward",
                                                            "decoder_start_token_id",
                                                            "diversity_penalty",
                                                            "do_sample",
                                                            "dtype",
                                                            "early_stopping",
                                                            "encoder_no_repeat_ngram_size",
                                                            "eos_token_id",
                                                            "exponential_decay_length_penalty",
                                                            "finetuning_task",
                                                            "forced_bos_token_id",
                                                            "forced_eos_token_id",
                                                            "gradient_checkpointing",
                                                            "id2label",
                                                            "is_decoder",
                                                            "is_encoder_decoder",
                                                            "label2id",
                                                            "length_penalty",
                                                            "max_length",
                                                            "min_length",
                                                            "model_type",
                                                            "no_repeat_ngram_size",
                                                            "num_beam_groups",
                                                            "num_beams",
                                                            "num_return_sequences",
                                                            "output_attentions",
                                                            "output_hidden_states",
                                                            "output_router_logits",
                                                            "output_scores",
                                                            "pad_token_id",
                                                            "prefix",
                                                            "pretraining_tp",
                                                            "problem_type",
                                                            "pruned_heads",
                                                            "remove_invalid_values",
                                                            "repetition_penalty",
                                                            "return_dict",
                                                            "return_dict_in_generate",
                                                            "router_aux_loss_coef",
                                                            "sep_token_id",
                                                            "suppress_tokens",
                                                            "task_specific_params",
                                                            "temperature",
                                                            "tokenizer_class",
                                                            "tokenizer_name",
                                                            "top_k",
                                                            "top_p",
                                                            "torch_dtype",
                                                            "transformers_version",
                                                            "use_cache"});

/// Parts of key names: for factors, and for other settings that change a forward pass.
constexpr auto kFactors = std::to_array<std::string_view>({"factor", "multiplier", "scalar", "scale", "scaling"});
constexpr auto kArithmetic = std::to_array<std::string_view>(
    {"_cap",          "act_fn",    "activation", "alibi",   "bias",        "bidirectional",
     "causal",        "chunk",     "clip",       "expert",  "gate",        "interleave",
     "logn",          "lora_rank", "moe",        "mrope",   "multi_query", "norm",
     "parallel_attn", "quant",     "residual",   "rope",    "rotary",      "router",
     "shared",        "sharing",   "sink",       "sliding", "softcap",     "temperature_tuning",
     "topk",          "window",    "yarn"});
/// Parts of names of settings that change how numbers are computed, but not their values.
constexpr auto kImplementation =
    std::to_array<std::string_view>({"backend", "flash", "fused", "impl", "init", "kernel", "loss", "transformers"});

bool has_part(std::string_view key, std::span<const std::string_view> parts) {
  return std::ranges::any_of(parts, [&](std::string_view part) { return key.find(part) != std::string_view::npos; });
}

/// Tells whether the value has no effect: off, zero (one for a factor), empty.
bool is_neutral(std::string_view key, const json& value) {
  if (value.is_boolean()) return value.get<bool>() == (key.find("causal") != std::string_view::npos);
  if (value.is_number()) return value == (has_part(key, kFactors) ? 1 : 0);
  if (value.is_string()) return value == "" || value == "none" || value == "default";
  return value.empty();
}

}  // namespace

bool is_harmless(std::string_view key) {
  const auto contains = [&](std::string_view part) { return key.find(part) != std::string_view::npos; };
  return std::ranges::find(kHarmless, key) != kHarmless.end() || key.starts_with('_') || contains("dropout") ||
         key.ends_with("_pdrop") || key.starts_with("initializer_") || key.starts_with("summary_") ||
         contains("unsloth") || key == "init_std" || key == "typical_p" || key == "torchscript" ||
         key == "use_bfloat16" || key == "tf_legacy_loss" || key == "tie_encoder_decoder" || key == "layerdrop" ||
         key == "cross_attention_hidden_size" || key == "neftune_noise_alpha";
}

bool may_change_arithmetic(std::string_view key, const json& value) {
  const bool is_arithmetic = has_part(key, kFactors) || has_part(key, kArithmetic);
  return is_arithmetic && !has_part(key, kImplementation) && !is_neutral(key, value);
}

}  // namespace logitfield::io
