#pragma once
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace logitfield::io {

/// Returns the merges that a vocabulary with scores implies, as tokenizer.json lists them: every way to make a token
/// from two others, highest scores first. There is a finite score for each token, and the tokens are valid UTF-8.
/// Throws InputError naming `origin` if the merges are too long together, which only happens for artificial
/// vocabularies.
nlohmann::json merges_by_score(std::span<const std::string> tokens, std::span<const double> scores,
                               const std::string& origin);

}  // namespace logitfield::io
