#include "io/config/config_source.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

/// Sizes up to 2^31 - 1 keep every product of two within 64 bits.
constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();

/// Keys of Hugging Face configurations that do not affect a forward pass: names, training, generation, storage.
constexpr std::array<std::string_view, 56> kHarmless = {"architectures",
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
                                                        "use_cache"};

bool is_harmless(std::string_view key) {
  const auto contains = [&](std::string_view part) { return key.find(part) != std::string_view::npos; };
  return std::ranges::find(kHarmless, key) != kHarmless.end() || key.starts_with('_') || contains("dropout") ||
         key.ends_with("_pdrop") || key.starts_with("initializer_") || key.starts_with("summary_") ||
         contains("unsloth") || key == "init_std" || key == "typical_p" || key == "torchscript" ||
         key == "use_bfloat16" || key == "tf_legacy_loss" || key == "tie_encoder_decoder" || key == "layerdrop" ||
         key == "cross_attention_hidden_size" || key == "neftune_noise_alpha";
}

}  // namespace

bool ConfigSource::has(const std::string& key) const {
  read_.insert(key);
  return object_.contains(key) && !object_.at(key).is_null();
}

const json& ConfigSource::at(const std::string& key) const {
  if (!has(key)) throw InputError("{}: \"{}\" is missing; add it", path_, key);
  return object_.at(key);
}

template <class T>
T ConfigSource::value_or(const std::string& key, T fallback) const {
  return has(key) ? required<T>(object_, key.c_str(), path_) : fallback;
}

std::int64_t ConfigSource::size(const std::string& key) const {
  if (!has(key)) (void)required<std::int64_t>(object_, key.c_str(), path_);
  return size_or(key, 0);
}

std::int64_t ConfigSource::size_or(const std::string& key, std::int64_t fallback) const {
  const std::int64_t value = value_or(key, fallback);
  if (value < 1 || value > kMaxSize) {
    throw InputError("{}: \"{}\" is {}, but must lie in 1 ... {}; correct it", path_, key, value, kMaxSize);
  }
  return value;
}

std::int64_t ConfigSource::count_or(const std::string& key, std::int64_t fallback) const {
  const std::int64_t value = value_or(key, fallback);
  return value == 0 ? 0 : size_or(key, fallback);
}

bool ConfigSource::flag(const std::string& key, bool fallback) const { return value_or(key, fallback); }

double ConfigSource::number_or(const std::string& key, double fallback) const {
  const double value = value_or(key, fallback);
  if (!std::isfinite(value)) throw InputError("{}: \"{}\" is {}, but must be finite; correct it", path_, key, value);
  return value;
}

double ConfigSource::positive_or(const std::string& key, double fallback) const {
  const double value = number_or(key, fallback);
  if (!(value > 0)) throw InputError("{}: \"{}\" is {}, but must be positive; correct it", path_, key, value);
  return value;
}

std::string ConfigSource::text_or(const std::string& key, const std::string& fallback) const {
  return value_or(key, fallback);
}

std::vector<double> ConfigSource::numbers(const std::string& key) const {
  const json& list = at(key);
  const auto is_number = [](const json& v) { return v.is_number() && std::isfinite(v.get<double>()); };
  if (!list.is_array() || !std::ranges::all_of(list, is_number)) {
    throw InputError("{}: \"{}\" is {}, not a list of finite numbers; correct it", path_, key, excerpt(list));
  }
  return list.get<std::vector<double>>();
}

std::vector<std::string> ConfigSource::texts(const std::string& key) const {
  const json& list = at(key);
  if (!list.is_array() || !std::ranges::all_of(list, [](const json& v) { return v.is_string(); })) {
    throw InputError("{}: \"{}\" is {}, not a list of names; correct it", path_, key, excerpt(list));
  }
  return list.get<std::vector<std::string>>();
}

ConfigSource ConfigSource::object(const std::string& key) const {
  const json& value = at(key);
  if (!value.is_object()) throw InputError("{}: \"{}\" is {}, not an object; correct it", path_, key, excerpt(value));
  return {path_ + ": " + key, value};
}

void ConfigSource::require(const std::string& key, const json& value) const {
  if (has(key) && object_.at(key) != value) refuse(key, "use a model where it is " + value.dump());
}

void ConfigSource::require_written(const std::string& key) const {
  if (!object_.contains(key)) throw InputError("{}: \"{}\" is missing; add it (null if there is none)", path_, key);
}

void ConfigSource::ignore(std::initializer_list<const char*> keys) const { read_.insert(keys.begin(), keys.end()); }

void ConfigSource::refuse_unread() const {
  for (const auto& [key, value] : object_.items()) {
    if (value.is_null() || read_.contains(key) || is_harmless(key)) continue;
    throw InputError(
        "{}: \"{}\" is {}, a key that this program does not know for this model type; it may change the forward pass: "
        "remove the key if you are sure that it does not, or record the model with io/capture/capture_hf.py",
        path_, key, excerpt(value));
  }
}

void ConfigSource::refuse(const std::string& key, const std::string& remedy) const {
  throw InputError("{}: \"{}\" is {}, which is not implemented; {}, or record the model with io/capture/capture_hf.py",
                   path_, key, excerpt(object_.contains(key) ? object_.at(key) : json()), remedy);
}

}  // namespace logitfield::io
