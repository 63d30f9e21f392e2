// Known bounds of numbers, and the bounds of medians that follow: censored counts cause no bias.
#include "pipeline/results/reading.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/random.hpp"
#include "pipeline/results/summary.hpp"
#include "tests/pipeline/known_readings.hpp"

namespace logitfield {
namespace {

using testing::known_readings;

const Reading kNothing{};

TEST(Reading, SaysWhatIsKnown) {
  EXPECT_EQ(text_of(Reading::known(61)), "61");
  EXPECT_EQ(text_of(Reading::more_than(256)), "> 256");
  EXPECT_EQ(text_of(Reading::less_than(0.25)), "< 0.25");
  EXPECT_EQ(text_of(kNothing), "-");
  EXPECT_EQ(text_of(Reading{3, 7}), "3 to 7");
  EXPECT_EQ(text_of(Reading::known(INFINITY)), "inf");
  EXPECT_FALSE(kNothing.is_defined());
  EXPECT_FALSE(Reading::known(std::nan("")).is_defined());
  EXPECT_TRUE(Reading::known(2).is_known());
  EXPECT_TRUE(Reading::more_than(2).is_censored());
  EXPECT_TRUE(std::isnan(Reading::more_than(2).value()));
}

/// Three small counts, and seven that are more than 32.
TEST(Quantile, AmongCensoredValuesIsMoreThanTheirBound) {
  std::vector<Reading> readings = known_readings({3, 3, 4});
  for (int i = 0; i < 7; ++i) readings.push_back(Reading::more_than(32));
  EXPECT_EQ(median(readings), Reading::more_than(32));
  EXPECT_EQ(quantile(readings, 0), Reading::known(3));
  EXPECT_EQ(quantile(readings, 0.1), Reading::known(3));
  EXPECT_EQ(quantile(readings, 1), Reading::more_than(32));
}

TEST(Quantile, ThatDoesNotDependOnWhatIsNotKnownIsKnown) {
  std::vector<Reading> readings = known_readings({1, 2, 3, 4});
  readings.push_back(Reading::more_than(8));
  EXPECT_EQ(median(readings), Reading::known(3));
  readings.push_back(Reading::more_than(8));  // between 3 and 4
  EXPECT_EQ(median(readings), Reading::known(3.5));
  readings.push_back(Reading::more_than(8));
  readings.push_back(Reading::more_than(8));  // between 4 and more than 8
  EXPECT_EQ(median(readings), Reading::more_than(6));
}

TEST(Quantile, OfRatiosThatAreLessThanABound) {
  std::vector<Reading> readings = known_readings({2, 3});
  readings.push_back(Reading::less_than(0.5));
  EXPECT_EQ(median(readings), Reading::known(2));
  readings.push_back(Reading::less_than(0.5));
  readings.push_back(Reading::less_than(0.5));
  EXPECT_EQ(median(readings), Reading::less_than(0.5));
  EXPECT_FALSE(median({kNothing, kNothing}).is_defined());
  EXPECT_FALSE(median(std::vector<Reading>{}).is_defined());
}

/// Whatever is censored, the range of the quantile contains the quantile of the uncensored numbers. It is a single
/// value if its neighbours are known.
TEST(Quantile, HoldsTheTrueOne) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const kernels::Matrix numbers = kernels::uniform_rows(seed, 0, 1 + static_cast<kernels::Index>(seed % 23), 2);
    std::vector<Reading> whole, seen;
    for (kernels::Index i = 0; i < numbers.rows(); ++i) {
      const double value = 10 + numbers(i, 0), bound = 10 + numbers(i, 1);
      whole.push_back(Reading::known(value));
      seen.push_back(bound > 10.4    ? Reading::known(value)
                     : value > bound ? Reading::more_than(bound)
                                     : Reading::less_than(bound));
    }
    for (const double fraction : {0.0, 0.05, 0.25, 0.5, 0.77, 0.95, 1.0}) {
      const double expected = quantile(whole, fraction).value();
      const Reading found = quantile(seen, fraction);
      if (!found.is_defined()) continue;
      EXPECT_LE(found.low, expected + 1e-12) << seed;
      EXPECT_GE(found.high, expected - 1e-12) << seed;
    }
  }
}

TEST(Reading, RatiosAndProductsOfWhatIsKnown) {
  EXPECT_EQ(ratio(Reading::more_than(256), Reading::known(512)), Reading::more_than(0.5));
  EXPECT_EQ(ratio(Reading::known(8), Reading::more_than(16)).high, 0.5);
  EXPECT_EQ(product(Reading::known(3), Reading::known(4)), Reading::known(12));
  EXPECT_FALSE(ratio(kNothing, Reading::known(1)).is_defined());
  EXPECT_FALSE(ratio(Reading::known(1), kNothing).is_defined());
}

kernels::HeadStatistics krylov_head(std::int64_t k90, std::int64_t k_more_than) {
  kernels::HeadStatistics s;
  s.route = kernels::Route::krylov;
  s.spectrum.k50 = 2;
  s.spectrum.k90 = k90;
  s.spectrum.k95 = s.spectrum.k99 = s.spectrum.rank = -1;
  s.spectrum.k_more_than = k_more_than;
  s.spectrum.components = 32;
  s.spectrum.captured = 0.8;
  s.learned.k90 = 8;
  return s;
}

std::map<std::string, Reading> readings_of(const kernels::HeadStatistics& s) {
  std::map<std::string, Reading> out;
  visit_readings(s, [&](const StatisticInfo& info, const Reading& r) { out[std::string(info.name)] = r; });
  return out;
}

TEST(Reading, OfCountsThatWereNotTakenToTheirEnd) {
  const auto r = readings_of(krylov_head(-1, 32));
  EXPECT_EQ(r.at("k50"), Reading::known(2));
  for (const char* name : {"k90", "k95", "k99", "rank"}) EXPECT_EQ(r.at(name), Reading::more_than(32)) << name;
  EXPECT_EQ(r.at("spectral_gap"), Reading::less_than(0.25));
  EXPECT_FALSE(r.at("key_argmax").is_defined());
  const auto other = readings_of(krylov_head(9, 32));
  EXPECT_EQ(other.at("k90"), Reading::known(9));
  EXPECT_FALSE(other.at("spectral_gap").is_defined()) << "its k90 is known: the program sets the gap itself";
}

TEST(Distribution, OfCensoredValuesHasNoMean) {
  std::vector<Reading> readings = known_readings({1, 2, 3});
  readings.push_back(Reading::more_than(9));
  readings.push_back(kNothing);
  const Distribution d = distribution(readings);
  EXPECT_EQ(d.count, 4);
  EXPECT_EQ(d.censored, 1);
  EXPECT_TRUE(std::isnan(d.mean) && std::isnan(d.sd));
  EXPECT_EQ(d.median, Reading::known(2.5));
  EXPECT_EQ(d.max, Reading::more_than(9));
}

TEST(Distribution, GoesThroughJson) {
  for (const Reading& r :
       {Reading::known(2.5), Reading::more_than(256), Reading::less_than(1), Reading{2, 3}, kNothing}) {
    nlohmann::json object = nlohmann::json::object();
    put(object, "median", r);
    const Reading back = get(object, "median");
    EXPECT_TRUE(back == r || (!back.is_defined() && !r.is_defined())) << object.dump();
  }
}

}  // namespace
}  // namespace logitfield
