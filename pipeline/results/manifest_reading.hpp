#pragma once
#include "pipeline/results/results.hpp"

namespace logitfield {

/// The manifest and the axes; of the journal, nothing. Throws InputError, naming what is missing, of another type or
/// impossible: what reports, summaries and comparisons take from a manifest is there.
Results read_manifest(const std::filesystem::path& path);

}  // namespace logitfield
