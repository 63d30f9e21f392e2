#include "kernels/field/causal_field.hpp"

#include <gtest/gtest.h>

#include <Eigen/SVD>

#include "explicit_operator.hpp"
#include "head_comparison.hpp"
#include "kernels/field/routes.hpp"
#include "kernels/spectra/krylov.hpp"
#include "thread_team.hpp"

namespace logitfield::kernels {
namespace {

using testing::expect_equal;
using testing::expect_near;
using testing::ExplicitOperator;
using testing::graded_matrix;
using testing::measure;
using testing::random_matrix;
using testing::reference;

const LogitForm kPlain{.scale = 0.25}, kAlibi{.scale = 0.25, .alibi_slope = 0.0625},
    kCapped{.scale = 0.25, .alibi_slope = 0, .softcap = 3.0};

TEST(Causal, DenseRouteEqualsTheDefinition) {
  for (const auto& [length, width] : {std::pair<Index, Index>{2, 3}, {12, 32}, {40, 1}, {65, 8}, {130, 16}}) {
    const MatrixF q = random_matrix<float>(length, width, 1), k = random_matrix<float>(length, width, 2);
    for (const LogitForm& form : {kPlain, kAlibi, kCapped}) {
      for (const Scope scope : {Scope::full, Scope::causal, Scope::causal_mean}) {
        SCOPED_TRACE(::testing::Message() << scope_name(scope) << " L " << length << " d " << width << " slope "
                                          << form.alibi_slope << " capped " << form.softcap.has_value());
        const HeadStatistics s = measure(q, k, form, scope, Route::dense);
        expect_equal(s, reference(q, k, form, scope), 1e-10);
        EXPECT_TRUE(s.certificate.certified());
      }
    }
  }
}

TEST(Causal, FactoredRouteOfCausalMeanAndAlibi) {
  for (const auto& [length, width] : {std::pair<Index, Index>{5, 16}, {40, 1}, {65, 8}, {300, 32}}) {
    MatrixF q = random_matrix<float>(length, width, 3), k = random_matrix<float>(length, width, 4);
    k.rowwise() += 3 * random_matrix<float>(1, width, 5).row(0);
    for (const LogitForm& form : {kPlain, kAlibi}) {
      for (const Scope scope : {Scope::full, Scope::causal_mean}) {
        SCOPED_TRACE(::testing::Message() << scope_name(scope) << " L " << length << " slope " << form.alibi_slope);
        const HeadStatistics s = measure(q, k, form, scope, Route::factored);
        expect_equal(s, reference(q, k, form, scope), 1e-10);
        EXPECT_TRUE(s.certificate.certified());
        EXPECT_EQ(s.rank_bound, std::min<std::int64_t>(length - (scope == Scope::full ? 1 : 0),
                                                       width + (form.alibi_slope != 0) + (scope != Scope::full)));
      }
    }
  }
}

TEST(Causal, CappedLogitsHaveNoFactoredRoute) {
  const MatrixF q = random_matrix<float>(20, 4, 6);
  EXPECT_THROW(measure(q, q, kCapped, Scope::full, Route::factored), std::invalid_argument);
  EXPECT_THROW(measure(q, q, kPlain, Scope::causal, Route::factored), std::invalid_argument);
  EXPECT_THROW(measure(q, q, kPlain, Scope::full, Route::krylov), std::invalid_argument);
}

/// Compares energies and operator products on a team with the explicit field.
void expect_operator(const Team& team, const MatrixF& q, const MatrixF& k, const LogitForm& form) {
  const Matrix field = oracle::energy_field(q.cast<double>(), k.cast<double>(), form, Scope::causal);
  const Index begin = q.rows() * team.rank() / team.size(), end = q.rows() * (team.rank() + 1) / team.size();
  const MatrixF own_q = q.middleRows(begin, end - begin), own_k = k.middleRows(begin, end - begin);
  const Placement placement{begin, q.rows()};
  const kernels::CentredKeys keys = kernels::centred_keys(team, own_k, placement);
  const kernels::FactorRows a = kernels::field_queries(own_q, form), b = kernels::field_keys(keys, form, placement);
  const kernels::CausalEnergies energies = kernels::causal_energies(team, a, b, placement);
  const Vector means = kernels::causal_means(team, a, b, placement);
  EXPECT_LE((energies.means - means).norm(), 1e-13 * static_cast<double>(q.rows()) * (field.norm() + means.norm()));
  const kernels::CausalField causal = kernels::causal_field(a, b, energies.means);
  const double tolerance = 1e-12 * field.squaredNorm();
  EXPECT_LE((energies.keys - field.colwise().squaredNorm().transpose().segment(begin, end - begin)).norm(), tolerance);
  EXPECT_LE((energies.queries - field.rowwise().squaredNorm().segment(begin, end - begin)).norm(), tolerance);

  const Matrix x = random_matrix(q.rows(), 5, 9);
  const kernels::CausalOperator matrix(team, causal);
  Matrix y, z;
  matrix.apply(x.middleRows(begin, end - begin), y);
  matrix.apply_transpose(x.middleRows(begin, end - begin), z);
  const double size = 1e-13 * static_cast<double>(q.rows()) * field.norm();
  EXPECT_LE((y - (field * x).middleRows(begin, end - begin)).norm(), size);
  EXPECT_LE((z - (field.transpose() * x).middleRows(begin, end - begin)).norm(), size);
}

TEST(Causal, EnergiesAndOperatorOnAnyTeam) {
  for (const auto& [length, width] : {std::pair<Index, Index>{2, 4}, {31, 8}, {64, 16}, {200, 5}, {333, 64}}) {
    MatrixF q = random_matrix<float>(length, width, 7), k = random_matrix<float>(length, width, 8);
    k.rowwise() += 20 * random_matrix<float>(1, width, 5).row(0);
    for (const LogitForm& form : {kPlain, kAlibi}) {
      expect_operator(alone(), q, k, form);
      for (int ranks = 2; ranks <= 4; ++ranks) {
        testing::run_team(ranks, [&](const Team& team) { expect_operator(team, q, k, form); });
      }
    }
  }
}

TEST(Causal, KrylovRoute) {
  for (const auto& [length, width] : {std::pair<Index, Index>{20, 4}, {64, 8}, {200, 16}, {300, 40}}) {
    const MatrixF q = graded_matrix(length, width, 1.5, 10).cast<float>(),
                  k = graded_matrix(length, width, 1, 11).cast<float>();
    for (const LogitForm& form : {kPlain, kAlibi}) {
      SCOPED_TRACE(::testing::Message() << "L " << length << " d " << width << " slope " << form.alibi_slope);
      const HeadStatistics s = measure(q, k, form, {length, Scope::causal, Route::krylov, length});
      const HeadStatistics expected = reference(q, k, form, Scope::causal);
      testing::expect_leading(s.spectrum, expected.spectrum, 1e-10);
      testing::expect_singular_values(s, expected, 1e-9);
      testing::expect_head(s, expected, 1e-9);
      EXPECT_TRUE(s.certificate.certified());
      EXPECT_GE(s.spectrum.captured, 0.99);
      for (const auto& [value, error, exact] :
           {std::tuple{s.spectrum.effective_rank, s.spectrum.effective_rank_se, expected.spectrum.effective_rank},
            {s.spectrum.energy_effective_rank, s.spectrum.energy_effective_rank_se,
             expected.spectrum.energy_effective_rank},
            {s.spectrum.participation_ratio, s.spectrum.participation_ratio_se,
             expected.spectrum.participation_ratio}}) {
        EXPECT_LE(std::abs(value - exact), error + 1e-9 * exact);
        EXPECT_LE(error, 1e-4 * exact);  // otherwise a useless bound would pass
      }
    }
  }
}

/// Most of the effective rank lies beyond the leading components, which are much larger.
TEST(Causal, EffectiveRankOfALongTail) {
  const Index length = 1500;
  const MatrixF q = random_matrix<float>(length, 24, 16), k = random_matrix<float>(length, 24, 17);
  const HeadStatistics s = measure(q, k, kPlain, {length, Scope::causal, Route::krylov, 100});
  const HeadStatistics expected = measure(q, k, kPlain, {length, Scope::causal, Route::dense});
  EXPECT_LT(s.spectrum.components, 120);
  EXPECT_LE(std::abs(s.spectrum.effective_rank - expected.spectrum.effective_rank), s.spectrum.effective_rank_se);
  EXPECT_LE(s.spectrum.effective_rank_se, 1e-4 * expected.spectrum.effective_rank);
}

TEST(Causal, TooFewComponentsAreSaid) {
  const MatrixF q = random_matrix<float>(200, 16, 12), k = random_matrix<float>(200, 16, 13);
  const HeadStatistics s = measure(q, k, kPlain, {200, Scope::causal, Route::krylov, 8});
  const HeadStatistics expected = reference(q, k, kPlain, Scope::causal);
  EXPECT_EQ(s.spectrum.components, 8);
  EXPECT_EQ(s.spectrum.k90, -1);
  EXPECT_EQ(s.spectrum.k99, -1);
  EXPECT_EQ(s.spectrum.k_more_than, 8);
  EXPECT_LT(s.spectrum.captured, 0.9);
  testing::expect_singular_values(s, expected, 1e-9);
  EXPECT_TRUE(s.certificate.certified());
}

TEST(Krylov, RestartsUntilTheResidualsAreSmall) {
  const Matrix a = random_matrix(400, 400, 23);  // no gaps: the hardest case for a small subspace
  const Vector sigma = Eigen::BDCSVD<Matrix>(a).singularValues();
  const kernels::KrylovTarget target{.length = 400, .energy = a.squaredNorm(), .most_components = 4};
  ASSERT_LT(kernels::krylov_columns(400, 4), 400);
  const kernels::LeadingTriplets found = kernels::leading_triplets(alone(), ExplicitOperator(a), 0, target);
  ASSERT_EQ(found.sigma.size(), 4u);
  for (Index i = 0; i < 4; ++i) EXPECT_LE(std::abs(found.sigma[i] - sigma[i]), 1e-12 * sigma[0]);
  EXPECT_LE(found.residual, target.tolerance);
  const Matrix u = found.u.block(0, 4), v = found.v.block(0, 4);
  EXPECT_LE((u.transpose() * u - Matrix::Identity(4, 4)).norm(), 1e-13);
  EXPECT_LE((v.transpose() * v - Matrix::Identity(4, 4)).norm(), 1e-13);

  const kernels::KrylovTarget impossible{
      .length = 400, .energy = a.squaredNorm(), .most_components = 4, .tolerance = 1e-40};
  EXPECT_GT(kernels::leading_triplets(alone(), ExplicitOperator(a), 0, impossible).residual, 1e-40);
}

TEST(Krylov, FindsEveryCopyOfARepeatedValue) {
  // 40 equal values, more than a block is wide, and an otherwise empty space.
  Matrix a = Matrix::Zero(300, 300);
  a.diagonal().head(40).setConstant(2);
  const kernels::KrylovTarget target{.length = 300, .energy = 160, .most_components = 300};
  const kernels::LeadingTriplets found = kernels::leading_triplets(alone(), ExplicitOperator(a), 0, target);
  ASSERT_EQ(found.sigma.size(), 40u);
  for (const double s : found.sigma) EXPECT_LE(std::abs(s - 2), 1e-13);
}

/// Counts the singular values above a bound, for a matrix with known ones.
auto counter(Vector sigma) {
  return [sigma = std::move(sigma)](double above, double) {
    return std::optional<Index>((sigma.array() > above).count());
  };
}

TEST(Krylov, CountsEveryCopyBesideOtherValues) {
  // Eight large values; 60 equal ones, more than a block is wide; and a tail in which the block always finds more.
  Vector sigma(400);
  sigma << Vector::LinSpaced(8, 9, 7), Vector::Constant(60, 2), Vector::LinSpaced(332, 0.1, 0.01);
  kernels::KrylovTarget target{.length = 400, .energy = sigma.squaredNorm(), .fraction = 0.9};
  target.count_above = counter(sigma);
  const kernels::LeadingTriplets found =
      kernels::leading_triplets(alone(), ExplicitOperator(sigma.asDiagonal()), 0, target);
  EXPECT_TRUE(found.proven);
  ASSERT_GT(found.sigma.size(), 8u);
  for (std::size_t i = 0; i < found.sigma.size(); ++i) {
    EXPECT_LE(std::abs(found.sigma[i] - sigma[static_cast<Index>(i)]), 1e-7 * sigma[0]) << i;
  }
}

TEST(Krylov, WhatCannotBeCountedIsNotProven) {
  const Vector sigma = Vector::LinSpaced(300, 3, 0.01);
  kernels::KrylovTarget target{.length = 300, .energy = sigma.squaredNorm(), .most_components = 20};
  const auto proven = [&] {
    return kernels::leading_triplets(alone(), ExplicitOperator(sigma.asDiagonal()), 0, target).proven;
  };
  EXPECT_FALSE(proven());
  target.count_above = [](double, double) { return std::optional<Index>(); };
  EXPECT_FALSE(proven());
  target.count_above = counter(sigma);
  EXPECT_TRUE(proven());
}

/// An operator that counts its products.
class Counting final : public kernels::LinearOperator {
 public:
  explicit Counting(const kernels::LinearOperator& field) : field_(field) {}
  Index rows() const override { return field_.rows(); }
  void apply(const Matrix& x, Matrix& y) const override { field_.apply(x, y), ++products; }
  void apply_transpose(const Matrix& y, Matrix& x) const override { field_.apply_transpose(y, x), ++products; }
  mutable int products = 0;

 private:
  const kernels::LinearOperator& field_;
};

/// The energy is known only to about 1e-11 here. That much missing from the subspace must not start a search
/// everywhere.
TEST(Krylov, AFieldOfLowRankAndLargeMeansEndsSoon) {
  const Index length = 1200, rank = 20;
  const Placement whole{0, length};
  MatrixF q = MatrixF::Zero(length, 32), k = random_matrix<float>(length, 32, 41);
  const MatrixF few = random_matrix<float>(rank, 32, 42);
  for (Index r = 0; r < rank; ++r) q.row(150 + 22 * r) = few.row(r);
  for (const float step : {0.0F, 1e3F, 1e5F}) {
    MatrixF stepped = k;
    stepped.bottomRows(length / 2).array() += step;
    const kernels::FactorRows a = kernels::field_queries(q, kPlain),
                              b = kernels::centred_keys(alone(), stepped, whole).rows;
    kernels::CausalEnergies energies = kernels::causal_energies(alone(), a, b, whole);
    const kernels::CausalField field = kernels::causal_field(a, b, energies.means);
    const kernels::CausalOperator sound(alone(), field);
    const Counting counting(sound);
    const RouteResult found = kernels::krylov_route(alone(), std::move(energies), counting, &field, whole, 256,
                                                    rounding_of(q, stepped, kPlain));
    EXPECT_EQ(found.spectrum.rank, rank) << step;
    EXPECT_LE(counting.products, 20) << step;
  }
}

TEST(Causal, ConstantKeysGiveAZeroField) {
  const MatrixF q = random_matrix<float>(64, 8, 14), k = random_matrix<float>(1, 8, 15).replicate(64, 1);
  for (const auto& [scope, route] : {std::pair{Scope::causal, Route::krylov},
                                     {Scope::causal, Route::dense},
                                     {Scope::causal_mean, Route::factored}}) {
    const HeadStatistics s = measure(q, k, kPlain, scope, route);
    EXPECT_EQ(s.spectrum.energy, 0);
    EXPECT_EQ(s.spectrum.rank, 0);
    EXPECT_TRUE(std::isnan(s.keys.max_share));
    EXPECT_TRUE(s.certificate.certified());
  }
}

TEST(Causal, RankDeficientBadlyScaledAndHuge) {
  MatrixF low = MatrixF::Zero(80, 16);
  low.leftCols(2) = random_matrix<float>(80, 2, 16);
  MatrixF huge = 60 * random_matrix<float>(80, 16, 17);
  huge.rowwise() += 100 * random_matrix<float>(1, 16, 18).row(0);
  const MatrixF graded = graded_matrix(80, 16, 12, 19).cast<float>();
  for (const auto& [q, k] : {std::pair{huge, low}, {low, huge}, {graded, graded}, {huge, huge}}) {
    const HeadStatistics expected = reference(q, k, kPlain, Scope::causal);
    const HeadStatistics s = measure(q, k, kPlain, {80, Scope::causal, Route::krylov, 80});
    testing::expect_leading(s.spectrum, expected.spectrum, 1e-10);
    EXPECT_TRUE(s.certificate.certified());
    const HeadStatistics mean = measure(q, k, kPlain, Scope::causal_mean, Route::factored);
    testing::expect_leading(mean.spectrum, reference(q, k, kPlain, Scope::causal_mean).spectrum, 1e-10);
    EXPECT_TRUE(mean.certificate.certified());
  }
}

/// Compares one rank with all rows with 2 to 4 ranks that share them.
TEST(Causal, SharedHeadsGiveTheSameNumbers) {
  const Index length = 203;
  const MatrixF q = random_matrix<float>(length, 12, 20), q2 = graded_matrix(length, 12, 9, 21).cast<float>();
  const MatrixF k = graded_matrix(length, 12, 3, 22).cast<float>();
  const std::vector<FieldRequest> requests{{length, Scope::full, Route::factored},
                                           {length, Scope::causal_mean, Route::factored},
                                           {length, Scope::causal, Route::krylov}};
  const std::vector<LogitForm> forms{kPlain, kAlibi};
  const auto whole = kernels::field_statistics({{q, q2}, k, forms}, requests);
  for (int ranks = 2; ranks <= 4; ++ranks) {
    testing::run_team(ranks, [&](const Team& team) {
      const Index begin = length * team.rank() / ranks, end = length * (team.rank() + 1) / ranks;
      const MatrixF own = q.middleRows(begin, end - begin), own2 = q2.middleRows(begin, end - begin),
                    own_k = k.middleRows(begin, end - begin);
      const auto shared =
          kernels::shared_field_statistics(team, {{own, own2}, own_k, forms}, {begin, length}, requests);
      for (std::size_t h = 0; h < 2; ++h) {
        for (std::size_t r = 0; r < requests.size(); ++r) {
          EXPECT_EQ(shared[h][r].ranks, ranks);
          testing::expect_leading(shared[h][r].spectrum, whole[h][r].spectrum, 1e-10);
          expect_near(shared[h][r].spectrum.effective_rank, whole[h][r].spectrum.effective_rank, 1e-9,
                      "effective rank");
          testing::expect_singular_values(shared[h][r], whole[h][r], 1e-10);
          testing::expect_shares(shared[h][r].keys, whole[h][r].keys, 1e-10);
          expect_near(shared[h][r].coherence.coherence_raw, whole[h][r].coherence.coherence_raw, 1e-10, "raw");
          EXPECT_TRUE(shared[h][r].certificate.certified());
        }
      }
    });
  }
}

}  // namespace
}  // namespace logitfield::kernels
