#include "pipeline/run/done.hpp"

#include <gtest/gtest.h>

#include "io/run/state_file.hpp"
#include "pipeline/results/manifest_differences.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield {
namespace {

/// A job on a fixture checkpoint of 5 layers and two texts of 96 tokens, hidden size 64.
Job fixture_job() {
  Options options;
  options.model = FIXTURES "/llama";
  options.tokens.assign(2, FIXTURES "/llama/tokens.npy");
  return open_job(options);
}

Results results_of(std::initializer_list<std::pair<std::int64_t, std::int64_t>> units) {
  Results results;
  results.contexts = {64};
  results.scopes = {"full"};
  for (const auto& [text, layer] : units) results.layers[{text, layer}] = {text, layer, {}};
  return results;
}

void save(const Job& job, const std::filesystem::path& folder, std::int64_t text, std::int64_t layer) {
  const io::StateKey key{text, layer, job.length(), job.checkpoint().config().hidden_size};
  io::write_state(folder, key, std::vector<float>(static_cast<std::size_t>(key.rows * key.columns), 0.5F));
}

TEST(Done, NothingIsDoneAtFirst) {
  const Job job = fixture_job();
  const Done done = nothing_done(job);
  EXPECT_EQ(done.open_layers(0).begin, 0);
  EXPECT_EQ(done.open_layers(0).end, 5);
  EXPECT_EQ(done.first_open(1), 0);
  EXPECT_EQ(done.count_units({0, 5}), 0);
}

TEST(Done, ATextGoesOnFromItsLatestUsableState) {
  const Job job = fixture_job();
  const testing::TemporaryFolder states;
  for (const std::int64_t layer : {1, 3, 4}) save(job, states.path(), 0, layer);
  // No session recorded layer 3 in the journal, so that states behind it are of no use for that layer.
  const Done done = find_done(job, results_of({{0, 0}, {0, 1}, {0, 2}, {0, 4}}), states.path());
  EXPECT_EQ(done.first_open(0), 3);
  EXPECT_EQ(done.saved, (std::vector<std::int64_t>{3, 0}));
  EXPECT_EQ(done.open_layers(0).begin, 3);
  EXPECT_EQ(done.open_layers(0).end, 5);
  EXPECT_EQ(done.count_units({0, 5}), 4);
}

TEST(Done, ADamagedStateIsRemovedAndAnEarlierOneTaken) {
  const Job job = fixture_job();
  const testing::TemporaryFolder states;
  save(job, states.path(), 0, 1);
  save(job, states.path(), 0, 2);
  const auto damaged = io::state_path(states.path(), {0, 2});
  std::filesystem::resize_file(damaged, std::filesystem::file_size(damaged) - 1);
  const Done done = find_done(job, results_of({{0, 0}, {0, 1}}), states.path());
  EXPECT_EQ(done.saved[0], 1);
  EXPECT_FALSE(std::filesystem::exists(damaged));
}

TEST(Done, AKnownLossLeavesOnlyTheLayersUpToTheLastOpenOne) {
  const Job job = fixture_job();
  const testing::TemporaryFolder states;
  Results results = results_of({{0, 0}, {0, 2}, {0, 3}, {0, 4}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}});
  results.losses = {{0, 95, 2.5}, {1, 95, 2.5}};
  const Done done = find_done(job, results, states.path());
  EXPECT_EQ(done.open_layers(0).end, 2);
  EXPECT_EQ(done.open_layers(1).size(), 0);
  results.losses.clear();
  EXPECT_EQ(find_done(job, results, states.path()).open_layers(1).end, 5) << "the loss needs the whole depth";
}

TEST(Done, OnlyStatesThatCannotBeNeededArePruned) {
  const Job job = fixture_job();
  const testing::TemporaryFolder states;
  for (const std::int64_t layer : {1, 2, 4, 5}) save(job, states.path(), 0, layer);
  Done done = nothing_done(job);
  for (const std::int64_t layer : {0, 1, 2}) done.units[0][layer] = true;
  prune_states(done, 0, states.path());
  EXPECT_EQ(io::saved_layers(states.path(), 0), (std::vector<std::int64_t>{5, 4, 2}));
}

TEST(Done, ComesThroughABroadcastUnchanged) {
  Done done = nothing_done(fixture_job());
  done.units[1][3] = true;
  done.losses[1] = true;
  done.saved = {0, 4};
  done.nulls = true;
  done.sessions = 3;
  const Done copy = decode_done(encode(done));
  EXPECT_EQ(copy.units, done.units);
  EXPECT_EQ(copy.losses, done.losses);
  EXPECT_EQ(copy.saved, done.saved);
  EXPECT_EQ(copy.nulls, done.nulls);
  EXPECT_EQ(copy.sessions, done.sessions);
}

nlohmann::json manifest() {
  return {{"started", "then"},
          {"grid", "1x1"},
          {"backend", "cpu (OpenBLAS)"},
          {"model", {{"hash", "xxh3:1"}, {"path", "/a"}}},
          {"tokenization", nullptr},
          {"contexts", {64}},
          {"routes", {{{"context", 64}, {"route", "scalapack"}, {"shared", true}}}}};
}

TEST(ManifestDifferences, WhereARunIsMadeDoesNotCount) {
  nlohmann::json now = manifest();
  now["started"] = "now";
  now["grid"] = "2x2";
  now["backend"] = "cpu (another library)";
  now["model"]["path"] = "/b";
  now["model"]["notices"] = {"config.json: unknown keys were ignored"};
  now["routes"][0] = {{"context", 64}, {"route", "dense"}, {"shared", false}};
  EXPECT_TRUE(manifest_differences(manifest(), now).empty());
}

TEST(ManifestDifferences, WhatDecidesTheNumbersIsNamedWithBothValues) {
  nlohmann::json now = manifest();
  now["contexts"] = {64, 128};
  now["model"]["hash"] = "xxh3:2";
  now["backend"] = "cuda (H200)";
  now["routes"][0]["route"] = "krylov";
  EXPECT_EQ(manifest_differences(manifest(), now),
            (std::vector<std::string>{"backend: \"cpu\" before, \"cuda\" now", "contexts/1: nothing before, 128 now",
                                      "model/hash: \"xxh3:1\" before, \"xxh3:2\" now",
                                      "routes/0/route: \"dense\" before, \"krylov\" now"}));
}

TEST(ManifestDifferences, WindowsCountWhereTheyHideKeys) {
  const auto with = [](const char* key, nlohmann::json keys) {
    nlohmann::json out = manifest();
    out["model"][key] = std::move(keys);
    return out;
  };
  // Older versions did not write them, and measured layers with windows over all keys.
  for (const char* key : {"windows", "chunks"}) {
    const auto said = manifest_differences(manifest(), with(key, {nullptr, 63}));
    ASSERT_EQ(said.size(), 1u) << key;
    EXPECT_NE(said[0].find("measured over all keys"), std::string::npos) << said[0];
    EXPECT_TRUE(manifest_differences(manifest(), with(key, {nullptr, 64})).empty()) << "hides nothing of 64 tokens";
    EXPECT_TRUE(manifest_differences(with(key, {100, 64}), manifest()).empty());
  }
  EXPECT_EQ(manifest_differences(with("windows", {nullptr, 63}), with("windows", {nullptr, 32})),
            std::vector<std::string>{"model/windows/1: 63 before, 32 now"});
}

TEST(ManifestDifferences, OfNoManifestAreAllThatTheOtherHolds) {
  for (const nlohmann::json& none : {nlohmann::json::object(), nlohmann::json("text")}) {
    EXPECT_EQ(manifest_differences({{"seed", 1}}, none), std::vector<std::string>{"seed: 1 before, nothing now"});
  }
}

}  // namespace
}  // namespace logitfield
