#pragma once
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace logitfield::io {

/// The merges that a vocabulary with scores stands for, as tokenizer.json lists them: every way to make a token of two
/// others, those of the highest scores first. There is a finite score for each token, and the tokens are valid UTF-8.
/// Throws InputError naming `origin` if the merges are too long together, as only those of made-up vocabularies are.
nlohmann::json merges_by_score(std::span<const std::string> tokens, std::span<const double> scores,
                               const std::string& origin);

}  // namespace logitfield::io
