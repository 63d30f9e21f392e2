#pragma once
#include "pipeline/job/options.hpp"

namespace CLI {
class App;
}

namespace logitfield {

/// Default of `monitor --null`, whose alert against Gaussian heads needs some draws.
inline constexpr std::int64_t kNullDrawsOfMonitor = 8;

/// Adds the program's commands and their options, which store their values in `options`.
void add_commands(CLI::App& app, Options& options);

}  // namespace logitfield
