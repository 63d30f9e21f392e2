#include "tests/io/nasty_corpus.hpp"

#include "io/json.hpp"
#include "io/utf8.hpp"

namespace logitfield::testing {

constexpr std::size_t kChunkBytes = 10'500;

/// splitmix64
class NastyCorpus::Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t bound) {
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return (z ^ z >> 31) % bound;
  }

 private:
  std::uint64_t state_;
};

NastyCorpus::NastyCorpus(const std::filesystem::path& parts) {
  const nlohmann::json read = io::read_json(parts);
  read.at("samples").get_to(samples_);
  read.at("separators").get_to(separators_);
  for (const auto& range : read.at("ranges")) ranges_.emplace_back(range.at(0), range.at(1));
  for (const auto& code : read.at("repeats")) repeats_.push_back(code);
}

std::string NastyCorpus::chunk(std::uint64_t number) const {
  Random random(number);
  std::string text;
  while (text.size() < kChunkBytes) {
    text += piece(random);
    text += separators_[random.below(separators_.size())];
  }
  return text;
}

std::string NastyCorpus::piece(Random& random) const {
  const std::uint64_t kind = random.below(10);
  if (kind < 4) return samples_[random.below(samples_.size())];
  if (kind < 6) return part_of_a_sample(random);
  if (kind < 8) return characters_of_a_block(random);
  if (kind > 8) return any_characters(random);
  const char32_t code = repeats_[random.below(repeats_.size())];
  std::string text;
  for (std::uint64_t left = 1 + random.below(std::uint64_t{1} << random.below(10)); left > 0; --left) {
    io::append_utf8(text, code);
  }
  return text;
}

std::string NastyCorpus::part_of_a_sample(Random& random) const {
  const std::string& sample = samples_[random.below(samples_.size())];
  const std::uint64_t begin = random.below(io::count_code_points(sample) + 1);
  const std::uint64_t end = begin + random.below(40);
  std::string text;
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < sample.size(); ++number) {
    const io::CodePoint code = io::code_point_at(sample, at);
    if (number >= begin && number < end) text.append(sample, at, code.size);
    at += code.size;
  }
  return text;
}

std::string NastyCorpus::characters_of_a_block(Random& random) const {
  const auto [first, last] = ranges_[random.below(ranges_.size())];
  std::string text;
  for (std::uint64_t left = 1 + random.below(12); left > 0; --left) {
    io::append_utf8(text, first + static_cast<char32_t>(random.below(last - first + 1)));
  }
  return text;
}

std::string NastyCorpus::any_characters(Random& random) const {
  std::string text;
  for (std::uint64_t left = 1 + random.below(4); left > 0; --left) {
    const auto code = static_cast<char32_t>(random.below(0x110000));
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    io::append_utf8(text, surrogate ? code - 0x800 : code);
  }
  return text;
}

}  // namespace logitfield::testing
