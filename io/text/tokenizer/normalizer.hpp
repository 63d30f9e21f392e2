#pragma once
#include <memory>
#include <string>

#include "io/text/tokenizer/effort.hpp"
#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {

/// Rewrites text before it is cut into pieces.
class Normalizer {
 public:
  Normalizer() = default;
  Normalizer(const Normalizer&) = delete;
  Normalizer& operator=(const Normalizer&) = delete;
  virtual ~Normalizer() = default;
  /// Rewrites `text`. Throws InputError if it becomes too long, or if rewriting takes too long.
  virtual void apply(std::string& text, Effort& effort) const = 0;
};

/// Reads the "normalizer" of tokenizer.json: ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence,
/// Strip, StripAccents. Throws InputError naming anything else that it finds.
std::unique_ptr<Normalizer> read_normalizer(const Section& section);

}  // namespace logitfield::io
