#include "pipeline/plan/plan.hpp"

#include <gtest/gtest.h>

#include "io/error.hpp"
#include "pipeline/plan/memory.hpp"

namespace logitfield {
namespace {

using kernels::Precision;

/// A job on a fixture checkpoint of 5 layers and 4 KV heads, with 96 tokens; the same text is used several times.
Job fixture_job(int texts) {
  Options options;
  options.model = FIXTURES "/llama";
  options.tokens.assign(texts, FIXTURES "/llama/tokens.npy");
  return open_job(options);
}

Machine roomy(int ranks) { return {ranks, ranks, std::uint64_t{1} << 34}; }

TEST(Plan, OneTextIsSplitOverHeadsBecauseStagesWouldWait) {
  const Plan plan = make_plan(fixture_job(1), Options(), roomy(4));
  EXPECT_EQ(grid_text(plan.partition.grid), "1x4");
  EXPECT_EQ(plan.residency, Residency::stream);
  EXPECT_DOUBLE_EQ(plan.balance, 1);
}

TEST(Plan, MoreRanksThanKvHeadsBecomeStages) {
  const Plan plan = make_plan(fixture_job(50), Options(), roomy(20));
  EXPECT_EQ(grid_text(plan.partition.grid), "5x4");
  EXPECT_EQ(plan.residency, Residency::resident) << "texts fill the stages only where weights stay";
  EXPECT_GT(plan.balance, 0.9);
  EXPECT_LT(plan.balance, 1);
}

TEST(Plan, OptionsForce) {
  Options options;
  options.grid = "3x1";
  options.weights = WeightsChoice::resident;
  const Plan plan = make_plan(fixture_job(1), options, roomy(3));
  EXPECT_EQ(plan.partition.grid.stages, 3);
  EXPECT_EQ(plan.residency, Residency::resident);
  options.grid = "2x1";
  EXPECT_THROW(make_plan(fixture_job(1), options, roomy(3)), InputError);
}

TEST(Plan, TooLittleMemoryIsRefusedWithWhatItTakes) {
  Machine machine = roomy(2);
  machine.available_bytes = 1 << 20;
  try {
    make_plan(fixture_job(1), Options(), machine);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("1.0 MiB"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("needs at least"), std::string::npos) << error.what();
  }
}

TEST(Plan, GaussianHeadsThatDoNotFitAreRefusedByName) {
  Options options;
  options.null_draws = 1'000'000'000;
  try {
    make_plan(fixture_job(1), options, roomy(2));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("1000000000 Gaussian heads"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("--null"), std::string::npos) << error.what();
  }
}

TEST(Plan, StreamingNeedsLessThanResidence) {
  Options options;
  options.weights = WeightsChoice::stream;
  const std::uint64_t stream = make_plan(fixture_job(1), options, roomy(1)).memory_bytes;
  options.weights = WeightsChoice::resident;
  EXPECT_LT(stream, make_plan(fixture_job(1), options, roomy(1)).memory_bytes);
}

TEST(Plan, WeightsInBfloat16TakeHalfTheMemory) {
  Options options;
  options.weights = WeightsChoice::resident;
  Job job = fixture_job(1);
  const Plan exact = make_plan(job, options, roomy(1));
  job.precision = kernels::Precision::bf16;
  const Plan half = make_plan(job, options, roomy(1));
  // Rounded operands of products take up some of the saving.
  const double saved = static_cast<double>(exact.memory_bytes) - static_cast<double>(half.memory_bytes);
  EXPECT_GT(saved, 0.9 * 2 * weight_values(job, half, 1) / 2);
}

Machine with_gpus(int ranks, std::uint64_t bytes) {
  Machine out = roomy(ranks);
  out.device_bytes = bytes;
  return out;
}

TEST(Plan, WeightsOnTheGpuAreCountedInThePrecision) {
  Options options;
  options.weights = WeightsChoice::resident;
  const auto bytes = [&](kernels::Precision precision) {
    Job job = fixture_job(1);
    job.precision = precision;
    return make_plan(job, options, with_gpus(1, 1 << 30)).device_bytes;
  };
  EXPECT_GT(bytes(Precision::float32), bytes(Precision::bf16));
  EXPECT_EQ(bytes(Precision::float32), bytes(Precision::tf32));
  EXPECT_EQ(make_plan(fixture_job(1), options, roomy(1)).device_bytes, 0u);
  EXPECT_LT(make_plan(fixture_job(1), options, with_gpus(4, 1 << 30)).device_bytes, bytes(Precision::float32));
}

TEST(Plan, TooLittleMemoryOnTheGpuIsRefusedWithWhatItTakes) {
  const std::uint64_t needed = make_plan(fixture_job(1), Options(), with_gpus(1, 1 << 30)).device_bytes;
  EXPECT_EQ(make_plan(fixture_job(1), Options(), with_gpus(1, needed)).device_bytes, needed);
  try {
    make_plan(fixture_job(1), Options(), with_gpus(1, needed - 1));
    FAIL();
  } catch (const DoesNotFitDevice& error) {
    EXPECT_NE(std::string(error.what()).find(bytes_text(needed)), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("on the GPU"), std::string::npos) << error.what();
  }
}

TEST(Plan, FieldsAreDecomposedInTheMemoryOfTheGpu) {
  Options options;
  options.model = FIXTURES "/llama";
  options.tokens = {FIXTURES "/llama/tokens.npy"};
  options.contexts = {96};
  options.scopes = {kernels::Scope::causal};
  const Job job = open_job(options);
  Machine machine = with_gpus(1, 1 << 30);
  const Plan one = make_plan(job, options, machine);
  EXPECT_GE(one.device_bytes, 8 * 96 * 96 * static_cast<std::uint64_t>(job.config->num_heads));
  machine.device_workers = 3;
  EXPECT_EQ(make_plan(job, options, machine).memory_bytes, one.memory_bytes);
}

TEST(Job, DefaultsAndTheirLimits) {
  const Job job = fixture_job(2);
  EXPECT_EQ(job.contexts, (std::vector<std::int64_t>{64}));
  EXPECT_EQ(job.texts()[0].name, "tokens");
  EXPECT_EQ(job.texts()[1].name, "tokens-2");
  Options options;
  options.model = FIXTURES "/llama";
  options.tokens = {FIXTURES "/llama/tokens.npy"};
  options.contexts = {97};
  EXPECT_THROW(open_job(options), InputError);
  options.contexts = {96};
  for (const char* bad : {"5", "3:3", "0:6", "-1:2", "a:b", "1:2:3"}) {
    options.layers = bad;
    EXPECT_THROW(open_job(options), InputError) << bad;
  }
}

}  // namespace
}  // namespace logitfield
