#pragma once
#include <string>

namespace logitfield::io {

/// Returns the current time, as "2026-01-31T23:59:59Z".
std::string utc_now();

}  // namespace logitfield::io
