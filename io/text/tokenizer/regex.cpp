#include "io/text/tokenizer/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <new>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/text/tokenizer/oniguruma.hpp"
#include "io/text/tokenizer/section.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

constexpr std::size_t kFirstStack = 32 << 10, kLargestStack = 64 << 20;
/// The most memory of PCRE2's interpreter, in KiB.
constexpr std::uint32_t kLargestHeap = 64 << 10;
/// Steps of a match before the first check of the time; long runs of spaces take one step per space.
constexpr std::uint32_t kFirstSteps = 1 << 12;
constexpr std::uint32_t kMostSteps = std::uint32_t{1} << 28;
constexpr std::size_t kWorkOfMatch = 64;

std::string error_text(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

pcre2_code* compile(const std::string& pattern, const std::string& origin) {
  const std::string translated = to_pcre2(pattern, origin);
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error;
  PCRE2_SIZE position;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                   PCRE2_UTF | PCRE2_MULTILINE, &error, &position, context.get());
  if (!code) {
    throw InputError("{}: the regular expression {} cannot be used ({}); {}", origin, excerpt(pattern),
                     error_text(error), kTokenizerRemedy);
  }
  return code;
}

template <class T>
T* made(T* pointer) {
  if (!pointer) throw std::bad_alloc();
  return pointer;
}

}  // namespace

void Regex::Free::operator()(pcre2_real_code_8* p) const { pcre2_code_free(p); }
void Regex::Free::operator()(pcre2_real_match_data_8* p) const { pcre2_match_data_free(p); }
void Regex::Free::operator()(pcre2_real_match_context_8* p) const { pcre2_match_context_free(p); }
void Regex::Free::operator()(pcre2_real_jit_stack_8* p) const { pcre2_jit_stack_free(p); }

Regex::Regex(const std::string& pattern, std::string origin)
    : pattern_(pattern),
      origin_(std::move(origin)),
      code_(compile(pattern_, origin_)),
      data_(made(pcre2_match_data_create(1, nullptr))),
      context_(made(pcre2_match_context_create(nullptr))) {
  pcre2_set_match_limit(context_.get(), kFirstSteps);
  pcre2_set_heap_limit(context_.get(), kLargestHeap);
  // If the system forbids machine code, PCRE2 interprets the pattern: slower, with the same matches.
  compiled_to_machine_code_ = pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE) == 0;
  if (!compiled_to_machine_code_) return;
  stack_.reset(made(pcre2_jit_stack_create(kFirstStack, kLargestStack, nullptr)));
  pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
}

int Regex::match_once(std::string_view text, std::size_t from) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  return compiled_to_machine_code_
             ? pcre2_jit_match(code_.get(), subject, text.size(), from, 0, data_.get(), context_.get())
             : pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
}

bool Regex::find(std::string_view text, std::size_t from, Span& match, Effort& effort) const {
  effort.add_work(kWorkOfMatch, pattern_);
  int result = match_once(text, from);
  // PCRE2 cannot be asked to stop after a time, so it gets twice the steps again and again.
  for (std::uint32_t steps = kFirstSteps; result == PCRE2_ERROR_MATCHLIMIT && steps < kMostSteps;) {
    effort.check_time(pattern_);
    pcre2_set_match_limit(context_.get(), steps *= 2);
    result = match_once(text, from);
    pcre2_set_match_limit(context_.get(), kFirstSteps);
  }
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) {
    throw InputError("{}: matching the regular expression {} failed ({}); split the text or {}", origin_,
                     excerpt(pattern_), error_text(result), kTokenizerRemedy);
  }
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data_.get());
  match = {static_cast<std::uint32_t>(ends[0]), static_cast<std::uint32_t>(ends[1])};
  return true;
}

void Regex::find_all(std::string_view text, std::vector<Span>& found, Effort& effort) const {
  found.clear();
  Span match{};
  std::size_t from = 0;
  while (from <= text.size() && find(text, from, match, effort)) {
    // An empty match right after another match does not count.
    if (match.size() == 0 && !found.empty() && found.back().end == match.end) {
      if (from >= text.size()) break;
      from += code_point_at(text, from).size;
      continue;
    }
    found.push_back(match);
    from = match.end;
  }
}

}  // namespace logitfield::io
