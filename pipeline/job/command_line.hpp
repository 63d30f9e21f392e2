#pragma once
#include <optional>
#include <string>

#include "pipeline/job/options.hpp"

namespace logitfield {

/// Throws InputError for wrong usage. If help, the version or a shell's completion was asked for, returns nothing and
/// stores the text to print in `message`.
std::optional<Options> parse_options(int argc, const char* const* argv, std::string& message);

}  // namespace logitfield
