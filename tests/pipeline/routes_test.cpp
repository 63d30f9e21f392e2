#include "pipeline/plan/routes.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "../io/temporary_folder.hpp"
#include "io/error.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/scalapack/distributed_field.hpp"
#include "small_capture.hpp"

namespace logitfield {
namespace {

using kernels::Route;
using kernels::Scope;

constexpr double kRoomy = 1e15;
constexpr std::int64_t kTokens = 70000;

class Routes : public ::testing::Test {
 protected:
  Routes() { options_.capture = folder_.path() / "capture"; }

  void write(const io::CaptureInfo& info) const { testing::write_zeros(options_.capture, info); }

  std::vector<FieldPlan> fields(const TeamSize& team = {1, kRoomy}) const {
    return plan_fields(open_job(options_), options_, team);
  }

  Plan plan(int ranks, std::uint64_t bytes_per_rank = std::uint64_t{1} << 50) const {
    return make_plan(open_job(options_), options_, {ranks, ranks, bytes_per_rank * static_cast<std::uint64_t>(ranks)});
  }

  /// Makes a plan that must be refused; returns the reason.
  std::string refusal(int ranks, std::uint64_t bytes_per_rank = std::uint64_t{1} << 50) const {
    try {
      plan(ranks, bytes_per_rank);
    } catch (const InputError& error) {
      return error.what();
    }
    ADD_FAILURE() << "was not refused";
    return {};
  }

  testing::TemporaryFolder folder_;
  Options options_;
};

void expect_routes(const std::vector<FieldPlan>& fields, const std::vector<Route>& expected) {
  ASSERT_EQ(fields.size(), expected.size());
  for (std::size_t f = 0; f < fields.size(); ++f) {
    EXPECT_EQ(fields[f].request.route, expected[f])
        << f << ": " << scope_name(fields[f].request.scope) << " at " << fields[f].request.context << " tokens";
    EXPECT_TRUE(std::isfinite(fields[f].flops) && fields[f].flops > 0) << f;
    EXPECT_GT(fields[f].bytes, 0u) << f;
  }
}

TEST_F(Routes, AutoTakesTheCheapestExactRoute) {
  write(testing::small_capture(kTokens));
  options_.contexts = {64, 2048, 2049, kTokens};
  options_.scopes = {kernels::Scope::full, kernels::Scope::causal, kernels::Scope::causal_mean};
  const auto found = fields();
  expect_routes(found,
                {Route::factored, Route::dense, Route::factored, Route::factored, Route::dense, Route::factored,
                 Route::factored, Route::krylov, Route::factored, Route::factored, Route::krylov, Route::factored});
  EXPECT_EQ(found[0].request.context, 64);
  EXPECT_EQ(found[10].request.context, kTokens);
  EXPECT_EQ(found[10].request.scope, Scope::causal);
  EXPECT_EQ(found[10].request.components, options_.components);
  for (const FieldPlan& field : found) EXPECT_FALSE(field.collective());
}

TEST_F(Routes, ScopesKeepTheOrderAskedFor) {
  write(testing::small_capture(64));
  options_.scopes = {kernels::Scope::causal_mean, kernels::Scope::full};
  const auto found = fields();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].request.scope, Scope::causal_mean);
  EXPECT_EQ(found[1].request.scope, Scope::full);
}

TEST_F(Routes, TheSpectrumIsForced) {
  write(testing::small_capture(4096));
  options_.contexts = {64, 4096};
  options_.scopes = {kernels::Scope::full, kernels::Scope::causal};
  options_.spectrum = SpectrumChoice::krylov;
  options_.components = 17;
  expect_routes(fields(), {Route::factored, Route::krylov, Route::factored, Route::krylov});
  EXPECT_EQ(fields()[1].request.components, 17);
  options_.spectrum = SpectrumChoice::dense;
  expect_routes(fields(), {Route::scalapack, Route::scalapack, Route::scalapack, Route::scalapack});
  for (const FieldPlan& field : fields()) EXPECT_TRUE(field.collective());
}

TEST_F(Routes, AlibiHasFactors) {
  io::CaptureInfo info = testing::small_capture(4096);
  info.alibi_slopes = {0.5, 0.25, 0.125, 0};
  write(info);
  options_.contexts = {4096};
  options_.scopes = {kernels::Scope::full, kernels::Scope::causal, kernels::Scope::causal_mean};
  expect_routes(fields(), {Route::factored, Route::krylov, Route::factored});
}

TEST_F(Routes, OfLayersWithWindows) {
  write(testing::small_capture(4096));
  options_.contexts = {2048, 4096};
  options_.scopes = {kernels::Scope::causal, kernels::Scope::causal_unwindowed};
  const std::vector<FieldPlan> without = fields();
  for (const std::int64_t window : {512, 4096}) {
    io::CaptureInfo info = testing::small_capture(4096);
    info.windows = {window, 0};
    options_.capture = folder_.path() / std::to_string(window);
    write(info);
    expect_routes(fields(), {Route::dense, Route::dense, Route::krylov, Route::krylov});
    const std::vector<FieldPlan> with = fields();
    // The layer with a window forms and keeps the logits at the window's edges.
    EXPECT_EQ(with[2].flops > without[2].flops, window < 4096);
    EXPECT_EQ(with[2].bytes > without[2].bytes, window < 4096);
    for (const std::size_t same : {0, 1, 3}) {
      EXPECT_EQ(with[same].flops, without[same].flops);
      EXPECT_EQ(with[same].bytes, without[same].bytes);
    }
  }
}

TEST_F(Routes, CappedLogitsAreDense) {
  io::CaptureInfo info = testing::small_capture(4096);
  info.logit_softcap = 30;
  write(info);
  options_.contexts = {2048, 2049};
  options_.scopes = {kernels::Scope::full, kernels::Scope::causal_mean};
  expect_routes(fields(), {Route::dense, Route::dense, Route::scalapack, Route::scalapack});
  options_.spectrum = SpectrumChoice::dense;
  expect_routes(fields(), {Route::scalapack, Route::scalapack, Route::scalapack, Route::scalapack});
  options_.spectrum = SpectrumChoice::krylov;
  const std::string why = refusal(1);
  EXPECT_NE(why.find("--spectrum krylov"), std::string::npos) << why;
  EXPECT_NE(why.find("capped"), std::string::npos) << why;
}

TEST_F(Routes, RowsAreSharedWhereHeadsAreFewAndContextsLong) {
  write(testing::small_capture(kTokens));
  options_.contexts = {32768, 32769, kTokens};
  options_.scopes = {kernels::Scope::full, kernels::Scope::causal};
  const auto shared = [&](const TeamSize& team) {
    std::vector<bool> out;
    for (const FieldPlan& field : fields(team)) out.push_back(field.shared);
    return out;
  };
  const std::vector<bool> none(6, false), long_ones{false, false, true, true, true, true};
  EXPECT_EQ(shared({1, kRoomy}), none);
  EXPECT_EQ(shared({4, kRoomy}), none) << "2 layers of 2 KV heads keep 4 ranks busy";
  EXPECT_EQ(shared({5, kRoomy}), long_ones) << "attention is measured up to 32,768 tokens, which needs whole heads";
  EXPECT_EQ(shared({2, 1}), long_ones) << "a head that does not fit a rank";
  options_.layers = "1:2";
  EXPECT_EQ(shared({3, kRoomy}), long_ones) << "one layer of 2 KV heads";
  options_.rows = RowsChoice::whole;
  EXPECT_EQ(shared({5, kRoomy}), none);
  options_.rows = RowsChoice::sharded;
  EXPECT_EQ(shared({2, kRoomy}), std::vector<bool>(6, true));
}

TEST_F(Routes, SharedRowsTakeTheirShareOfTheMemory) {
  write(testing::small_capture(kTokens));
  options_.contexts = {kTokens};
  options_.scopes = {kernels::Scope::full, kernels::Scope::causal};
  options_.rows = RowsChoice::whole;
  const auto whole = fields({4, kRoomy});
  options_.rows = RowsChoice::sharded;
  const auto parts = fields({4, kRoomy});
  for (std::size_t f = 0; f < whole.size(); ++f) EXPECT_LT(parts[f].bytes, whole[f].bytes) << f;
}

TEST_F(Routes, ShardedRowsAndStagesExcludeEachOther) {
  write(testing::small_capture(64));
  options_.rows = RowsChoice::sharded;
  options_.grid = "2x1";
  EXPECT_NE(refusal(2).find("--grid 2x1"), std::string::npos);
  options_.grid = "1x2";
  EXPECT_EQ(grid_text(plan(2).partition.grid), "1x2");
}

TEST_F(Routes, MoreRanksThanHeadsFormOneStage) {
  write(testing::small_capture(64));
  for (const char* how : {"rows", "spectrum", "verify"}) {
    SCOPED_TRACE(how);
    options_.rows = how == std::string("rows") ? RowsChoice::sharded : RowsChoice::automatic;
    options_.spectrum = how == std::string("spectrum") ? SpectrumChoice::dense : SpectrumChoice::automatic;
    options_.verify_dense = how == std::string("verify") ? 1 : 0;
    const Partition p = plan(5).partition;
    EXPECT_EQ(grid_text(p.grid), "1x5");
    ASSERT_EQ(p.kv_heads.size(), 5u);
    ASSERT_EQ(p.heads.size(), 5u);
    ASSERT_EQ(p.layers.size(), 1u);
    EXPECT_EQ(p.layers[0].size(), 2);
    std::int64_t next = 0;
    for (std::size_t s = 0; s < 5; ++s) {
      EXPECT_EQ(p.kv_heads[s].begin, next);
      next = p.kv_heads[s].end;
      EXPECT_LE(p.kv_heads[s].size(), 1);
      EXPECT_EQ(p.heads[s].begin, 2 * p.kv_heads[s].begin);
      EXPECT_EQ(p.heads[s].end, 2 * p.kv_heads[s].end);
    }
    EXPECT_EQ(next, 2);
  }
}

TEST_F(Routes, WholeHeadsNeedAHeadPerRank) {
  write(testing::small_capture(64));
  EXPECT_NE(refusal(5).find("5 shards"), std::string::npos);
}

TEST_F(Routes, ADenseFieldThatFitsNowhereIsRefusedWithWhatItTakes) {
  io::CaptureInfo info = testing::small_capture(std::int64_t{1} << 20, 1);
  info.num_layers = info.num_heads = info.num_kv_heads = 1;
  write(info);
  options_.contexts = {std::int64_t{1} << 20};
  options_.scopes = {kernels::Scope::causal};
  options_.spectrum = SpectrumChoice::dense;
  const std::string why = refusal(2, std::uint64_t{1} << 36);
  // 2^40 numbers of 8 bytes over two ranks: 4 TiB, plus workspace.
  ASSERT_GE(dense_field_bytes(std::int64_t{1} << 20, 2), std::uint64_t{1} << 42);
  for (const char* named : {"causal", "1048576 tokens", "scalapack", "TiB", "64.0 GiB", "--spectrum"}) {
    EXPECT_NE(why.find(named), std::string::npos) << named << " is not in: " << why;
  }
  options_.spectrum = SpectrumChoice::automatic;
  EXPECT_EQ(plan(1, std::uint64_t{1} << 36).fields[0].request.route, Route::krylov);
}

TEST_F(Routes, AHeadTooLargeForOneRankIsSpreadOverTwo) {
  write(testing::small_capture(kTokens));
  options_.contexts = {kTokens};
  options_.scopes = {kernels::Scope::causal};
  const auto whole = plan(1).memory_bytes;
  options_.rows = RowsChoice::sharded;
  const auto part = plan(2).memory_bytes;
  ASSERT_LT(part, whole);
  options_.rows = RowsChoice::automatic;
  // A limit between the needs of a whole head and of half a head.
  const Plan spread = plan(2, part + (fields()[0].bytes - fields({2, 1})[0].bytes) / 2);
  EXPECT_TRUE(spread.fields[0].shared);
  EXPECT_EQ(grid_text(spread.partition.grid), "1x2");
}

TEST_F(Routes, ADenseFieldOfAModelIsSpreadWhereOneRankCannotHoldIt) {
  options_ = Options();
  options_.model = FIXTURES "/llama";
  options_.tokens = {FIXTURES "/llama/tokens.npy"};
  options_.contexts = {96};
  options_.spectrum = SpectrumChoice::dense;
  options_.grid = "1x4";
  const std::uint64_t spread = plan(4).memory_bytes, field = plan(4).fields[0].bytes;
  options_.grid = "4x1";
  ASSERT_GT(plan(4).memory_bytes, spread);
  ASSERT_GT(plan(4).fields[0].bytes, field);
  options_.grid.clear();
  EXPECT_EQ(grid_text(plan(4, spread + 1).partition.grid), "1x4");
}

TEST_F(Routes, WhatCanBeVerified) {
  write(testing::small_capture(kTokens));
  options_.contexts = {64, 4096, 4097};
  options_.scopes = {kernels::Scope::full, kernels::Scope::causal};
  std::vector<bool> found;
  for (const FieldPlan& field : fields()) found.push_back(is_verifiable(field));
  EXPECT_EQ(found, (std::vector<bool>{true, true, true, true, false, false}));
  options_.spectrum = SpectrumChoice::dense;
  for (const FieldPlan& field : fields()) EXPECT_FALSE(is_verifiable(field));
}

TEST_F(Routes, AllThatIsPlannedIsTold) {
  write(testing::small_capture(4096));
  options_.contexts = {64, 4096};
  options_.scopes = {kernels::Scope::full, kernels::Scope::causal};
  options_.verify_dense = 3;
  options_.null_draws = 5;
  const Job job = open_job(options_);
  const Machine machine{1, 1, std::uint64_t{1} << 40};
  const std::string text = describe(make_plan(job, options_, machine), job, machine);
  for (const char* named : {"factored", "dense", "krylov (up to 256 components)", "GFLOP per head", "3 heads densely",
                            "5 Gaussian heads"}) {
    EXPECT_NE(text.find(named), std::string::npos) << named << " is not in: " << text;
  }
}

}  // namespace
}  // namespace logitfield
