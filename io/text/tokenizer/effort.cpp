#include "io/text/tokenizer/effort.hpp"

#include <time.h>

#include <algorithm>
#include <utility>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {
namespace {

/// The longest normal form has eleven times the bytes, and later steps may triple that.
constexpr std::size_t kMostGrowth = 64, kSmallGrowth = 4096;
/// Ordinary tokenizers take less than a hundredth of this time.
constexpr double kSecondsPerByte = 10e-6, kSeconds = 0.5;

/// Returns the computing time in seconds, which does not depend on other programs.
double computing_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

Effort::Effort(std::size_t bytes, std::string origin)
    : bytes_(bytes), origin_(std::move(origin)), begin_(computing_seconds()) {}

void Effort::check_size(std::size_t bytes) const {
  const std::size_t most = std::min(kMostGrowth * bytes_ + kSmallGrowth, kLargestText);
  if (rewritten_ + bytes <= most) return;
  throw InputError("{}: rewrites a text of {} bytes to one of more than {}; split the text, or {}", origin_, bytes_,
                   most, kTokenizerRemedy);
}

void Effort::add_rewritten(std::size_t bytes) {
  check_size(bytes);
  rewritten_ += bytes;
}

void Effort::check_time(std::string_view step) {
  work_ = 0;
  const double most = kSeconds + kSecondsPerByte * static_cast<double>(bytes_);
  if (computing_seconds() - begin_ <= most) return;
  throw InputError("{}: takes more than {:.1f} s for a text of {} bytes (last step: {}); {}", origin_, most, bytes_,
                   excerpt(std::string(step)), kTokenizerRemedy);
}

}  // namespace logitfield::io
