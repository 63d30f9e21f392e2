#pragma once
#include <cstdint>
#include <vector>

#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {

/// Returns the ids that the "post_processor" of tokenizer.json puts before a text. Ids that it puts after a text are
/// left out, because a measured text continues there. Throws InputError naming the file and the key for unknown
/// processors.
std::vector<std::int32_t> read_prefix(const Section& post_processor);

}  // namespace logitfield::io
