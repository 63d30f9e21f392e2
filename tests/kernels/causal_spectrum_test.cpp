#include "kernels/field/causal_spectrum.hpp"

#include <gtest/gtest.h>

#include "head_comparison.hpp"
#include "kernels/field/dense_field.hpp"
#include "kernels/field/spectral_integrals.hpp"
#include "kernels/field/spectrum.hpp"
#include "kernels/spectra/lapack.hpp"
#include "thread_team.hpp"

namespace logitfield::kernels {
namespace {

using testing::graded_matrix;
using testing::random_matrix;

/// A head, this team's rows of its causal field, and a dense decomposition of the whole field.
struct Head {
  MatrixF q, k;
  LogitForm form;
  std::vector<double> sigma;
  double energy = 0;

  Head(MatrixF queries, MatrixF keys, const LogitForm& logit_form)
      : q(std::move(queries)), k(std::move(keys)), form(logit_form) {
    const Matrix field = kernels::dense_field(q, k, form, Scope::causal);
    sigma = kernels::singular_values(field);
    energy = field.squaredNorm();
  }
  Index length() const { return q.rows(); }

  void visit(const Team& team, const std::function<void(const kernels::CausalSpectrum&)>& check) const {
    const Index begin = length() * team.rank() / team.size(), end = length() * (team.rank() + 1) / team.size();
    const Placement placement{begin, length()};
    const MatrixF own_q = q.middleRows(begin, end - begin), own_k = k.middleRows(begin, end - begin);
    const kernels::CentredKeys keys = kernels::centred_keys(team, own_k, placement);
    const kernels::FactorRows a = kernels::field_queries(own_q, form), b = kernels::field_keys(keys, form, placement);
    const kernels::CausalField field =
        kernels::causal_field(a, b, kernels::causal_energies(team, a, b, placement).means);
    check(kernels::CausalSpectrum(team, field, length(), energy));
  }
};

std::vector<Head> heads() {
  std::vector<Head> out;
  for (const double slope : {0.0, 0.0625}) {
    const LogitForm form{.scale = 0.25, .alibi_slope = slope};
    out.emplace_back(random_matrix<float>(2, 3, 1), random_matrix<float>(2, 3, 2), form);
    out.emplace_back(random_matrix<float>(65, 8, 3), random_matrix<float>(65, 8, 4), form);
    out.emplace_back(random_matrix<float>(300, 24, 5), random_matrix<float>(300, 24, 6), form);
    out.emplace_back(graded_matrix(257, 16, 6, 7).cast<float>(), graded_matrix(257, 16, 3, 8).cast<float>(), form);
    MatrixF offset = random_matrix<float>(200, 8, 9);
    offset.rowwise() += 1000 * random_matrix<float>(1, 8, 10).row(0);
    out.emplace_back(random_matrix<float>(200, 8, 11), offset, form);
  }
  return out;
}

TEST(CausalSpectrum, CountsAreThoseOfADenseDecomposition) {
  for (const Head& head : heads()) {
    for (int ranks = 1; ranks <= 4; ++ranks) {
      testing::run_team(ranks, [&](const Team& team) {
        head.visit(team, [&](const kernels::CausalSpectrum& spectrum) {
          for (std::size_t k = 1; k < head.sigma.size() && head.sigma[k] > 1e-5 * head.sigma[0]; k = 1 + 2 * k) {
            const double above = head.sigma[k - 1], below = head.sigma[k], sigma = (above + below) / 2;
            const double margin = std::min(above * above - sigma * sigma, sigma * sigma - below * below);
            const std::optional<Index> count = kernels::count_above(spectrum, sigma, margin);
            ASSERT_TRUE(count.has_value()) << k << " of " << head.length();
            EXPECT_EQ(*count, static_cast<Index>(k));
          }
        });
      });
    }
  }
}

TEST(CausalSpectrum, ACountThatRoundingCouldMoveIsNotGiven) {
  const Head head(random_matrix<float>(65, 8, 3), random_matrix<float>(65, 8, 4), {.scale = 0.25});
  head.visit(alone(), [&](const kernels::CausalSpectrum& spectrum) {
    EXPECT_FALSE(kernels::count_above(spectrum, head.sigma[3], 1e-18 * head.energy).has_value());
  });
}

TEST(CausalSpectrum, StatisticsAreThoseOfADenseDecomposition) {
  for (const Head& head : heads()) {
    const SpectrumStatistics expected = spectrum_statistics(head.sigma, head.length(), 0);
    for (int ranks = 1; ranks <= 4; ++ranks) {
      testing::run_team(ranks, [&](const Team& team) {
        head.visit(team, [&](const kernels::CausalSpectrum& spectrum) {
          const kernels::SpectrumEstimates found = kernels::integrate_spectrum(spectrum);
          const auto near = [](const kernels::Estimate& estimate, double exact) {
            EXPECT_LE(std::abs(estimate.value - exact), estimate.error + 1e-12 * exact);
            EXPECT_LE(estimate.error, 1e-4 * exact);
          };
          SCOPED_TRACE(::testing::Message() << head.length() << " " << head.form.alibi_slope << " ranks " << ranks);
          near(found.effective_rank, expected.effective_rank);
          near(found.energy_effective_rank, expected.energy_effective_rank);
          near(found.participation_ratio, expected.participation_ratio);
        });
      });
    }
  }
}

}  // namespace
}  // namespace logitfield::kernels
