#pragma once
#include <cstdint>
#include <vector>

#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {

/// The ids that the "post_processor" of tokenizer.json puts in front of a text. What it puts behind a text is left out:
/// a measured text goes on. Throws InputError naming the file and the key for processors that are not known.
std::vector<std::int32_t> read_prefix(const Section& post_processor);

}  // namespace logitfield::io
