#include "pipeline/job/value_range.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>

namespace logitfield {

CLI::Validator between(double least, double most) {
  const std::string range =
      std::isinf(most) ? fmt::format("at least {:.10g}", least) : fmt::format("{:.10g} to {:.10g}", least, most);
  return CLI::Validator(
      [=](std::string& text) {
        double value = 0;
        if (!CLI::detail::lexical_cast(text, value)) return fmt::format("'{}' is not a number", text);
        if (value >= least && value <= most) return std::string();
        return fmt::format("{} is out of range: {}", text, range);
      },
      range);
}

CLI::Validator size_in_bytes() {
  return CLI::Validator(
      [](std::string& text) {
        // CLI11 would take -5 for 2^64 - 5, and lists some thirty spellings of units.
        const std::string given = text;
        try {
          if (!given.starts_with('-') && CLI::AsSizeValue(false)(text).empty()) return std::string();
        } catch (const CLI::ValidationError&) {
        }
        return fmt::format("'{}' is not a size; write it as 512GiB or 64000MB", given);
      },
      "SIZE");
}

}  // namespace logitfield
