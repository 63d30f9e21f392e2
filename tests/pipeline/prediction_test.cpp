#include "pipeline/plan/prediction.hpp"

#include <gtest/gtest.h>

#include "io/error.hpp"
#include "pipeline/job/model_shapes.hpp"
#include "pipeline/plan/work.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield {
namespace {

using testing::refuses;

/// Rates of a machine in round numbers.
Rates round_rates() {
  Rates r;
  r.source = "round";
  r.gemm = 1e12;
  r.memory = 1e11;
  r.storage = 1e9;
  r.hash = 1e10;
  r.load = 1e10;
  r.latency = 1e-6;
  r.bandwidth = 1e10;
  r.forward = {{1024, 1e11, 1e10}, {8192, 2e11, 2e10}};
  r.fields = {{"factored", 128, 1, 1024, 1e9, 1.0}, {"factored", 128, 1, 4096, 4e9, 2.0},
              {"factored", 64, 1, 1024, 1e9, 5.0},  {"attention", 128, 1, 1024, 1e9, 0.5},
              {"krylov", 128, 1, 4096, 1e10, 4.0},  {"dense", 128, 1, 1024, 1e10, 2.0}};
  return r;
}

Job imagined(const char* shape, std::int64_t texts, std::vector<std::int64_t> contexts) {
  Options options;
  options.model_shape = shape;
  options.num_texts = texts;
  options.contexts = std::move(contexts);
  return open_job(options);
}

Machine machine(int nodes, int ranks) { return {nodes * ranks, ranks, std::uint64_t{1} << 40}; }

double predicted(const Job& job, const std::string& grid, const Rates& rates) {
  Options options;
  options.grid = grid;
  options.weights = WeightsChoice::stream;
  const Grid shape = parse_grid(grid);
  const Plan plan = make_plan(job, options, machine(1, shape.ranks()));
  return predict(job, plan, static_cast<double>(plan.weight_bytes), rates).seconds();
}

TEST(Rates, ARouteIsInterpolatedBetweenItsContexts) {
  const Rates r = round_rates();
  EXPECT_DOUBLE_EQ(r.field_seconds("factored", 128, 1, 1024, 3e9), 3.0) << "at a sample";
  EXPECT_DOUBLE_EQ(r.field_seconds("factored", 128, 1, 2048, 1e9), 1 / std::sqrt(2.0)) << "half way, in logarithms";
  EXPECT_DOUBLE_EQ(r.field_seconds("factored", 128, 1, 65536, 4e9), 2.0) << "beyond the last";
  EXPECT_DOUBLE_EQ(r.field_seconds("factored", 64, 8, 512, 1e9), 5.0) << "the nearest head dimension";
  EXPECT_TRUE(refuses([&] { r.field_seconds("scalapack", 64, 1, 64, 1); }, {"scalapack", "--calibrate"}));
}

TEST(Rates, ComeThroughAFileUnchanged) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "new" / "rates.json";
  write_rates(round_rates(), path);
  const Rates r = read_rates(path);
  EXPECT_EQ(r.source, "round");
  EXPECT_EQ(r.storage, 1e9);
  ASSERT_EQ(r.fields.size(), round_rates().fields.size());
  EXPECT_EQ(r.fields[1].seconds, 2.0);
  ASSERT_EQ(r.forward.size(), 2u);
  EXPECT_EQ(r.forward_at(5000).weights, 2e11);
}

TEST(Rates, AFileOfAnythingElseIsRefused) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { read_rates(folder.write("a", "{\"format\":\"x\"}")); }, {"a", "plan --calibrate"}));
  EXPECT_TRUE(refuses([&] { read_rates(folder.path() / "none"); }, {"none"}));
  Rates rates = round_rates();
  rates.hash = 0;
  write_rates(rates, folder.path() / "b");
  EXPECT_TRUE(refuses([&] { read_rates(folder.path() / "b"); }, {"b", "hash", "positive"}));
}

TEST(ModelShape, PublishedSizesHaveTheirNumbersOfWeights) {
  const auto billions = [](const char* name) {
    return static_cast<double>(weight_bytes(imagined(name, 1, {64}))) / 2e9;
  };
  EXPECT_NEAR(billions("8B"), 8.03, 0.01);
  EXPECT_NEAR(billions("70B"), 70.55, 0.01);
  EXPECT_NEAR(billions("405B"), 405.85, 0.05);
  EXPECT_NEAR(billions("671B"), 671.0, 0.5);
  EXPECT_TRUE(refuses([] { model_shape("9B"); }, {"9B", "405B"}));
}

TEST(Prediction, OneRankTakesWhatItsWorkTakes) {
  const Rates rates = round_rates();
  const Job job = imagined("8B", 3, {1024});
  Options options;
  options.weights = WeightsChoice::stream;
  const Plan plan = make_plan(job, options, machine(1, 1));
  const double bytes = static_cast<double>(plan.weight_bytes);
  const Prediction p = predict(job, plan, bytes, rates);
  const LayerFlops layer = layer_flops(job, 0);
  const double forward = 3 * (32 * (layer.weights / 1e11 + layer.attention / 1e10) + output_flops(job) / 1e11);
  const ForwardSample at = rates.forward_at(4096);
  const double scale = 1e11 / at.weights;
  EXPECT_NEAR(p.forward, forward * scale, 1e-6 * forward);
  EXPECT_NEAR(p.read, bytes / 1e9 + bytes / 1e10, 1e-6 * p.read);
  EXPECT_NEAR(p.field, 3 * 32 * 32 * plan.fields[0].flops / 1e9, 1e-6 * p.field);
  EXPECT_EQ(p.communicate, 0);
  EXPECT_NEAR(p.wait, 0, 1e-6 * p.seconds());
}

TEST(Prediction, AttentionIsMeasuredApartOnDevicesAndLessWhereLayersSeeAWindow) {
  const Rates rates = round_rates();
  Job job = imagined("8B", 1, {1024});
  Options options;
  options.weights = WeightsChoice::stream;
  Plan plan = make_plan(job, options, machine(1, 1));
  const auto field = [&] { return predict(job, plan, 0, rates).field; };
  const double fields = 32 * 32 * plan.fields[0].flops / 1e9, attention = 32 * 32 * 1024.0 * 1024 * 128 / 1e9 * 0.5;
  job.visible[3].window = 128;
  job.visible[4].chunk = 512;
  EXPECT_NEAR(field(), fields, 1e-6 * fields);
  plan.device_bytes = 1;
  const double all = 1024 * 1025 / 2, window = 128 * 129 / 2 + 896 * 128, chunks = 2 * 512 * 513 / 2;
  EXPECT_NEAR(field(), fields + attention * (30 + (window + chunks) / all) / 32, 1e-6 * fields);
}

TEST(Prediction, ShardsShortenStreamingAndStagesDoNot) {
  const Rates rates = round_rates();
  const Job job = imagined("8B", 4, {1024});
  const double one = predicted(job, "1x1", rates);
  EXPECT_LT(predicted(job, "1x4", rates), 0.5 * one);
  EXPECT_GT(predicted(job, "4x1", rates), 0.8 * one) << "stages of a stream wait for each other";
}

TEST(Prediction, SaysWhatIsInTheWay) {
  EXPECT_NE(advice({.read = 10, .forward = 1}).find("reading"), std::string::npos);
  EXPECT_NE(advice({.read = 1, .forward = 1, .communicate = 3}).find("communication"), std::string::npos);
  EXPECT_NE(advice({.forward = 1, .wait = 3}).find("wait"), std::string::npos);
  EXPECT_TRUE(advice({.read = 1, .forward = 1, .field = 1, .communicate = 1, .wait = 1}).empty());
}

}  // namespace
}  // namespace logitfield
