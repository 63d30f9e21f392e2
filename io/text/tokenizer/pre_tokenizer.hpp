#pragma once
#include <memory>
#include <string>
#include <vector>

#include "io/text/tokenizer/regex.hpp"
#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {

/// A text and the pieces of it that the model will see, one after the other.
struct Pieces {
  std::string text;
  std::vector<Span> spans;
  /// Does byte 0 of `text` come from the very beginning of the document?
  bool begins_document = false;
};

/// A step between the normalised text and the model: cuts pieces further, and may rewrite them.
class PreTokenizer {
 public:
  PreTokenizer() = default;
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;
  virtual ~PreTokenizer() = default;
  virtual void apply(Pieces& pieces) const = 0;
};

/// Reads the "pre_tokenizer" of tokenizer.json: ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace,
/// WhitespaceSplit. Throws InputError naming what else it finds.
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Section& section);

/// True if some step treats the beginning of the document unlike other places (Metaspace with prepend_scheme "first").
bool depends_on_beginning(const Section& pre_tokenizer);

}  // namespace logitfield::io
