#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace logitfield::testing {

/// A deterministic text of input that is hard for tokenizers, in chunks. tests/development/nasty_corpus.py makes the
/// same text.
class NastyCorpus {
 public:
  explicit NastyCorpus(const std::filesystem::path& parts);

  const std::vector<std::string>& samples() const { return samples_; }
  /// About 10 kB of UTF-8.
  std::string chunk(std::uint64_t number) const;

 private:
  class Random;
  std::string piece(Random& random) const;
  std::string part_of_a_sample(Random& random) const;
  std::string characters_of_a_block(Random& random) const;
  std::string any_characters(Random& random) const;

  std::vector<std::string> samples_, separators_;
  std::vector<std::pair<char32_t, char32_t>> ranges_;
  std::vector<char32_t> repeats_;
};

}  // namespace logitfield::testing
