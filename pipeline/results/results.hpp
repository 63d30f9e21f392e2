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

/// "format" and "version" of manifest.json. The version rises when older programs would misread a run folder. This
/// program reads all versions so far.
inline constexpr const char* kRunFormat = "logitfield-run";
inline constexpr std::int64_t kRunVersion = 1;

/// A run as read from its folder: the manifest and the journal's records.
struct Results {
  nlohmann::json manifest;
  std::vector<std::string> texts;
  std::vector<std::int64_t> contexts;
  std::vector<std::string> scopes;
  std::int64_t num_heads = 0, num_kv_heads = 0, first_layer = 0, num_layers = 0;
  /// The keys that each measured layer shows to a query.
  std::vector<kernels::Visible> visible;
  /// The layers measured so far, by (text, layer).
  std::map<std::pair<std::int64_t, std::int64_t>, LayerRecord> layers;
  /// Losses: one per text. Nulls: one per field.
  std::vector<LossRecord> losses;
  std::vector<NullRecord> nulls;
  std::vector<SessionRecord> sessions;
  std::vector<RankRecord> ranks;
  /// Describes damaged bytes of the journal, whose records are missing here; empty if there are none.
  std::string damage;

  /// Place of a context and scope in HeadRecord::fields.
  std::size_t field(std::size_t context, std::size_t scope) const { return context * scopes.size() + scope; }
  /// The context and scope of a place.
  struct FieldPlace {
    std::size_t context = 0, scope = 0;
  };
  FieldPlace place_of(std::size_t field) const { return {field / scopes.size(), field % scopes.size()}; }
  /// The Gaussian null of a field; null without one.
  const NullDraws* null_of(std::size_t field) const;
  kernels::Visible visible_at(std::int64_t layer) const {
    return visible.empty() ? kernels::Visible{} : visible[static_cast<std::size_t>(layer - first_layer)];
  }
  /// Whether every (text, layer) is present.
  bool complete() const;
  std::int64_t failed_heads() const;
};

/// Loads a run. Warns on standard error about bytes of the journal that hold no complete record. Throws InputError if
/// manifest or journal are missing, broken, of a later version or contradict each other.
Results load_results(const io::RunFolder& folder);
/// Loads a run whose journal has already been read.
Results load_results(const io::RunFolder& folder, const io::JournalContent& journal);

/// Writes heads.csv, nulls.csv, head_nulls.csv, results.nc and summary.json; returns the summary.
nlohmann::json write_derived(const Results& results, const io::RunFolder& folder);

/// Each writes one of those files and throws InputError if it cannot be written.
void write_heads_csv(const Results& results, const std::filesystem::path& path);
void write_nulls_csv(const Results& results, const std::filesystem::path& path);
/// Writes nothing if there are no draws from heads (--head-null).
void write_head_nulls_csv(const Results& results, const std::filesystem::path& path);
void write_results_nc(const Results& results, const std::filesystem::path& path);

}  // namespace logitfield
