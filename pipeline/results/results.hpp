#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "io/run/journal.hpp"
#include "io/run/run_folder.hpp"
#include "kernels/visible.hpp"
#include "pipeline/results/record.hpp"

namespace logitfield {

/// "format" and "version" of manifest.json. The version rises when older programs would misread a run folder; this
/// program reads all of them so far.
inline constexpr const char* kRunFormat = "logitfield-run";
inline constexpr std::int64_t kRunVersion = 1;

/// A run as its folder tells it: the manifest, and what the journal holds.
struct Results {
  nlohmann::json manifest;
  std::vector<std::string> texts;
  std::vector<std::int64_t> contexts;
  std::vector<std::string> scopes;
  std::int64_t num_heads = 0, num_kv_heads = 0, first_layer = 0, num_layers = 0;
  /// Which keys each measured layer shows to a query.
  std::vector<kernels::Visible> visible;
  /// By (text, layer).
  std::map<std::pair<std::int64_t, std::int64_t>, LayerRecord> layers;
  /// One of each text; one of each field.
  std::vector<LossRecord> losses;
  std::vector<NullRecord> nulls;
  std::vector<SessionRecord> sessions;
  std::vector<RankRecord> ranks;

  /// Place of a context and scope in HeadRecord::fields.
  std::size_t field(std::size_t context, std::size_t scope) const { return context * scopes.size() + scope; }
  kernels::Visible visible_at(std::int64_t layer) const {
    return visible.empty() ? kernels::Visible{} : visible[static_cast<std::size_t>(layer - first_layer)];
  }
  /// Every (text, layer) is there.
  bool complete() const;
  std::int64_t failed_heads() const;
};

/// Throws InputError if manifest or journal are missing, broken, of a later version or contradict each other.
Results load_results(const io::RunFolder& folder);
/// The same from a journal that was read before.
Results load_results(const io::RunFolder& folder, const io::JournalContent& journal);

/// Writes heads.csv, nulls.csv, head_nulls.csv, results.nc and summary.json from what was loaded; returns the summary.
nlohmann::json write_derived(const Results& results, const io::RunFolder& folder);

/// One file of those; each throws InputError if it cannot be written.
void write_heads_csv(const Results& results, const std::filesystem::path& path);
void write_nulls_csv(const Results& results, const std::filesystem::path& path);
/// Nothing where no head has a null of its own.
void write_head_nulls_csv(const Results& results, const std::filesystem::path& path);
void write_results_nc(const Results& results, const std::filesystem::path& path);

}  // namespace logitfield
