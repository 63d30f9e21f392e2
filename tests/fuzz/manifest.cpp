// Fuzzes manifest.json of a run, with a journal that fits it.
#include "io/json.hpp"
#include "pipeline/compare/comparison.hpp"
#include "pipeline/report/report_data.hpp"
#include "pipeline/results/manifest_differences.hpp"
#include "pipeline/results/results.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {
namespace {

/// Largest number of measured heads (over texts, layers and fields) for which the whole run is used.
constexpr double kMostMeasurements = 2000;

double measurements(const Results& r) {
  double out = 1;
  for (const auto count : {std::ssize(r.texts), std::ssize(r.contexts), std::ssize(r.scopes)}) {
    out *= static_cast<double>(count);
  }
  return out * static_cast<double>(r.num_layers) * static_cast<double>(r.num_heads);
}

void require_sound(const Results& r) {
  require(r.num_layers >= 1 && r.first_layer >= 0 && r.num_heads >= 1 && r.num_kv_heads >= 1,
          "there is what was measured");
  require(r.num_heads % r.num_kv_heads == 0, "query heads divide among KV heads");
  require(!r.texts.empty() && !r.contexts.empty() && !r.scopes.empty(), "there is what it was measured in");
  require(r.contexts.front() >= 2 && std::ranges::is_sorted(r.contexts, std::less_equal{}), "contexts rise from 2");
  require(!r.complete() && r.failed_heads() == 0, "nothing is done");
}

/// A journal with the last layer of every text, certified, and all other kinds of records.
io::JournalContent journal_of(const Results& axes) {
  io::JournalContent out;
  const auto add = [&](const Record& record) { out.records.push_back(encode(record)); };
  const auto fields = axes.contexts.size() * axes.scopes.size();
  kernels::HeadStatistics statistics;
  statistics.certificate.finite = true;
  add(SessionRecord{.hosts = {"host"}});
  for (std::int64_t text = 0; text < std::ssize(axes.texts); ++text) {
    LayerRecord layer{text, axes.first_layer + axes.num_layers - 1, {}};
    for (std::int64_t head = 0; head < axes.num_heads; ++head) {
      layer.heads.push_back({head, head / (axes.num_heads / axes.num_kv_heads), {fields, statistics}});
    }
    add(layer);
    add(LossRecord{text, 1, 1});
  }
  add(NullRecord{static_cast<std::int64_t>(fields) - 1, {1, 0, {{"k90", {{Reading::known(1)}}}}}});
  add(RankRecord{.host = "host"});
  return out;
}

/// Uses a run as compare and report do.
void use(const Results& results) {
  require(results.failed_heads() == 0, "certified heads are read as such");
  require(results.complete() == (results.num_layers == 1), "all is done where the last layer is all");
  summarise(results);
  report_data(results);
  for (const std::string& scope : results.scopes) compared_statistics("run", results, scope);
}

/// Compares the manifest as --resume compares it with that of the resumed run.
void compare_with_others(const nlohmann::json& manifest) {
  require(manifest_differences(manifest, manifest).empty(), "a manifest says what it says");
  manifest_differences(manifest, nlohmann::json::object());
  manifest_differences(nlohmann::json::object(), manifest);
}

}  // namespace

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  const io::RunFolder run{folder.path()};
  folder.write("manifest.json", input);
  nlohmann::json manifest;
  if (accepts([&] { manifest = io::read_json(run.manifest()); })) compare_with_others(manifest);
  Results empty;
  if (!accepts([&] { empty = load_results(run, {}); })) return;
  require_sound(empty);
  if (measurements(empty) <= kMostMeasurements) use(load_results(run, journal_of(empty)));
}

}  // namespace logitfield::fuzz
