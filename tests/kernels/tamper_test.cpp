#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <stdexcept>

#include "kernels/field/causal_field.hpp"
#include "kernels/field/dense_field.hpp"
#include "kernels/field/factored_field.hpp"
#include "kernels/field/routes.hpp"
#include "kernels/spectra/lapack.hpp"
#include "torture_inputs.hpp"

namespace logitfield::kernels {
namespace {

using testing::expect_certified;
using testing::random_matrix;

constexpr Index kLength = 100, kWidth = 8, kComponents = 6;  // more rows than the certificate samples
constexpr std::uint64_t kSeed = 20261125;
constexpr int kTrials = 16;
constexpr double kSizes[] = {1e-12, 1e-9, 1e-6, 1e-3, 1, kUndefined};
const LogitForm kForm{.scale = 0.35};
const Placement kWhole{0, kLength};

/// Changes one randomly chosen number by `size` times itself; if `size` is NaN, to NaN.
class Tamper {
 public:
  Tamper(double size, std::uint64_t seed) : size_(size), random_(seed) {}

  /// Returns the size of the change.
  template <class Number>
  double operator()(Number* values, Index count) {
    Number& x = values[draw(count)];
    const Number before = x;
    x = static_cast<Number>(std::isnan(size_) ? kUndefined : x * (1 + size_));
    return static_cast<double>(x) - static_cast<double>(before);
  }
  template <class Numbers>
  double operator()(Numbers& values) {
    return (*this)(values.data(), static_cast<Index>(values.size()));
  }
  Index draw(Index count) { return std::uniform_int_distribution<Index>(0, count - 1)(random_); }

 private:
  double size_;
  std::mt19937_64 random_;
};
const auto kNothing = [](auto&...) {};

/// The causal field with one entry of one of its products tampered with.
class FaultyOperator final : public kernels::LinearOperator {
 public:
  FaultyOperator(const kernels::CausalField& field, Tamper* tamper, Index product)
      : sound_(alone(), field), tamper_(tamper), left_(product) {}
  Index rows() const override { return sound_.rows(); }
  void apply(const Matrix& x, Matrix& y) const override { sound_.apply(x, y), count(y); }
  void apply_transpose(const Matrix& y, Matrix& x) const override { sound_.apply_transpose(y, x), count(x); }

 private:
  void count(Matrix& product) const {
    if (tamper_ && left_-- == 0) (*tamper_)(product);
  }
  kernels::CausalOperator sound_;
  Tamper* tamper_;
  mutable Index left_;
};

/// A head measured in stages, with tampering between them: callbacks such as `field` and `result` change one place.
struct Head {
  MatrixF q, k;
  explicit Head(unsigned seed)
      : q(testing::graded_matrix(kLength, kWidth, 0.7, seed).cast<float>()),
        k(testing::graded_matrix(kLength, kWidth, 0.7, seed + 2).cast<float>()) {}

  using Change = std::function<void(Head&)>;
  using ChangeEnergies = std::function<void(kernels::CausalEnergies&)>;
  using ChangeResult = std::function<void(RouteResult&)>;
  /// Changes the queries' side of the core's SVD and of its factor; called for each side.
  using ChangeParts = std::function<void(Matrix& r, Matrix& basis_probes)>;

  HeadStatistics complete(Scope scope, RouteResult result, const ChangeResult& change) {
    change(result);
    return kernels::complete_statistics({{q}, k, {kForm}}, 0, scope, std::move(result));
  }

  HeadStatistics factored(const Change& between, const ChangeParts& parts, const ChangeResult& change,
                          Tamper* vector = nullptr) {
    const Team& team = alone();
    const kernels::TallFactor a = kernels::tall_factor(team, kernels::field_queries(q, kForm), kWhole);
    const kernels::TallFactor b = kernels::tall_factor(team, kernels::centred_keys(team, k, kWhole).rows, kWhole);
    Matrix r = a.factor.r(), probes = a.basis_probes;
    between(*this);
    parts(r, probes);
    const auto side = [&](bool queries, Matrix image) {
      if (queries && vector) tamper_left_vector(*vector, r * b.factor.r().transpose(), b.basis_probes, image);
      return queries ? kernels::measure_side(team, a, b, image) : kernels::measure_side(team, b, a, image);
    };
    const double noise = rounding_of(q, k, kForm).noise;
    return complete(Scope::full,
                    kernels::factored_route({r, probes, a.norm, kWidth}, {b.factor.r(), b.basis_probes, b.norm, kWidth},
                                            side, kLength, noise),
                    change);
  }

  HeadStatistics krylov(const Change& between, const ChangeEnergies& energies_change, const ChangeResult& change,
                        Tamper* product = nullptr) {
    const Team& team = alone();
    const kernels::FactorRows a = kernels::field_queries(q, kForm), b = kernels::centred_keys(team, k, kWhole).rows;
    const Rounding rounding = rounding_of(q, k, kForm);
    kernels::CausalEnergies energies = kernels::causal_energies(team, a, b, kWhole);
    between(*this);
    energies_change(energies);
    const kernels::CausalField field = kernels::causal_field(a, b, energies.means);
    const FaultyOperator matrix(field, product, product ? product->draw(40) : 0);
    return complete(Scope::causal,
                    kernels::krylov_route(team, std::move(energies), matrix, &field, kWhole, kComponents, rounding),
                    change);
  }

  HeadStatistics dense(const std::function<void(Matrix&)>& tamper_field, const ChangeResult& change) {
    Matrix field = kernels::dense_field(q, k, kForm, Scope::causal);
    tamper_field(field);
    return complete(
        Scope::causal,
        kernels::dense_route(kernels::formed_field(field), Scope::causal, q.cols() + 1, rounding_of(q, k, kForm)),
        change);
  }

 private:
  /// Changes one entry of a left singular vector, and everything that is computed from it.
  static void tamper_left_vector(Tamper& tamper, const Matrix& core, const Matrix& probes, Matrix& image) {
    kernels::Svd parts = kernels::svd(core);
    tamper(parts.u);
    const Vector sigma = Eigen::Map<const Vector>(parts.sigma.data(), std::ssize(parts.sigma));
    image = parts.u * (sigma.asDiagonal() * (parts.vt * probes));
  }
};

/// A place where a number is tampered with, and how the head is then measured.
struct Place {
  const char* name;
  std::function<HeadStatistics(Head&, Tamper&)> measure;
  /// Stored in float32: changes below its rounding do not count.
  bool single_precision = false;
};

/// Adds the places that every route has at its end, in its result.
using Measure = std::function<HeadStatistics(Head&, const Head::ChangeResult&)>;
void add_results(const char* const (&names)[4], const Measure& measure, std::vector<Place>& places) {
  places.push_back(
      {names[0], [=](Head& h, Tamper& t) { return measure(h, [&](RouteResult& r) { t(r.key_energy); }); }});
  places.push_back(
      {names[1], [=](Head& h, Tamper& t) { return measure(h, [&](RouteResult& r) { t(r.query_energy); }); }});
  places.push_back({names[2], [=](Head& h, Tamper& t) { return measure(h, [&](RouteResult& r) { t(r.sigma); }); }});
  places.push_back(
      {names[3], [=](Head& h, Tamper& t) { return measure(h, [&](RouteResult& r) { t(&r.spectrum.energy, 1); }); }});
}

std::vector<Place> places() {
  const auto factored = [](Head& h, const Head::ChangeResult& c) { return h.factored(kNothing, kNothing, c); };
  const auto krylov = [](Head& h, const Head::ChangeResult& c) { return h.krylov(kNothing, kNothing, c); };
  const auto dense = [](Head& h, const Head::ChangeResult& c) { return h.dense(kNothing, c); };
  std::vector<Place> out{
      {"factored: Q between its passes",
       [](Head& h, Tamper& t) { return h.factored([&](Head& x) { t(x.q); }, kNothing, kNothing); }, true},
      {"factored: K between its passes",
       [](Head& h, Tamper& t) { return h.factored([&](Head& x) { t(x.k); }, kNothing, kNothing); }, true},
      {"factored: triangular factor of Q",
       [](Head& h, Tamper& t) {
         const Index i = t.draw(kWidth), j = i + t.draw(kWidth - i);
         return h.factored(
             kNothing, [&](Matrix& r, Matrix&) { t(&r(i, j), 1); }, kNothing);
       }},
      {"factored: basis times probes",
       [](Head& h, Tamper& t) {
         return h.factored(
             kNothing, [&](Matrix&, Matrix& x) { t(x); }, kNothing);
       }},
      {"factored: singular vector", [](Head& h, Tamper& t) { return h.factored(kNothing, kNothing, kNothing, &t); }},
  };
  add_results(
      {"factored: energy of a key", "factored: energy of a query", "factored: singular value", "factored: energy"},
      factored, out);
  out.push_back({"krylov: Q after the energies",
                 [](Head& h, Tamper& t) { return h.krylov([&](Head& x) { t(x.q); }, kNothing, kNothing); }, true});
  out.push_back({"krylov: K after the energies",
                 [](Head& h, Tamper& t) { return h.krylov([&](Head& x) { t(x.k); }, kNothing, kNothing); }, true});
  out.push_back({"krylov: row mean", [](Head& h, Tamper& t) {
                   return h.krylov(
                       kNothing, [&](kernels::CausalEnergies& e) { t(e.means); }, kNothing);
                 }});
  out.push_back({"krylov: one of its first 40 products",
                 [](Head& h, Tamper& t) { return h.krylov(kNothing, kNothing, kNothing, &t); }});
  add_results({"krylov: energy of a key", "krylov: energy of a query", "krylov: singular value", "krylov: energy"},
              krylov, out);
  out.push_back({"dense: entry of E", [](Head& h, Tamper& t) {
                   const Index i = 1 + t.draw(kLength - 1), j = t.draw(i + 1);
                   return h.dense([&](Matrix& e) { t(&e(i, j), 1); }, kNothing);
                 }});
  out.push_back(
      {"dense: E times probes", [=](Head& h, Tamper& t) { return dense(h, [&](RouteResult& r) { t(r.products); }); }});
  add_results({"dense: energy of a key", "dense: energy of a query", "dense: singular value", "dense: energy"}, dense,
              out);
  return out;
}

/// Largest error of the returned numbers, relative to the largest of their kind.
double damage(const HeadStatistics& s, const HeadStatistics& clean) {
  double worst = std::abs(s.spectrum.energy / clean.spectrum.energy - 1);
  for (const auto& [value, expected] : {std::pair{s.keys.max_share, clean.keys.max_share},
                                        {s.queries.max_share, clean.queries.max_share},
                                        {s.keys.participation, clean.keys.participation},
                                        {s.queries.participation, clean.queries.participation},
                                        {s.spectrum.stable_rank, clean.spectrum.stable_rank}}) {
    worst = larger(worst, std::abs(value / expected - 1));
  }
  for (std::size_t i = 0; i < s.singular_values.size(); ++i) {
    worst = larger(worst, std::abs(s.singular_values[i] - clean.singular_values[i]) / clean.spectrum.sigma_max);
  }
  return worst;
}

Head head_of(int trial) { return Head(static_cast<unsigned>(trial)); }

/// Statistics of all trials' heads without tampering, by the first letter of the route.
std::map<char, std::vector<HeadStatistics>> clean_statistics() {
  std::map<char, std::vector<HeadStatistics>> out;
  for (int trial = 0; trial < kTrials; ++trial) {
    out['f'].push_back(head_of(trial).factored(kNothing, kNothing, kNothing));
    out['k'].push_back(head_of(trial).krylov(kNothing, kNothing, kNothing));
    out['d'].push_back(head_of(trial).dense(kNothing, kNothing));
  }
  for (const auto& [route, heads] : out) std::ranges::for_each(heads, expect_certified);
  return out;
}

/// Clean heads must raise no alarm. Tampered heads must raise one, unless their numbers are still right to six digits.
/// Prints how often there was an alarm, and from which checks.
TEST(Tamper, IsDetectedOrHarmless) {
  std::map<std::string_view, int> alarms[std::size(kSizes)];
  int heads[std::size(kSizes)] = {};
  const auto clean = clean_statistics();
  std::uint64_t seed = kSeed;
  fmt::print("alarms among {} heads, one number off by\n{:<38}", kTrials, "");
  for (const double size : kSizes) fmt::print("{:>8}", size);
  fmt::print("\n");
  for (const Place& place : places()) {
    fmt::print("{:<38}", place.name);
    for (std::size_t s = 0; s < std::size(kSizes); ++s) {
      if (place.single_precision && kSizes[s] < 1e-7) {
        fmt::print("{:>8}", "-");
        continue;
      }
      int detected = 0;
      for (int trial = 0; trial < kTrials; ++trial) {
        SCOPED_TRACE(::testing::Message() << place.name << " off by " << kSizes[s] << ", seed " << seed + 1);
        Head head = head_of(trial);
        Tamper tamper(kSizes[s], ++seed);
        ++heads[s];
        HeadStatistics found;
        try {
          found = place.measure(head, tamper);
        } catch (const std::runtime_error&) {  // LAPACK refuses a NaN with an error
          EXPECT_TRUE(std::isnan(kSizes[s]));
          ++detected, ++alarms[s]["LAPACK's own refusal"];
          continue;
        }
        for (const CertificateCheck& c : found.certificate.checks()) alarms[s][c.name] += !c.holds;
        detected += !found.certificate.certified();
        if (!found.certificate.certified()) continue;
        const double harm = damage(found, clean.at(place.name[0])[trial]);
        EXPECT_TRUE(harm <= 1e-6) << harm;
      }
      fmt::print("{:>7}%", 100 * detected / kTrials);
    }
    fmt::print("\n");
  }
  fmt::print("\nby check, of all heads\n");
  for (const auto& [name, unused] : alarms[std::size(kSizes) - 1]) {
    fmt::print("{:<38}", name);
    for (std::size_t s = 0; s < std::size(kSizes); ++s) fmt::print("{:>7}%", 100 * alarms[s][name] / heads[s]);
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace logitfield::kernels
