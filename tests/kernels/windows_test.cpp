#include <gtest/gtest.h>

#include "head_comparison.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/windowed_field.hpp"
#include "thread_team.hpp"

// Fields and attention of layers in which a query sees a window, or a chunk, of the keys.
namespace logitfield::kernels {
namespace {

using testing::graded_matrix;
using testing::measure;
using testing::random_matrix;
using testing::reference;

/// Windows and chunks around multiples of the tile sizes (32 and 48 rows), and at the ends.
std::vector<Visible> masks_of(Index length) {
  std::vector<Visible> out;
  for (const Index keys : {Index{1}, Index{2}, Index{3}, Index{7}, Index{31}, Index{32}, Index{33}, Index{64},
                           Index{95}, Index{97}, length - 1, length}) {
    if (keys < 1 || keys > length) continue;
    out.push_back({.window = keys});
    out.push_back({.chunk = keys});
  }
  return out;
}

LogitForm form_of(const Visible& visible, double slope = 0, std::optional<double> cap = {}) {
  return {.scale = 0.25, .alibi_slope = slope, .softcap = cap, .visible = visible};
}

/// Keys far from zero that differ little.
MatrixF shifted(Index length, Index width, double shift, unsigned seed) {
  MatrixF k = random_matrix<float>(length, width, seed);
  k.rowwise() += static_cast<float>(shift) * random_matrix<float>(1, width, seed + 1).row(0);
  return k;
}

std::string name_of(const Visible& v) {
  return v.window > 0 ? "window " + std::to_string(v.window) : "chunk " + std::to_string(v.chunk);
}

/// Compares everything but the numerical rank: rounding decides which of the smallest singular values count.
void expect_same(const HeadStatistics& s, const HeadStatistics& expected, double tolerance) {
  testing::expect_leading(s.spectrum, expected.spectrum, tolerance);
  testing::expect_singular_values(s, expected, tolerance);
  testing::expect_head(s, expected, tolerance);
  EXPECT_TRUE(s.certificate.certified());
}

/// Cases without any field (below), or with pairs of keys of equal energy, of which neither is the largest.
bool is_special(const Visible& visible, Index length) { return visible.keys(length) == 1 || visible.chunk == 2; }

TEST(Visible, FirstKeyLastQueryAndPairsAgree) {
  for (const Index length : {1, 2, 5, 64, 100}) {
    for (Visible v : masks_of(length)) {
      Index pairs = 0, most = 0;
      for (Index i = 0; i < length; ++i) {
        pairs += i + 1 - v.first_key(i);
        most = std::max(most, i + 1 - v.first_key(i));
        for (Index j = 0; j <= i; ++j) {
          EXPECT_EQ(v.first_key(i) <= j, i <= v.last_query(j, length)) << name_of(v) << ": " << i << ", " << j;
          EXPECT_EQ(v.first_key(i) <= j, v.window > 0 ? j > i - v.window : j / v.chunk == i / v.chunk);
        }
      }
      EXPECT_EQ(v.pairs(length), pairs) << name_of(v);
      EXPECT_EQ(v.keys(length), most) << name_of(v);
      EXPECT_EQ(v.hides(length), pairs < length * (length + 1) / 2) << name_of(v);
    }
    EXPECT_EQ(Visible{}.pairs(length), length * (length + 1) / 2);
  }
}

TEST(Windows, DenseRouteEqualsTheDefinition) {
  for (const Index length : {2, 33, 99}) {
    const MatrixF q = random_matrix<float>(length, 6, 1), k = shifted(length, 6, 3, 2);
    for (const Visible& visible : masks_of(length)) {
      if (is_special(visible, length)) continue;
      for (const LogitForm& form : {form_of(visible), form_of(visible, 0.0625), form_of(visible, 0, 2.0)}) {
        SCOPED_TRACE(::testing::Message() << name_of(visible) << " of " << length << ", slope " << form.alibi_slope);
        const HeadStatistics s = measure(q, k, form, Scope::causal, Route::dense);
        const HeadStatistics expected = reference(q, k, form, Scope::causal);
        expect_same(s, expected, 1e-9);
        testing::expect_near(s.spectrum.effective_rank, expected.spectrum.effective_rank, 1e-9, "effective_rank");
        const Index chunks = visible.chunk > 0 ? (length + visible.chunk - 1) / visible.chunk : 1;
        EXPECT_EQ(s.rank_bound, length - chunks);
      }
    }
  }
}

/// Other scopes are not masked: only attention uses the window.
TEST(Windows, OtherScopesAreOverAllKeys) {
  const Index length = 90;
  const MatrixF q = random_matrix<float>(length, 8, 3), k = shifted(length, 8, 1, 4);
  const LogitForm windowed = form_of({.window = 20}), all = form_of({});
  for (const auto& [scope, route] : {std::pair{Scope::full, Route::factored},
                                     {Scope::causal_mean, Route::factored},
                                     {Scope::causal_unwindowed, Route::dense},
                                     {Scope::causal_unwindowed, Route::krylov}}) {
    SCOPED_TRACE(scope_name(scope));
    const HeadStatistics s = measure(q, k, windowed, {length, scope, route, length});
    HeadStatistics without = measure(q, k, all, {length, scope, route, length});
    EXPECT_TRUE(s.certificate.certified());
    EXPECT_EQ(s.singular_values, without.singular_values);
    EXPECT_EQ(s.keys.max_share, without.keys.max_share);
    EXPECT_NE(s.attention.entropy, without.attention.entropy);
    EXPECT_EQ(s.attention.entropy, measure(q, k, windowed, Scope::full, Route::factored).attention.entropy);
    if (is_masked(scope)) {
      EXPECT_EQ(s.singular_values, measure(q, k, all, {length, Scope::causal, route, length}).singular_values);
    }
  }
}

/// A window that hides no key must not change a single bit.
TEST(Windows, AsLongAsTheContextHideNothing) {
  for (const Route route : {Route::dense, Route::krylov}) {
    const MatrixF q = random_matrix<float>(70, 8, 5), k = random_matrix<float>(70, 8, 6);
    const HeadStatistics all = measure(q, k, form_of({}), {70, Scope::causal, route, 70});
    for (const Visible& visible : {Visible{.window = 70}, Visible{.window = 1000}, Visible{.chunk = 70}}) {
      const HeadStatistics s = measure(q, k, form_of(visible), {70, Scope::causal, route, 70});
      EXPECT_EQ(s.singular_values, all.singular_values);
      EXPECT_EQ(s.spectrum.effective_rank, all.spectrum.effective_rank);
      EXPECT_EQ(s.keys.gini, all.keys.gini);
      EXPECT_EQ(s.attention.entropy, all.attention.entropy);
      EXPECT_EQ(s.certificate.zero_sum_margin, all.certificate.zero_sum_margin);
    }
  }
}

TEST(Windows, OfOneKeyLeaveNoField) {
  const MatrixF q = random_matrix<float>(60, 4, 7), k = random_matrix<float>(60, 4, 8);
  for (const Route route : {Route::dense, Route::krylov}) {
    for (const Visible& visible : {Visible{.window = 1}, Visible{.chunk = 1}}) {
      const HeadStatistics s = measure(q, k, form_of(visible), {60, Scope::causal, route, 60});
      EXPECT_EQ(s.spectrum.energy, 0);
      EXPECT_EQ(s.spectrum.rank, 0);
      EXPECT_TRUE(s.certificate.certified());
      EXPECT_EQ(s.attention.entropy, 0);
      EXPECT_TRUE(std::abs(s.attention.sink_first - (visible.window > 0 ? 1.0 / 60 : 1.0 / 60)) <= 1e-15);
    }
  }
}

TEST(Windows, KrylovRoute) {
  for (const auto& [length, width] : {std::pair<Index, Index>{66, 5}, {120, 12}}) {
    const MatrixF q = graded_matrix(length, width, 1.5, 10).cast<float>(), k = shifted(length, width, 5, 11);
    for (const Visible& visible : masks_of(length)) {
      if (is_special(visible, length)) continue;
      for (const LogitForm& form : {form_of(visible), form_of(visible, 0.0625)}) {
        SCOPED_TRACE(::testing::Message() << name_of(visible) << " of " << length << ", slope " << form.alibi_slope);
        const HeadStatistics s = measure(q, k, form, {length, Scope::causal, Route::krylov, length});
        expect_same(s, reference(q, k, form, Scope::causal), 1e-8);
      }
    }
  }
}

/// Compares energies, means and products of a rank's rows with the explicit field.
void expect_windowed_operator(const Team& team, const MatrixF& q, const MatrixF& k, const LogitForm& form) {
  SCOPED_TRACE(::testing::Message() << name_of(form.visible) << " of " << q.rows() << " on " << team.size());
  const Matrix field = oracle::energy_field(q.cast<double>(), k.cast<double>(), form, Scope::causal);
  const Index length = q.rows(), begin = length * team.rank() / team.size(),
              end = length * (team.rank() + 1) / team.size(), count = end - begin;
  const MatrixF own_q = q.middleRows(begin, count), own_k = k.middleRows(begin, count);
  const Placement placement{begin, length};
  const kernels::CentredKeys keys = kernels::centred_keys(team, own_k, placement);
  const kernels::FactorRows a = kernels::field_queries(own_q, form), b = kernels::field_keys(keys, form, placement);
  const kernels::CausalEnergies energies = kernels::windowed_energies(team, a, b, placement, form.visible);
  const double rounding = rounding_of(q, k, form).energy;
  EXPECT_TRUE((energies.keys - field.colwise().squaredNorm().transpose().segment(begin, count)).norm() <= rounding);
  EXPECT_TRUE((energies.queries - field.rowwise().squaredNorm().segment(begin, count)).norm() <= rounding);

  const kernels::CausalField causal = kernels::causal_field(a, b, energies.means);
  const kernels::WindowedOperator matrix(team, causal, placement, form.visible);
  const Matrix x = random_matrix(length, 5, 9);
  Matrix y, z;
  matrix.apply(x.middleRows(begin, count), y);
  matrix.apply_transpose(x.middleRows(begin, count), z);
  const double size = rounding_of(q, k, form).row_sums;
  EXPECT_TRUE((y - (field * x).middleRows(begin, count)).norm() <= size);
  EXPECT_TRUE((z - (field.transpose() * x).middleRows(begin, count)).norm() <= size);
}

TEST(Windows, EnergiesAndOperatorOnAnyTeam) {
  for (const auto& [length, width] : {std::pair<Index, Index>{2, 4}, {31, 8}, {66, 5}, {200, 12}}) {
    const MatrixF q = random_matrix<float>(length, width, 7), k = shifted(length, width, 20, 8);
    for (const Visible& visible : masks_of(length)) {
      expect_windowed_operator(alone(), q, k, form_of(visible, length > 60 ? 0.0625 : 0));
      for (int ranks = 2; ranks <= 4; ++ranks) {
        testing::run_team(ranks, [&](const Team& team) { expect_windowed_operator(team, q, k, form_of(visible)); });
      }
    }
  }
}

/// Sums over a window must forget keys that have left it: one huge earlier key must not cost any digit later.
TEST(Windows, WhatHasLeftAWindowIsForgotten) {
  const Index length = 400;
  MatrixF q = random_matrix<float>(length, 6, 12), k = random_matrix<float>(length, 6, 13);
  k.topRows(5) *= 1e9F;
  k.topRows(5).rowwise() -= k.topRows(5).colwise().mean().eval();  // keeps the mean over the context small
  const LogitForm form = form_of({.window = 100});
  const kernels::CentredKeys keys = kernels::centred_keys(alone(), k, {0, length});
  const kernels::FactorRows a = kernels::field_queries(q, form), b = kernels::field_keys(keys, form, {0, length});
  const kernels::CausalEnergies found = kernels::windowed_energies(alone(), a, b, {0, length}, form.visible);
  const Matrix field = oracle::energy_field(q.cast<double>(), k.cast<double>(), form, Scope::causal);
  for (Index i = 200; i < length; ++i) {
    const double expected = field.row(i).squaredNorm();
    // The mean over the context has lost digits to the large keys. A difference of prefix sums would lose 1e18 times as
    // much.
    EXPECT_TRUE(std::abs(found.queries[i] - expected) <= 1e-6 * expected) << i;
  }
}

TEST(Windows, SharedHeadsGiveTheSameNumbers) {
  const Index length = 131;
  const MatrixF q = random_matrix<float>(length, 12, 20), q2 = graded_matrix(length, 12, 9, 21).cast<float>();
  const MatrixF k = graded_matrix(length, 12, 3, 22).cast<float>();
  for (const Visible& visible : {Visible{.window = 100}, Visible{.chunk = 40}}) {
    const std::vector<FieldRequest> requests{{length, Scope::causal, Route::krylov},
                                             {length, Scope::causal_unwindowed, Route::krylov}};
    const std::vector<LogitForm> forms{form_of(visible), form_of(visible, 0.0625)};
    const auto whole = kernels::field_statistics({{q, q2}, k, forms}, requests);
    for (const int ranks : {2, 4}) {
      testing::run_team(ranks, [&](const Team& team) {
        SCOPED_TRACE(name_of(visible));
        const Index begin = length * team.rank() / ranks, end = length * (team.rank() + 1) / ranks;
        const MatrixF own = q.middleRows(begin, end - begin), own2 = q2.middleRows(begin, end - begin),
                      own_k = k.middleRows(begin, end - begin);
        const auto shared =
            kernels::shared_field_statistics(team, {{own, own2}, own_k, forms}, {begin, length}, requests);
        for (std::size_t h = 0; h < 2; ++h) {
          for (std::size_t r = 0; r < requests.size(); ++r) {
            testing::expect_leading(shared[h][r].spectrum, whole[h][r].spectrum, 1e-10);
            testing::expect_singular_values(shared[h][r], whole[h][r], 1e-10);
            testing::expect_shares(shared[h][r].keys, whole[h][r].keys, 1e-10);
            EXPECT_TRUE(shared[h][r].certificate.certified());
          }
        }
      });
    }
  }
}

TEST(Windows, ANaNFailsTheCertificate) {
  MatrixF q = random_matrix<float>(80, 4, 14), k = random_matrix<float>(80, 4, 15);
  k(3, 1) = std::numeric_limits<float>::quiet_NaN();  // far outside the last windows
  for (const Route route : {Route::dense, Route::krylov}) {
    const HeadStatistics s = measure(q, k, form_of({.window = 8}), {80, Scope::causal, route, 80});
    EXPECT_FALSE(s.certificate.certified());
    EXPECT_TRUE(std::isnan(s.spectrum.energy) && std::isnan(s.attention.entropy));
  }
}

TEST(Windows, AttentionOfEveryContextEqualsTheDefinition) {
  const Index length = 200;
  const MatrixF q = random_matrix<float>(length, 6, 16), k = shifted(length, 6, 1, 17);
  const std::vector<std::int64_t> contexts{2, 63, 64, 65, 130, 200};
  for (const Visible& visible : masks_of(length)) {
    for (const LogitForm& form : {form_of(visible), form_of(visible, 0.125), form_of(visible, 0, 1.5)}) {
      const auto found =
          kernels::attention_statistics(kernels::attention_rows(q, k.cast<double>(), form, contexts.back()), contexts);
      for (std::size_t c = 0; c < contexts.size(); ++c) {
        SCOPED_TRACE(::testing::Message() << name_of(visible) << " of " << contexts[c]);
        const auto expected =
            reference(q.topRows(contexts[c]), k.topRows(contexts[c]), form, Scope::causal_mean).attention;
        testing::expect_near(found[c].max_logit, expected.max_logit, 1e-12, "max_logit");
        EXPECT_TRUE(std::abs(found[c].entropy - expected.entropy) <= 1e-12);
        EXPECT_TRUE(std::abs(found[c].sink_first - expected.sink_first) <= 1e-12);
      }
    }
  }
}

}  // namespace
}  // namespace logitfield::kernels
