#pragma once
#include <cmath>
#include <set>

#include "pipeline/job/command_line.hpp"
#include "tests/fuzz/input.hpp"

namespace logitfield::fuzz {

/// Requires everything that the commands assume of options.
inline void require_sound(const Options& options) {
  for (const std::int64_t context : options.contexts) require(context >= 2, "contexts have 2 tokens");
  require(!options.scopes.empty(), "there is a scope");
  require(std::set(options.scopes.begin(), options.scopes.end()).size() == options.scopes.size(), "scopes differ");
  require(options.components >= 2 && options.components <= 100000, "components are within their limits");
  require(options.verify_dense >= 0 && options.null_draws >= 0, "counts are not negative");
  require(options.start >= 0 && (options.num_tokens == 0 || options.num_tokens >= 2), "tokens are within limits");
  require(options.tolerance > 0 && std::isfinite(options.tolerance), "the tolerance is positive and finite");
  require((options.nodes > 0) == (options.ranks_per_node > 0), "nodes have ranks");
  require(options.command != Command::analyze || !options.out.empty(), "analyze knows where to write");
  require(options.command != Command::analyze || options.model.empty() != options.capture.empty(), "one input");
}

}  // namespace logitfield::fuzz
