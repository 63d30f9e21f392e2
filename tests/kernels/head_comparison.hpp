#pragma once
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/field/field_statistics.hpp"
#include "kernels/field/oracle.hpp"
#include "random_matrix.hpp"

namespace logitfield::testing {

using namespace kernels;

inline HeadStatistics measure(const MatrixF& q, const MatrixF& k, const LogitForm& form, const FieldRequest& request) {
  return kernels::field_statistics({{q}, k, {form}}, std::vector<FieldRequest>{request})[0][0];
}

/// Measures one head in the context of all its rows.
inline HeadStatistics measure(const MatrixF& q, const MatrixF& k, const LogitForm& form, Scope scope, Route route) {
  return measure(q, k, form, {.context = q.rows(), .scope = scope, .route = route});
}

inline HeadStatistics reference(const MatrixF& q, const MatrixF& k, const LogitForm& form, Scope scope) {
  return oracle::field_statistics(q.cast<double>(), k.cast<double>(), form, scope);
}

inline void expect_near(double value, double expected, double tolerance, const char* name) {
  // Not EXPECT_NEAR on the ratio: NaN must fail.
  EXPECT_TRUE(std::abs(value - expected) <= tolerance * std::max(std::abs(expected), 1e-300))
      << name << ": " << value << ", expected " << expected;
}

inline void expect_shares(const ShareStatistics& s, const ShareStatistics& expected, double tolerance) {
  EXPECT_EQ(s.argmax, expected.argmax);
  expect_near(s.max_share, expected.max_share, tolerance, "max_share");
  expect_near(s.participation, expected.participation, tolerance, "participation");
  expect_near(s.entropy, expected.entropy, tolerance, "entropy");
  expect_near(s.gini, expected.gini, tolerance, "gini");
  expect_near(s.top1pct_share, expected.top1pct_share, tolerance, "top1pct_share");
  // The first row of a causal field is zero except for rounding.
  EXPECT_TRUE(std::abs(s.first_share - expected.first_share) <= tolerance * expected.max_share);
}

inline void expect_profiles(const HeadStatistics& s, const HeadStatistics& expected, double tolerance) {
  ASSERT_EQ(s.key_profile.size(), expected.key_profile.size());
  for (std::size_t b = 0; b < s.key_profile.size(); ++b) {
    EXPECT_TRUE(std::abs(s.key_profile[b] - expected.key_profile[b]) <= tolerance);
    EXPECT_TRUE(std::abs(s.query_profile[b] - expected.query_profile[b]) <= tolerance);
  }
}

inline void expect_singular_values(const HeadStatistics& s, const HeadStatistics& expected, double tolerance) {
  ASSERT_FALSE(s.singular_values.empty());
  for (std::size_t i = 0; i < s.singular_values.size(); ++i) {
    EXPECT_TRUE(std::abs(s.singular_values[i] - expected.singular_values[i]) <= tolerance * expected.spectrum.sigma_max)
        << "singular value " << i;
  }
}

/// Compares the statistics that leading components determine.
inline void expect_leading(const SpectrumStatistics& s, const SpectrumStatistics& expected, double tolerance) {
  EXPECT_EQ(s.k50, expected.k50);
  EXPECT_EQ(s.k90, expected.k90);
  EXPECT_EQ(s.k95, expected.k95);
  EXPECT_EQ(s.k99, expected.k99);
  expect_near(s.energy, expected.energy, tolerance, "energy");
  expect_near(s.sigma_max, expected.sigma_max, tolerance, "sigma_max");
  expect_near(s.stable_rank, expected.stable_rank, tolerance, "stable_rank");
}

/// Compares the statistics that do not depend on the spectrum, in every scope.
inline void expect_head(const HeadStatistics& s, const HeadStatistics& expected, double tolerance) {
  expect_shares(s.keys, expected.keys, tolerance);
  expect_shares(s.queries, expected.queries, tolerance);
  expect_profiles(s, expected, tolerance);
  EXPECT_EQ(s.coherence.key_rank, expected.coherence.key_rank);
  expect_near(s.coherence.key_effective_rank, expected.coherence.key_effective_rank, tolerance, "key_effective_rank");
  expect_near(s.coherence.coherence, expected.coherence.coherence, tolerance, "coherence");
  expect_near(s.coherence.coherence_raw, expected.coherence.coherence_raw, tolerance, "coherence_raw");
  expect_near(s.attention.max_logit, expected.attention.max_logit, tolerance, "max_logit");
  expect_near(s.attention.entropy, expected.attention.entropy, tolerance, "attention entropy");
  expect_near(s.attention.sink_first, expected.attention.sink_first, tolerance, "sink_first");
  if (std::isnan(expected.delocalisation_ratio)) {
    EXPECT_TRUE(std::isnan(s.delocalisation_ratio));
  } else {
    expect_near(s.delocalisation_ratio, expected.delocalisation_ratio, tolerance, "delocalisation_ratio");
  }
}

/// Compares heads whose whole spectrum is known.
inline void expect_equal(const HeadStatistics& s, const HeadStatistics& expected, double tolerance) {
  EXPECT_EQ(s.spectrum.rank, expected.spectrum.rank);
  expect_leading(s.spectrum, expected.spectrum, tolerance);
  expect_near(s.spectrum.effective_rank, expected.spectrum.effective_rank, tolerance, "effective_rank");
  expect_near(s.spectrum.energy_effective_rank, expected.spectrum.energy_effective_rank, tolerance,
              "energy_effective_rank");
  expect_near(s.spectrum.participation_ratio, expected.spectrum.participation_ratio, tolerance, "participation_ratio");
  EXPECT_EQ(s.spectrum.effective_rank_se, 0);
  expect_singular_values(s, expected, tolerance);
  expect_head(s, expected, tolerance);
}

}  // namespace logitfield::testing
