#include "io/text/tokenizer/normalizer.hpp"

#include <map>

#include "io/error.hpp"
#include "io/text/tokenizer/byte_characters.hpp"
#include "io/text/tokenizer/characters.hpp"
#include "io/text/tokenizer/splitting.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

template <NormalForm form>
class UnicodeForm : public Normalizer {
 public:
  explicit UnicodeForm(const Section& section) { section.allow({}); }
  void apply(std::string& text, Effort&) const override { text = normalized(text, form); }
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(const Section& section) : prefix_(section.get<std::string>("prepend")) {
    section.allow({"prepend"});
  }
  void apply(std::string& text, Effort& effort) const override {
    if (text.empty()) return;
    effort.check_size(text.size() + prefix_.size());
    text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  explicit Replace(const Section& section)
      : find_(read_pattern(section)), content_(section.get<std::string>("content")) {
    section.allow({"pattern", "content"});
  }
  void apply(std::string& text, Effort& effort) const override {
    find_(text, found_, effort);
    if (found_.empty()) return;
    effort.check_size(found_.size() * content_.size());
    std::string out;
    out.reserve(text.size() + found_.size() * content_.size());
    std::size_t end = 0;
    for (const Span& match : found_) {
      out.append(text, end, match.begin - end).append(content_);
      end = match.end;
    }
    out.append(text, end);
    text = std::move(out);
  }

 private:
  Finder find_;
  std::string content_;
  /// A member only to reuse its memory.
  mutable std::vector<Span> found_;
};

class Strip : public Normalizer {
 public:
  explicit Strip(const Section& section)
      : left_(section.get<bool>("strip_left")), right_(section.get<bool>("strip_right")) {
    section.allow({"strip_left", "strip_right"});
  }
  void apply(std::string& text, Effort&) const override {
    std::size_t begin = 0, end = text.size();
    while (left_ && begin < end && is_space(code_point_at(text, begin).value)) begin += code_point_at(text, begin).size;
    while (right_ && begin < end && is_space(code_point_before(text, end).value)) {
      end -= code_point_before(text, end).size;
    }
    text = text.substr(begin, end - begin);
  }

 private:
  bool left_, right_;
};

/// Rewrites text character by character.
template <void (*append)(std::string&, char32_t)>
class CharacterWise : public Normalizer {
 public:
  explicit CharacterWise(const Section& section) { section.allow({}); }
  void apply(std::string& text, Effort&) const override {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const CodePoint code = code_point_at(text, at);
      append(out, code.value);
      at += code.size;
    }
    text = std::move(out);
  }
};

void append_unless_mark(std::string& text, char32_t code) {
  if (!is_combining_mark(code)) append_utf8(text, code);
}

class ByteLevelNormalizer : public Normalizer {
 public:
  explicit ByteLevelNormalizer(const Section& section) { section.allow({}); }
  void apply(std::string& text, Effort&) const override {
    std::string out;
    out.reserve(2 * text.size());
    append_byte_characters(out, text);
    text = std::move(out);
  }
};

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(const Section& section) {
    section.allow({"normalizers"});
    for (const Section& step : section.sections("normalizers")) steps_.push_back(read_normalizer(step));
  }
  void apply(std::string& text, Effort& effort) const override {
    for (const auto& step : steps_) {
      step->apply(text, effort);
      effort.check_size(text.size());
      effort.add_work(text.size() + 1, "a normalizer");
    }
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

template <class T>
std::unique_ptr<Normalizer> make(const Section& section) {
  return std::make_unique<T>(section);
}

}  // namespace

std::unique_ptr<Normalizer> read_normalizer(const Section& section) {
  static const std::map<std::string, std::unique_ptr<Normalizer> (*)(const Section&)> kReaders{
      {"ByteLevel", make<ByteLevelNormalizer>},
      {"Lowercase", make<CharacterWise<append_lower_case>>},
      {"NFC", make<UnicodeForm<NormalForm::nfc>>},
      {"NFD", make<UnicodeForm<NormalForm::nfd>>},
      {"NFKC", make<UnicodeForm<NormalForm::nfkc>>},
      {"NFKD", make<UnicodeForm<NormalForm::nfkd>>},
      {"Prepend", make<Prepend>},
      {"Replace", make<Replace>},
      {"Sequence", make<NormalizerSequence>},
      {"Strip", make<Strip>},
      {"StripAccents", make<CharacterWise<append_unless_mark>>}};
  const auto reader = kReaders.find(section.type());
  if (reader == kReaders.end()) section.refuse("type");
  return reader->second(section);
}

}  // namespace logitfield::io
