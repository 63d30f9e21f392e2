#pragma once
#include "pipeline/results/results.hpp"

namespace logitfield {

/// Reads the manifest and the axes, nothing of the journal. Throws InputError naming any entry that is missing, of a
/// wrong type or impossible; reports, summaries and comparisons can rely on the others.
Results read_manifest(const std::filesystem::path& path);

}  // namespace logitfield
