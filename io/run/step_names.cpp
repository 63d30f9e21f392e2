#include "io/run/step_names.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <charconv>
#include <cmath>
#include <new>
#include <optional>

#include "io/error.hpp"

namespace logitfield::io {
namespace {

using StepCode = std::shared_ptr<const pcre2_code>;

/// A pattern of this length is a mistake. A match may take this many steps of PCRE2: some milliseconds.
constexpr std::size_t kLongestPattern = 1000;
constexpr std::uint32_t kMatchLimit = 100'000;

std::string pcre2_message(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

StepCode compile_step_pattern(const std::string& pattern) {
  if (pattern.size() > kLongestPattern) {
    throw InputError("the pattern of steps has {} characters, more than {}", pattern.size(), kLongestPattern);
  }
  int error;
  PCRE2_SIZE position;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), 0, &error, &position, nullptr);
  if (!code) {
    throw InputError("the pattern of steps '{}' is not a regular expression: {} (at character {})", pattern,
                     pcre2_message(error), position + 1);
  }
  return {code, [](const pcre2_code* p) { pcre2_code_free(const_cast<pcre2_code*>(p)); }};
}

/// Returns the first group of the match, or the whole match if there is no group; nothing if `name` does not match.
std::optional<std::string> first_group(const StepCode& code, const std::string& name, const std::string& pattern) {
  const std::shared_ptr<pcre2_match_context> context(pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  const std::shared_ptr<pcre2_match_data> data(pcre2_match_data_create(2, nullptr), &pcre2_match_data_free);
  if (!context || !data) throw std::bad_alloc();
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_depth_limit(context.get(), kMatchLimit);
  const int result =
      pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0, data.get(), context.get());
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0) {
    throw InputError("the pattern of steps '{}' cannot be matched with the name {}: {}; write a simpler one", pattern,
                     name, pcre2_message(result));
  }
  std::uint32_t groups = 0;
  pcre2_pattern_info(code.get(), PCRE2_INFO_CAPTURECOUNT, &groups);
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get()) + (groups > 0 ? 2 : 0);
  if (ends[0] == PCRE2_UNSET) return "";
  return name.substr(ends[0], ends[1] - ends[0]);
}

/// Returns 1195000 for "1195k" and 1500000 for "1.5M"; nothing for other texts, or if the number does not fit.
std::optional<std::int64_t> scaled_number(const std::string& text) {
  double value = 0;
  const char* const last = text.data() + text.size();
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), last, whole);
  if (error == std::errc{} && end == last && whole >= 0) return whole;
  const auto [suffix, failed] = std::from_chars(text.data(), last, value, std::chars_format::fixed);
  if (failed != std::errc{} || suffix + 1 != last) return std::nullopt;
  const double scale = *suffix == 'k' || *suffix == 'K' ? 1e3 : *suffix == 'm' || *suffix == 'M' ? 1e6 : 0;
  const double steps = value * scale, nearest = std::round(steps);  // 4.1 * 1e6 is not an integer
  if (!(steps >= 0 && steps < 9e15) || scale == 0 || std::abs(steps - nearest) > 1e-6) return std::nullopt;
  return static_cast<std::int64_t>(nearest);
}

#define LOGITFIELD_DIGITS "(\\d+(?:\\.\\d+(?=[km]))?[km]?)"
#define LOGITFIELD_STEP_NUMBER LOGITFIELD_DIGITS "(?![a-z0-9]|\\.\\d)"

/// Compiled once.
class UsualPattern {
 public:
  explicit UsualPattern(const char* pattern) : pattern_(pattern), code_(compile_step_pattern(pattern)) {}

  std::optional<std::string> find(const std::string& name) const { return first_group(code_, name, pattern_); }
  /// -1 for none.
  std::int64_t number(const std::string& name) const {
    const auto text = find(name);
    return text ? scaled_number(*text).value_or(-1) : -1;
  }

 private:
  std::string pattern_;
  StepCode code_;
};

std::variant<StepName, std::string> read_usual(const std::string& name) {
  struct Kind {
    UsualPattern pattern;
    int doubt;
  };
  // From the surest to the most doubtful. Each pattern first skips as much as it can, so that the last number counts.
  static const Kind kinds[] = {
      {UsualPattern("(?i)^.*steps?[-_=. ]*" LOGITFIELD_STEP_NUMBER), 0},
      {UsualPattern("(?i)^(?:.*[^a-z0-9.])?" LOGITFIELD_DIGITS "[-_=. ]*steps?(?![a-z])"), 0},
      {UsualPattern("(?i)^.*(?:checkpoint|ckpt|iter|iteration|update)s?[-_=. ]*" LOGITFIELD_STEP_NUMBER), 0},
      {UsualPattern("(?i)^.*epochs?[-_=. ]*" LOGITFIELD_STEP_NUMBER), 0},
      {UsualPattern("(?i)^" LOGITFIELD_DIGITS "$"), 0},
      {UsualPattern("(?i)^(?:.*[^a-z0-9.])?" LOGITFIELD_STEP_NUMBER), 1},
      {UsualPattern("(?i)^.*[a-z]" LOGITFIELD_STEP_NUMBER), 2},
  };
  static const UsualPattern stage("(?i)(?:^|[^a-z])stage[-_= ]*(\\d+)");
  static const UsualPattern branch("(?i)(?:^|[^a-z])ingredient[-_= ]*(\\d+)");
  // Words that name a model without a step, whatever other number is next to them.
  static const UsualPattern unnumbered("(?i)(?:^|[^a-z])(?:final|best|last|latest|merged)(?![a-z])");
  const bool is_chosen = unnumbered.find(name).has_value();
  for (const Kind& kind : kinds) {
    if (kind.doubt > 0 && is_chosen) return "it is named as a final or best model, without a step";
    const auto text = kind.pattern.find(name);
    if (!text) continue;
    const auto step = scaled_number(*text);
    if (!step) return fmt::format("{} in its name cannot be its step", *text);
    return StepName{*step, stage.number(name), branch.number(name), kind.doubt, is_chosen};
  }
  return "its name contains no number that could be its step";
}

}  // namespace

StepNames::StepNames(const std::string& pattern) : pattern_(pattern), code_(compile_step_pattern(pattern)) {}

std::variant<StepName, std::string> StepNames::read(const std::string& name) const {
  if (!code_) return read_usual(name);
  const auto text = first_group(code_, name, pattern_);
  if (!text) return "its name does not match the pattern of steps";
  const auto step = scaled_number(*text);
  if (!step) return fmt::format("'{}', which the pattern of steps finds in its name, is not a number", *text);
  return StepName{*step};
}

}  // namespace logitfield::io
