#pragma once
#include "pipeline/results/results.hpp"

namespace logitfield {

/// Reads the manifest and the axes, but not the journal. Throws InputError naming any entry that is missing, of a wrong
/// type or impossible. So reports, summaries and comparisons need not check these entries again.
Results read_manifest(const std::filesystem::path& path);

}  // namespace logitfield
