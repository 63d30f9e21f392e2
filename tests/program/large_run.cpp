// Writes a run folder of an imaginary model with many layers and heads and random statistics, to test reports of that
// size. large_run FOLDER LAYERS HEADS
#include <random>

#include "io/file.hpp"
#include "io/run/journal.hpp"
#include "io/run/run_folder.hpp"
#include "pipeline/report/report_page.hpp"
#include "pipeline/results/record.hpp"
#include "pipeline/results/results.hpp"
#include "pipeline/results/schema.hpp"

namespace {

using namespace logitfield;

constexpr std::int64_t kHeadDim = 128;

kernels::HeadStatistics random_head(std::mt19937_64& random, std::int64_t context) {
  std::lognormal_distribution<double> size;
  kernels::HeadStatistics s;
  visit_statistics(s, [&](const StatisticInfo& info, auto& value) {
    if (info.kind == Kind::certificate) return;
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) value = size(random);
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::int64_t>)
      value = static_cast<std::int64_t>(20 * size(random));
  });
  s.rank_bound = s.certificate.rank_bound = kHeadDim;
  s.spectrum.rank = s.certificate.rank = kHeadDim;
  s.certificate.finite = true;
  double sigma = s.spectrum.sigma_max = 100 * size(random);
  s.spectrum.energy = 0;
  for (std::int64_t i = 0; i < kHeadDim; ++i, sigma *= 0.95) {
    s.singular_values.push_back(sigma);
    s.spectrum.energy += sigma * sigma;
  }
  s.key_profile.assign(static_cast<std::size_t>(std::min<std::int64_t>(context, 256)), 1.0 / 256);
  s.query_profile = s.key_profile;
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::int64_t layers = std::stol(argv[2]), heads = std::stol(argv[3]);
  const std::vector<std::int64_t> contexts{1024, 2048, 4096, 8192};
  const io::RunFolder folder = io::create_run_folder(argv[1]);
  const nlohmann::json manifest{{"format", kRunFormat},
                                {"version", kRunVersion},
                                {"model",
                                 {{"name", "imagined"},
                                  {"hash", "none"},
                                  {"num_layers", layers},
                                  {"num_heads", heads},
                                  {"num_kv_heads", 8},
                                  {"head_dim", kHeadDim}}},
                                {"texts", {{{"name", "a"}}, {{"name", "b"}}}},
                                {"contexts", contexts},
                                {"scopes", {"full", "causal"}},
                                {"layers", {0, layers}},
                                {"seed", 0},
                                {"program", "large_run"},
                                {"backend", "none"}};
  io::write_atomically(folder.manifest(), manifest.dump());
  io::Journal journal = io::Journal::create(folder.journal());
  std::mt19937_64 random(1);
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    for (std::int64_t text = 0; text < 2; ++text) {
      LayerRecord record{text, layer, {}};
      for (std::int64_t head = 0; head < heads; ++head) {
        HeadRecord& entry = record.heads.emplace_back(head, head * 8 / heads);
        for (const std::int64_t context : contexts) {
          for (int scope = 0; scope < 2; ++scope) entry.fields.push_back(random_head(random, context));
        }
      }
      journal.append(encode(record));
    }
  }
  const Results results = load_results(folder);
  io::write_atomically(folder.report(), report_page(results));
}
