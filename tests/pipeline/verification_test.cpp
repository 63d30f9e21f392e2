#include "pipeline/measure/dense_check.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/field/shares.hpp"
#include "pipeline/measure/learned_interactions.hpp"

namespace logitfield {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// 3 texts, layers 2 to 5 measured, 6 heads: 72 measured heads.
Job some_job() {
  Job job;
  job.set_texts(std::vector<io::TokenText>(3));
  job.measured_layers = {2, 6};
  job.extents.num_heads = 6;
  job.extents.num_kv_heads = 2;
  return job;
}

std::set<std::array<std::int64_t, 3>> draw(std::int64_t heads, std::uint64_t seed) {
  Plan plan;
  plan.verified_heads = heads;
  plan.seed = seed;
  return draw_verified(some_job(), plan);
}

TEST(DrawVerified, AsManyDifferentHeadsAsWereAskedFor) {
  EXPECT_TRUE(draw(0, 1).empty());
  for (const std::int64_t n : {1, 5, 71, 72}) EXPECT_EQ(draw(n, 1).size(), static_cast<std::size_t>(n));
  const auto all = draw(1000, 1);
  EXPECT_EQ(all.size(), 72u);
  for (const auto& [text, layer, head] : all) {
    EXPECT_TRUE(0 <= text && text < 3 && 2 <= layer && layer < 6 && 0 <= head && head < 6);
  }
}

TEST(DrawVerified, TheSeedDecides) {
  EXPECT_EQ(draw(10, 5), draw(10, 5));
  EXPECT_NE(draw(10, 5), draw(10, 6));
  EXPECT_NE(draw(10, 0), draw(10, 1));
}

TEST(DrawVerified, EveryHeadHasItsChance) {
  std::set<std::array<std::int64_t, 3>> ever;
  for (std::uint64_t seed = 0; seed < 100; ++seed) ever.merge(draw(8, seed));
  EXPECT_EQ(ever.size(), 72u);
}

/// A dense spectrum, and identical results of another route.
struct Pair {
  kernels::HeadStatistics found;
  kernels::RouteResult dense;

  Pair() {
    dense.sigma = {4, 2, 1, 0.5};
    dense.spectrum.sigma_max = 4;
    dense.spectrum.energy = 21.25;
    dense.key_energy = kernels::Vector::LinSpaced(5, 1, 7.5);
    dense.query_energy = dense.key_energy.reverse();
    found.singular_values = {4, 2, 1};
    found.spectrum = dense.spectrum;
    found.key_profile = profile(dense.key_energy);
    found.query_profile = profile(dense.query_energy);
  }
  static std::vector<double> profile(const kernels::Vector& v) { return kernels::share_profile(kernels::as_span(v)); }
  double difference() const { return difference_from_dense(found, dense); }
};

TEST(DifferenceFromDense, IsZeroForTheSame) { EXPECT_EQ(Pair().difference(), 0); }

TEST(DifferenceFromDense, FindsTheLargestOfAll) {
  Pair sigma;
  sigma.found.singular_values[2] += 0.04;
  EXPECT_NEAR(sigma.difference(), 0.01, 1e-14) << "over the largest";
  Pair energy;
  energy.found.spectrum.energy *= 1.01;
  EXPECT_NEAR(energy.difference(), 0.01, 1e-14);
  Pair keys;
  keys.found.key_profile[1] -= 0.02;
  EXPECT_NEAR(keys.difference(), 0.02, 1e-14);
  Pair queries;
  queries.found.query_profile[4] += 0.03;
  queries.found.singular_values[0] -= 0.04;
  EXPECT_NEAR(queries.difference(), 0.03, 1e-14);
}

TEST(DifferenceFromDense, NothingThatIsNotANumberPasses) {
  const auto expect_nan = [](const char* where, auto&& spoil) {
    Pair pair;
    spoil(pair);
    EXPECT_TRUE(std::isnan(pair.difference())) << where << ": " << pair.difference();
  };
  expect_nan("first singular value", [](Pair& p) { p.found.singular_values[0] = kNan; });
  expect_nan("last singular value", [](Pair& p) { p.found.singular_values[2] = kNan; });
  expect_nan("singular value and a difference after it",
             [](Pair& p) { p.found.singular_values[0] = kNan, p.found.singular_values[1] = 9; });
  expect_nan("dense singular value", [](Pair& p) { p.dense.sigma[1] = kNan; });
  expect_nan("energy", [](Pair& p) { p.found.spectrum.energy = kNan; });
  expect_nan("key profile", [](Pair& p) { p.found.key_profile[1] = kNan; });
  expect_nan("query profile", [](Pair& p) { p.found.query_profile[1] = kNan; });
}

TEST(DifferenceFromDense, ZeroFieldsAgreeOnlyWithZeroFields) {
  Pair zero;
  zero.found = {};
  zero.dense = {};
  EXPECT_EQ(zero.difference(), 0);
  Pair only_dense;
  only_dense.dense.spectrum.energy = 0;
  EXPECT_FALSE(only_dense.difference() <= 1);
  Pair only_found;
  only_found.found = {};
  EXPECT_FALSE(only_found.difference() < 1);
}

TEST(SpectralGap, IsTheRatioWhereBothAreKnown) {
  EXPECT_EQ(spectral_gap(53, 4), 13.25);
  EXPECT_EQ(spectral_gap(1, 8), 0.125);
  for (const auto& [learned, field] : std::vector<std::pair<int, int>>{{-1, 4}, {53, -1}, {53, 0}, {0, 3}, {-1, -1}}) {
    EXPECT_TRUE(std::isnan(spectral_gap(learned, field))) << learned << " " << field;
  }
}

TEST(Learned, IsAttachedToEveryFieldOfItsHead) {
  std::vector<HeadRecord> heads(2);
  for (HeadRecord& head : heads) head.fields.resize(2);
  heads[1].fields[0].spectrum.k90 = 5;
  heads[1].fields[1].spectrum.k90 = -1;
  attach({{.k90 = 10, .effective_rank = 3, .stable_rank = 2}, {.k90 = 20, .effective_rank = 6, .stable_rank = 4}},
         heads);
  for (const kernels::HeadStatistics& field : heads[0].fields) EXPECT_EQ(field.learned.k90, 10);
  for (const kernels::HeadStatistics& field : heads[1].fields) EXPECT_EQ(field.learned.stable_rank, 4);
  EXPECT_EQ(heads[1].fields[0].learned.spectral_gap, 4);
  EXPECT_TRUE(std::isnan(heads[1].fields[1].learned.spectral_gap));
}

}  // namespace
}  // namespace logitfield
