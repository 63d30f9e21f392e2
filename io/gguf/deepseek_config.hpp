#pragma once
#include "io/gguf/description.hpp"

namespace logitfield::io {

/// Describes DeepSeek-V2 and V3, and Kimi, which llama.cpp calls deepseek2. Throws InputError naming file, key and
/// value for a router whose function is not implemented.
void describe_deepseek2(GgufDescription& d);

}  // namespace logitfield::io
