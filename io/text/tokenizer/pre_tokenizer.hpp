#pragma once
#include <memory>
#include <string>
#include <vector>

#include "io/text/tokenizer/effort.hpp"
#include "io/text/tokenizer/regex.hpp"
#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {

/// A text and its consecutive pieces that the model will see.
struct Pieces {
  std::string text;
  std::vector<Span> spans;
  /// Whether byte 0 of `text` is the beginning of the document.
  bool begins_document = false;
};

/// A step between the normalised text and the model: cuts pieces further, and may rewrite them.
class PreTokenizer {
 public:
  PreTokenizer() = default;
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;
  virtual ~PreTokenizer() = default;
  /// Takes the step. Throws InputError if the text becomes too long, or if the step takes too long.
  virtual void apply(Pieces& pieces, Effort& effort) const = 0;
};

/// Reads the "pre_tokenizer" of tokenizer.json: ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace,
/// WhitespaceSplit. Throws InputError naming anything else that it finds.
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Section& section);

/// Tells whether some step treats the beginning of the document differently (Metaspace with prepend_scheme "first").
bool depends_on_beginning(const Section& pre_tokenizer);

}  // namespace logitfield::io
