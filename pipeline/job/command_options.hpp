#pragma once
#include "pipeline/job/options.hpp"

namespace CLI {
class App;
}

namespace logitfield {

/// Gaussian draws that a monitor takes unless told otherwise, since one of its alerts needs them.
inline constexpr std::int64_t kNullDrawsOfMonitor = 8;

/// Adds the program's commands with their options, which store what they are given in `options`.
void add_commands(CLI::App& app, Options& options);

}  // namespace logitfield
