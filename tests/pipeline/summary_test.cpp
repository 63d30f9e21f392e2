#include "pipeline/results/summary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <sstream>

namespace logitfield {
namespace {

TEST(Distribution, KnownValues) {
  const Distribution d = distribution(std::vector<double>{5, 1, 4, 2, 3});
  EXPECT_EQ(d.count, 5);
  EXPECT_DOUBLE_EQ(d.mean, 3);
  EXPECT_DOUBLE_EQ(d.sd, std::sqrt(2.0));
  EXPECT_EQ(d.min.value(), 1);
  EXPECT_EQ(d.p25.value(), 2);
  EXPECT_EQ(d.median.value(), 3);
  EXPECT_EQ(d.max.value(), 5);
  EXPECT_DOUBLE_EQ(d.p95.value(), 4.8);
}

/// An infinite ratio counts as more than any number, not as undefined.
TEST(Distribution, LeavesOutWhatIsNotDefined) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Distribution d = distribution(std::vector<double>{nan, 2, inf, 4, -inf});
  EXPECT_EQ(d.count, 3);
  EXPECT_EQ(d.censored, 1);
  EXPECT_EQ(d.median.value(), 4);
  EXPECT_TRUE(std::isnan(d.mean));
  EXPECT_EQ(distribution(std::vector<double>{nan}).count, 0);
  EXPECT_FALSE(distribution(std::vector<double>{nan}).median.is_defined());
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

/// The first query head of a group fails because of its queries; the group's keys must still count.
TEST(Summary, AKvHeadCountsThoughItsFirstQueryHeadFailed) {
  Results r = small_results();
  r.layers.begin()->second.heads[0].fields[0].certificate.finite = false;
  const auto statistics = summarise(r).at("fields").at(0).at("model").at("statistics");
  EXPECT_EQ(statistics.at("coherence").at("count"), 2);
  EXPECT_DOUBLE_EQ(statistics.at("coherence").at("mean").get<double>(), 1.5);
  r.layers.begin()->second.heads[1].fields[0].certificate.finite = false;
  const auto fewer = summarise(r).at("fields").at(0).at("model").at("statistics");
  EXPECT_EQ(fewer.at("coherence").at("count"), 1);
}

TEST(Summary, AFailedHeadIsCountedAndLeftOut) {
  Results r = small_results();
  r.layers.begin()->second.heads[3].fields[0].certificate.finite = false;
  const nlohmann::json summary = summarise(r);
  const auto& model = summary.at("fields").at(0).at("model");
  EXPECT_EQ(summary.at("failed_heads"), 1);
  EXPECT_EQ(model.at("certified"), 3);
  EXPECT_EQ(model.at("failed_checks").at("finite"), 1);
  const std::string table = summary_table(summary);
  EXPECT_NE(table.find("64 tokens: 1 of 4 failed and are left out (finite 1)"), std::string::npos) << table;
  EXPECT_NE(table.find("so many missing"), std::string::npos) << table;
  EXPECT_DOUBLE_EQ(model.at("statistics").at("energy").at("max").get<double>(), 3);
}

/// Two contexts and two scopes; the energy of each field is its index.
Results several_fields() {
  Results r = small_results();
  r.contexts = {64, 128};
  r.scopes = {"full", "causal"};
  for (HeadRecord& head : r.layers.begin()->second.heads) {
    head.fields.assign(4, {});
    for (std::size_t f = 0; f < 4; ++f) head.fields[f] = certified(static_cast<double>(f), 1);
  }
  r.nulls = {{3, {2, 1, {{"energy", {{Reading::known(7), Reading::known(8)}}}}}}};
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
    EXPECT_EQ(field.at("null").at("draws"), 2);
    EXPECT_EQ(field.at("null").at("failed"), 1);
    EXPECT_EQ(field.at("null").at("statistics").at("energy").at("mean"), 7.5);
    EXPECT_EQ(field.at("null").at("statistics").at("energy").at("sd"), std::sqrt(0.5));
    EXPECT_FALSE(field.at("null").contains("beyond_chance")) << "of the scale: not tested against Gaussian heads";
  }
}

/// Three heads need more components than were computed; the median must not come from the fourth alone.
TEST(Summary, WhatIsNotKnownIsSaidToBeMore) {
  Results r = small_results();
  auto& heads = r.layers.begin()->second.heads;
  for (HeadRecord& head : heads) {
    kernels::SpectrumStatistics& s = head.fields[0].spectrum;
    s.k90 = s.k95 = s.k99 = -1;
    s.k_more_than = 256;
  }
  heads[1].fields[0].spectrum.k99 = heads[1].fields[0].spectrum.k90 = 40;
  const nlohmann::json summary = summarise(r);
  const auto& statistics = summary.at("fields").at(0).at("model").at("statistics");
  EXPECT_EQ(statistics.at("k99").at("count"), 4);
  EXPECT_EQ(statistics.at("k99").at("censored"), 3);
  EXPECT_FALSE(statistics.at("k99").contains("median"));
  EXPECT_FALSE(statistics.at("k99").contains("mean"));
  EXPECT_EQ(statistics.at("k99").at("median_more_than"), 256);
  EXPECT_EQ(statistics.at("k99").at("min"), 40);
  EXPECT_FALSE(statistics.contains("learned_k90"));
  EXPECT_FALSE(statistics.contains("attention_entropy"));
  const std::string table = summary_table(summary);
  EXPECT_NE(table.find("> 256"), std::string::npos) << table;
}

TEST(Summary, TheTableFitsAHundredColumns) {
  std::istringstream table(summary_table(summarise(small_results())));
  for (std::string line; std::getline(table, line);) EXPECT_LE(line.size(), 100u) << line;
  std::istringstream large(summary_table(summarise(several_fields())));
  for (std::string line; std::getline(large, line);) EXPECT_LE(line.size(), 100u) << line;
}

}  // namespace
}  // namespace logitfield
