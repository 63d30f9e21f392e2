#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/text/tokenizer/effort.hpp"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace logitfield::io {

/// Bytes begin ... end - 1 of a text of less than 4 GiB.
struct Span {
  std::uint32_t begin, end;
  std::uint32_t size() const { return end - begin; }
};

/// A compiled regular expression of tokenizer.json. Only one thread may use it at a time.
class Regex {
 public:
  /// Compiles `pattern`, written for Oniguruma. Throws InputError naming `origin` and the pattern if it cannot be used.
  Regex(const std::string& pattern, std::string origin);

  /// Finds all matches in `text` (valid UTF-8) from left to right, without overlap, relative to its beginning. `found`
  /// is emptied first. Throws InputError naming the pattern if matching takes too much memory or time.
  void find_all(std::string_view text, std::vector<Span>& found, Effort& effort) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* p) const;
    void operator()(pcre2_real_match_data_8* p) const;
    void operator()(pcre2_real_match_context_8* p) const;
    void operator()(pcre2_real_jit_stack_8* p) const;
  };

  bool find(std::string_view text, std::size_t from, Span& match, Effort& effort) const;
  int match_once(std::string_view text, std::size_t from) const;

  std::string pattern_, origin_;
  bool compiled_to_machine_code_ = false;
  std::unique_ptr<pcre2_real_code_8, Free> code_;
  std::unique_ptr<pcre2_real_match_data_8, Free> data_;
  std::unique_ptr<pcre2_real_match_context_8, Free> context_;
  std::unique_ptr<pcre2_real_jit_stack_8, Free> stack_;
};

}  // namespace logitfield::io
