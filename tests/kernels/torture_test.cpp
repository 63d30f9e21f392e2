#include <stdexcept>

#include "torture_inputs.hpp"

namespace logitfield::kernels {
namespace {

using testing::expect_certified;
using testing::expect_within;
using testing::hadamard;
using testing::measure;
using testing::random_matrix;
using testing::Way;

/// Relative error of sums of `length` terms, each a sum of head_dim products; the certificate uses the same bounds.
double rounding(Index length, Index head_dim) { return static_cast<double>(length + 16 * head_dim) * kEpsilon; }

class Torture : public ::testing::TestWithParam<Way> {
 protected:
  Scope scope() const { return GetParam().scope; }
  bool dense() const { return GetParam().route == Route::dense; }
  HeadStatistics certified(const MatrixF& q, const MatrixF& k, const LogitForm& form) const {
    HeadStatistics s = measure(q, k, form, GetParam());
    expect_certified(s);
    return s;
  }
  std::vector<LogitForm> forms() const {
    std::vector<LogitForm> out{{.scale = 0.25}, {.scale = 0.25, .alibi_slope = 0.0625}};
    if (dense()) out.push_back({.scale = 0.25, .alibi_slope = 0.0625, .softcap = 3.0});
    return out;
  }
};

/// Logits without factors.
class DenseTorture : public Torture {};

INSTANTIATE_TEST_SUITE_P(Ways, DenseTorture, ::testing::ValuesIn(testing::kDenseWays), testing::way_name);
INSTANTIATE_TEST_SUITE_P(Ways, Torture, ::testing::ValuesIn(testing::kWays), testing::way_name);

/// Expects the laws that hold for every non-zero field, and energies equal to their definition.
void expect_lawful(const HeadStatistics& s, const Matrix& field, const LogitForm& form, Scope scope, double error) {
  const double length = static_cast<double>(field.rows()), energy = field.squaredNorm();
  expect_within(s.spectrum.energy, energy, error * energy, "energy");
  const Vector keys = field.colwise().squaredNorm(), queries = field.rowwise().squaredNorm();
  expect_within(s.keys.max_share, keys.maxCoeff() / energy, 2 * error, "key max_share");
  expect_within(s.keys.first_share, keys[0] / energy, 2 * error, "key first_share");
  expect_within(s.queries.max_share, queries.maxCoeff() / energy, 2 * error, "query max_share");

  const SpectrumStatistics& x = s.spectrum;
  const double bound = static_cast<double>(s.rank_bound), slack = 1e-9 + 2 * error;
  EXPECT_LE(x.rank, s.rank_bound);
  for (const auto& [value, deviation] : {std::pair{x.stable_rank, 0.0},
                                         {x.participation_ratio, x.participation_ratio_se},
                                         {x.energy_effective_rank, x.energy_effective_rank_se},
                                         {x.effective_rank, x.effective_rank_se}}) {
    EXPECT_TRUE(value >= 1 - slack - 6 * deviation && value <= bound * (1 + slack) + 6 * deviation) << value;
  }
  EXPECT_TRUE(x.sigma_max * x.sigma_max <= x.energy * (1 + slack));
  EXPECT_TRUE(x.captured >= 0.99 && x.captured <= 1 + slack);
  EXPECT_TRUE(1 <= x.k50 && x.k50 <= x.k90 && x.k90 <= x.k95 && x.k95 <= x.k99 && x.k99 <= s.rank_bound);
  for (const ShareStatistics& c : {s.keys, s.queries}) {
    EXPECT_TRUE(c.max_share >= (1 - slack) / length && c.max_share <= 1 + slack);
    EXPECT_TRUE(c.participation >= (1 - slack) / length && c.participation <= 1 + slack);
    EXPECT_TRUE(c.entropy >= -slack && c.entropy <= 1 + slack);
    EXPECT_TRUE(c.gini >= -slack && c.gini < 1);
  }
  const bool delocalised = !std::isnan(s.delocalisation_ratio);
  EXPECT_EQ(delocalised, scope == Scope::full && form.has_factors());
  if (delocalised) {
    EXPECT_LE(s.delocalisation_ratio, 1 + 1e-6);
  }
}

TEST_P(Torture, EveryLengthAroundTheHeadDimension) {
  for (const Index d : {1, 2, 3, 64, 128, 255, 256}) {
    for (const Index length : {Index{2}, d - 1, d, d + 1}) {
      if (length < 2 || (length > 140 && GetParam().route == Route::krylov)) continue;
      const MatrixF q = random_matrix<float>(length, d, 1), k = random_matrix<float>(length, d, 2);
      for (const LogitForm& form : forms()) {
        SCOPED_TRACE(::testing::Message() << "L " << length << " d " << d << " slope " << form.alibi_slope);
        const HeadStatistics s = certified(q, k, form);
        const Matrix field = oracle::energy_field(q.cast<double>(), k.cast<double>(), form, scope());
        const double error = 2 * rounding_of(q, k, form).energy / field.squaredNorm() + 2 * rounding(length, d);
        expect_lawful(s, field, form, scope(), error);
        if (GetParam().route == Route::factored) {
          EXPECT_EQ(s.spectrum.rank, s.rank_bound);
        }
      }
    }
  }
}

TEST_P(Torture, OneTokenIsRefused) {
  try {
    measure(random_matrix<float>(1, 4, 1), random_matrix<float>(1, 4, 2), {.scale = 1}, GetParam());
    FAIL() << "one token was measured";
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("a context of 1 is outside 2"), std::string::npos) << e.what();
  }
}

/// Rows that are hard for float64, each with a name.
std::vector<std::pair<const char*, MatrixF>> adversaries(Index length, Index d) {
  std::vector<std::pair<const char*, MatrixF>> out;
  const MatrixF gaussian = random_matrix<float>(length, d, 3), one = random_matrix<float>(1, d, 7);
  const auto add = [&](const char* name, auto&& change) {
    out.emplace_back(name, gaussian);
    change(out.back().second);
  };
  const auto single = [&](Index row) { return [=](MatrixF& m) { m.setZero(), m(row, 0) = 3; }; };
  const auto half = [&](Index first, bool turned) {
    return [=](MatrixF& m) {
      Matrix part = Matrix::Zero(length, d);
      part.middleCols(first, d / 2) = random_matrix(length, d / 2, static_cast<unsigned>(first));
      const Matrix turn = Eigen::HouseholderQR<Matrix>(random_matrix(d, d, 13)).householderQ();
      m = (turned ? Matrix(part * turn) : part).cast<float>();
    };
  };
  add("gaussian", [](MatrixF&) {});
  add("14 orders", [&](MatrixF& m) { m = testing::graded_matrix(length, d, 14, 4).cast<float>(); });
  add("denormal", [&](MatrixF& m) { m = (random_matrix(length, d, 5) * 0x1p-140).cast<float>(); });
  add("1e15", [](MatrixF& m) { m *= 1e15F; });
  add("1e18", [](MatrixF& m) { m *= 1e18F; });
  add("1e36", [](MatrixF& m) { m *= 1e36F; });
  add("doubled", [&](MatrixF& m) { m.bottomRows(length / 2) = m.topRows(length / 2).eval(); });
  add("equal", [&](MatrixF& m) { m = one.replicate(length, 1); });
  add("equal but one bit", [&](MatrixF& m) {
    m = one.replicate(length, 1);
    m(5, 1) = std::nextafter(m(5, 1), 10.0F);
  });
  add("one dominant", [](MatrixF& m) { m.row(17) *= 1e12F; });
  add("the first dominant", [](MatrixF& m) { m.row(0) *= 1e12F; });
  add("large mean", [&](MatrixF& m) { m.rowwise() += 1e6F * one.row(0); });
  add("only the first", single(0));
  add("only the last", single(length - 1));
  add("heavy tails", [](MatrixF& m) { m = m.array().cube().cube().eval(); });
  add("signs", [](MatrixF& m) { m = m.array().sign().eval(); });
  add("left half", half(0, false));
  add("right half", half(d / 2, false));
  add("left half, turned", half(0, true));
  add("right half, turned", half(d / 2, true));
  return out;
}

/// Where float64 keeps six digits, clean heads must be certified; and every certified head must be right.
TEST_P(Torture, CertifiedMeansRightAndCleanMeansCertified) {
  const Index length = 48, d = 8;
  const auto rows = adversaries(length, d);
  for (const auto& [q_name, q] : rows) {
    for (const auto& [k_name, k] : rows) {
      for (const LogitForm& form : forms()) {
        SCOPED_TRACE(::testing::Message() << "queries " << q_name << ", keys " << k_name << ", slope "
                                          << form.alibi_slope << ", capped " << form.softcap.has_value());
        const Matrix field = oracle::energy_field(q.cast<double>(), k.cast<double>(), form, scope());
        const Rounding noise = rounding_of(q, k, form);
        const HeadStatistics s = measure(q, k, form, GetParam());
        if (s.spectrum.energy == 0) {
          expect_certified(s);
          EXPECT_LE(field.norm(), rounding(length, d) * std::sqrt(noise.size));
          continue;
        }
        const double error = 2 * noise.energy / field.squaredNorm() + 2 * rounding(length, d);
        const bool enough_digits = error <= 1e-6;
        if (enough_digits) expect_certified(s);
        if (enough_digits || s.certificate.certified()) {
          expect_lawful(s, field, form, scope(), std::min(error, 1e-5));
        }
      }
    }
  }
}

/// Fields that are zero up to rounding, in every form in which a field can vanish.
TEST_P(Torture, ZeroFields) {
  const Index length = 50, d = 6;
  const MatrixF some = random_matrix<float>(length, d, 21), zero = MatrixF::Zero(length, d);
  const MatrixF equal = random_matrix<float>(1, d, 22).replicate(length, 1);
  MatrixF left = zero, right = zero;
  left.leftCols(3) = some.leftCols(3);
  right.rightCols(3) = some.rightCols(3);
  std::vector<LogitForm> forms{{.scale = 0.25}};
  if (dense()) forms.push_back({.scale = 0.25, .alibi_slope = 0, .softcap = 5.0});
  const MatrixF huge = 1e18F * some, huge_equal = 1e18F * equal, tiny = 1e-42F * some, tiny_equal = 1e-42F * equal;
  for (const LogitForm& form : forms) {
    for (const auto& [q, k] : {std::pair{zero, some},
                               {some, zero},
                               {zero, zero},
                               {some, equal},
                               {left, right},
                               {huge, huge_equal},
                               {tiny, tiny_equal}}) {
      const HeadStatistics s = certified(q, k, form);
      EXPECT_EQ(s.spectrum.energy, 0);
      EXPECT_EQ(s.spectrum.rank, 0);
      EXPECT_EQ(s.spectrum.k99, 0);
      EXPECT_EQ(s.spectrum.stable_rank, 0);
      EXPECT_TRUE(std::isnan(s.spectrum.gap));
      EXPECT_TRUE(std::isnan(s.keys.max_share));
      EXPECT_EQ(s.queries.argmax, -1);
    }
  }
}

/// Logits slope * j up to a constant per row, from keys 0, 1, 2, ... or from ALiBi alone: energies are integer sums.
TEST_P(Torture, LinearLogits) {
  for (const Index length : {2, 3, 7, 64, 130}) {
    const double n = static_cast<double>(length);
    double energy = 0;
    for (Index i = 0; i < length; ++i) {
      const double mean = (scope() == Scope::full ? n - 1 : static_cast<double>(i)) / 2;
      for (Index j = 0; j < (scope() == Scope::causal ? i + 1 : length); ++j) {
        energy += (static_cast<double>(j) - mean) * (static_cast<double>(j) - mean);
      }
    }
    const MatrixF positions = VectorF::LinSpaced(length, 0, static_cast<float>(length - 1));
    const double slope = 0.125;
    for (const HeadStatistics& s :
         {certified(MatrixF::Ones(length, 1), positions, {.scale = slope}),
          certified(MatrixF::Zero(length, 1), positions, {.scale = 1, .alibi_slope = slope})}) {
      expect_within(s.spectrum.energy, slope * slope * energy, 4 * rounding(length, 2) * slope * slope * energy,
                    "energy");
      if (scope() == Scope::causal) continue;
      EXPECT_EQ(s.spectrum.rank, scope() == Scope::full ? 1 : 2);
    }
  }
}

TEST_P(Torture, OrthogonalKeys) {
  const Index length = 32;
  const double n = static_cast<double>(length);
  Vector keys = Vector::Zero(length);
  for (Index i = 0; i < length; ++i) {
    const double mean = 1 / (scope() == Scope::full ? n : static_cast<double>(i + 1));
    for (Index j = 0; j < (scope() == Scope::causal ? i + 1 : length); ++j) {
      keys[j] += ((i == j) - mean) * ((i == j) - mean);
    }
  }
  for (const float size : {0x1p-140F, 1.0F, 0x1p60F}) {
    const MatrixF rows = size * MatrixF::Identity(length, length);
    const HeadStatistics s = certified(rows, rows, {.scale = 1});
    const double unit = std::pow(size, 4), tolerance = 4 * rounding(length, length);
    expect_within(s.spectrum.energy / unit, keys.sum(), tolerance * keys.sum(), "energy");
    expect_within(s.keys.max_share, keys.maxCoeff() / keys.sum(), tolerance, "max_share");
    expect_within(s.keys.first_share, keys[0] / keys.sum(), tolerance, "first_share");
    expect_within(s.coherence.coherence, 1, tolerance, "coherence");
    expect_within(s.coherence.coherence_raw, 1, tolerance, "coherence_raw");
    EXPECT_EQ(s.coherence.key_rank, length - 1);
    if (scope() != Scope::full) continue;
    for (const double value : {s.spectrum.stable_rank, s.spectrum.effective_rank, s.spectrum.energy_effective_rank,
                               s.spectrum.participation_ratio}) {
      expect_within(value, n - 1, tolerance * n, "a rank");
    }
    expect_within(s.delocalisation_ratio, 1, tolerance * n, "delocalisation_ratio");
    EXPECT_EQ(s.spectrum.k50, 16);
    EXPECT_EQ(s.spectrum.k90, 28);
    EXPECT_EQ(s.spectrum.k99, 31);
  }
}

/// Logits so large that each row attends to a single key.
TEST_P(Torture, HugeLogits) {
  const Index length = 60, d = 5;
  for (const float size : {1e8F, 1e15F, 1e18F}) {
    const MatrixF q = size * random_matrix<float>(length, d, 31), k = size * random_matrix<float>(length, d, 32);
    const HeadStatistics s = certified(q, k, {.scale = 0.5}), same = certified(q / size, k / size, {.scale = 0.5});
    const Matrix logits = oracle::logits(q.cast<double>(), k.cast<double>(), {.scale = 0.5});
    double sinks = 0, max = logits(0, 0);
    for (Index i = 0; i < length; ++i) {
      Index most = 0;
      max = std::max(max, logits.row(i).head(i + 1).maxCoeff(&most));
      if (most == 0) ++sinks;
    }
    expect_within(s.attention.entropy, 0, kEpsilon, "entropy");
    expect_within(s.attention.sink_first, sinks / static_cast<double>(length), kEpsilon, "sink_first");
    expect_within(s.attention.max_logit, max, rounding(0, d) * q.cast<double>().norm() * k.cast<double>().norm(),
                  "max");
    // Division by a size that is not a power of two rounds float32 entries.
    expect_within(s.spectrum.stable_rank, same.spectrum.stable_rank, 1e-5 * s.spectrum.stable_rank, "stable_rank");
  }
}

/// Logits far beyond the cap become plus or minus the cap.
TEST_P(DenseTorture, SaturatedCaps) {
  const Index length = 40;
  const double cap = 30;
  for (const float size : {1e4F, 1e9F, 1e18F}) {
    MatrixF k(length, 1);
    for (Index j = 0; j < length; ++j) k(j, 0) = j < length / 2 ? size : -size;
    const HeadStatistics s =
        certified(MatrixF::Constant(length, 1, size), k, {.scale = 1, .alibi_slope = 0, .softcap = cap});
    double energy = 0;
    for (Index i = 0; i < length; ++i) {
      const Index seen = scope() == Scope::full ? length : i + 1;
      const double first = static_cast<double>(std::min(seen, length / 2)), n = static_cast<double>(seen);
      const double mean = (2 * first - n) / n;
      const double of_first = (1 - mean) * (1 - mean), of_others = (1 + mean) * (1 + mean);
      const double reached = scope() == Scope::causal ? n : static_cast<double>(length), half = length / 2.0;
      energy += cap * cap * (std::min(half, reached) * of_first + std::max(0.0, reached - half) * of_others);
    }
    expect_within(s.spectrum.energy, energy, 2 * rounding(length, 1) * energy, "energy");
    expect_within(s.attention.max_logit, cap, kEpsilon * cap, "max_logit");
  }
}

}  // namespace
}  // namespace logitfield::kernels
