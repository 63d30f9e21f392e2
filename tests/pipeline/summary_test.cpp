#include "pipeline/summary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <sstream>

namespace logitfield {
namespace {

TEST(Distribution, KnownValues) {
  const Distribution d = distribution({5, 1, 4, 2, 3});
  EXPECT_EQ(d.count, 5);
  EXPECT_DOUBLE_EQ(d.mean, 3);
  EXPECT_DOUBLE_EQ(d.sd, std::sqrt(2.0));
  EXPECT_EQ(d.min, 1);
  EXPECT_EQ(d.p25, 2);
  EXPECT_EQ(d.median, 3);
  EXPECT_EQ(d.max, 5);
  EXPECT_DOUBLE_EQ(d.p95, 4.8);
}

TEST(Distribution, LeavesOutWhatIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Distribution d = distribution({nan, 2, inf, 4, -inf});
  EXPECT_EQ(d.count, 2);
  EXPECT_EQ(d.mean, 3);
  EXPECT_EQ(distribution({nan}).count, 0);
}

/// A statistics entry whose certificate holds.
kernels::HeadStatistics certified(double energy, double coherence) {
  kernels::HeadStatistics s;
  s.spectrum.energy = energy;
  s.coherence.coherence = coherence;
  s.certificate.energy_bound = s.certificate.probe_bound = 1e-12;
  s.certificate.finite = true;
  return s;
}

Results small_results() {
  Results r;
  r.manifest = {{"model", {{"name", "m"}}}};
  r.texts = {"a"};
  r.contexts = {64};
  r.scopes = {"full"};
  r.num_heads = 4;
  r.num_kv_heads = 2;
  r.num_layers = 1;
  LayerRecord layer{0, 0, {}};
  for (std::int64_t h = 0; h < 4; ++h) layer.heads.push_back({h, h / 2, {certified(double(h + 1), double(h / 2 + 1))}});
  r.layers[{0, 0}] = layer;
  return r;
}

TEST(Summary, AKvHeadCountsOnce) {
  const auto statistics = summarise(small_results()).at("fields").at(0).at("model").at("statistics");
  EXPECT_EQ(statistics.at("energy").at("count"), 4);
  EXPECT_DOUBLE_EQ(statistics.at("energy").at("mean").get<double>(), 2.5);
  EXPECT_EQ(statistics.at("coherence").at("count"), 2);
  EXPECT_DOUBLE_EQ(statistics.at("coherence").at("mean").get<double>(), 1.5);
}

TEST(Summary, AFailedHeadIsCountedAndLeftOut) {
  Results r = small_results();
  r.layers.begin()->second.heads[3].fields[0].certificate.finite = false;
  const nlohmann::json summary = summarise(r);
  const auto& model = summary.at("fields").at(0).at("model");
  EXPECT_EQ(summary.at("failed_heads"), 1);
  EXPECT_EQ(model.at("certified"), 3);
  EXPECT_DOUBLE_EQ(model.at("statistics").at("energy").at("max").get<double>(), 3);
}

/// Two contexts and two scopes; the energy of a field is its place.
Results several_fields() {
  Results r = small_results();
  r.contexts = {64, 128};
  r.scopes = {"full", "causal"};
  for (HeadRecord& head : r.layers.begin()->second.heads) {
    head.fields.assign(4, {});
    for (std::size_t f = 0; f < 4; ++f) head.fields[f] = certified(static_cast<double>(f), 1);
  }
  r.nulls = {{3, 8, {{"energy", {7.5, 0.5}}}}};
  return r;
}

TEST(Summary, AFieldPerScopeAndContextWithWhatChanceGives) {
  const nlohmann::json fields = summarise(several_fields()).at("fields");
  ASSERT_EQ(fields.size(), 4u);
  std::set<std::pair<std::string, std::int64_t>> seen;
  for (const auto& field : fields) {
    const std::string scope = field.at("scope");
    const std::int64_t context = field.at("context");
    EXPECT_TRUE(seen.insert({scope, context}).second);
    const double place = (context == 128 ? 2 : 0) + (scope == "causal" ? 1 : 0);
    EXPECT_EQ(field.at("model").at("statistics").at("energy").at("mean"), place);
    EXPECT_EQ(field.at("layers").size(), 1u);
    EXPECT_EQ(field.contains("null"), place == 3);
    if (place != 3) continue;
    EXPECT_EQ(field.at("null").at("draws"), 8);
    EXPECT_EQ(field.at("null").at("statistics").at("energy").at("mean"), 7.5);
    EXPECT_EQ(field.at("null").at("statistics").at("energy").at("sd"), 0.5);
  }
}

TEST(Summary, WhatIsNotKnownIsNotAveraged) {
  Results r = small_results();
  auto& heads = r.layers.begin()->second.heads;
  for (HeadRecord& head : heads) head.fields[0].spectrum.k99 = -1;
  heads[1].fields[0].spectrum.k99 = 40;
  const auto statistics = summarise(r).at("fields").at(0).at("model").at("statistics");
  EXPECT_EQ(statistics.at("k99").at("count"), 1);
  EXPECT_EQ(statistics.at("k99").at("mean"), 40);
  EXPECT_FALSE(statistics.contains("learned_k90"));
  EXPECT_FALSE(statistics.contains("attention_entropy"));
}

TEST(Summary, TheTableFitsAHundredColumns) {
  std::istringstream table(summary_table(summarise(small_results())));
  for (std::string line; std::getline(table, line);) EXPECT_LE(line.size(), 100u) << line;
  std::istringstream large(summary_table(summarise(several_fields())));
  for (std::string line; std::getline(large, line);) EXPECT_LE(line.size(), 100u) << line;
}

}  // namespace
}  // namespace logitfield
