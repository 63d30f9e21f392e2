#pragma once
#include "pipeline/job/options.hpp"

namespace logitfield {

/// Throws InputError for a model without texts, and for a capture with texts.
void check_texts(const Options& options);

/// Throws InputError for options that contradict each other or lack another one.
void check_options(const Options& options);

}  // namespace logitfield
