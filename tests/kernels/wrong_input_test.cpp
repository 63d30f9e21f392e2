#include "wrong_inputs.hpp"

#include <gtest/gtest.h>

#include "explicit_operator.hpp"
#include "kernels/field/dense_field.hpp"
#include "kernels/field/factored_field.hpp"
#include "kernels/field/head_context.hpp"
#include "kernels/field/routes.hpp"
#include "torture_inputs.hpp"

namespace logitfield::kernels {
namespace {

using testing::GivenHead;
using testing::random_matrix;

constexpr Index kContext = 150, kHeadDim = 8;  // more rows than the certificate samples
const Placement kOneRank{0, kContext};

std::vector<GivenHead> heads() {
  std::vector<GivenHead> out;
  for (const LogitForm& form :
       {LogitForm{.scale = 0.35}, {.scale = 0.35, .alibi_slope = 0.0625}, {.scale = 0.35, .softcap = 2.5}}) {
    MatrixF q = random_matrix<float>(kContext, kHeadDim, 1), k = random_matrix<float>(kContext, kHeadDim, 2);
    k.rowwise() += random_matrix<float>(1, kHeadDim, 3).row(0);
    out.push_back({q, k, form});
  }
  return out;
}

std::vector<FieldRequest> requests(const LogitForm& form) {
  std::vector<FieldRequest> out;
  for (const Scope scope : {Scope::full, Scope::causal, Scope::causal_mean}) {
    out.push_back({kContext, scope, Route::dense});
    if (form.has_factors()) out.push_back({kContext, scope, scope == Scope::causal ? Route::krylov : Route::factored});
  }
  return out;
}

std::string name_of(const FieldRequest& r) {
  return std::string(scope_name(r.scope)) + " " + std::string(route_name(r.route));
}

HeadGroup group_of(const GivenHead& h) { return {{h.q}, h.k, {h.form}}; }

RouteResult route_of(const GivenHead& h, const FieldRequest& request) {
  const HeadGroup group = group_of(h);
  return kernels::HeadContext(alone(), group, kOneRank).take_route(0, request);
}

HeadStatistics complete(const GivenHead& right, Scope scope, RouteResult result) {
  return kernels::complete_statistics(group_of(right), 0, scope, std::move(result));
}

TEST(WrongInput, IsDetectedByEveryRoute) {
  for (const GivenHead& right : heads()) {
    for (const FieldRequest& request : requests(right.form)) {
      SCOPED_TRACE(name_of(request) + (testing::has_slope(right) ? " slope" : testing::has_cap(right) ? " cap" : ""));
      testing::expect_certified(complete(right, request.scope, route_of(right, request)));
      for (const testing::WrongInput& wrong : testing::wrong_inputs()) {
        if (!wrong.applies(right)) continue;
        GivenHead given = right;
        wrong.make(given);
        EXPECT_FALSE(complete(right, request.scope, route_of(given, request)).certificate.certified()) << wrong.name;
      }
    }
  }
}

TEST(WrongInput, IsDetectedInLayersWithWindows) {
  for (GivenHead right : heads()) {
    right.form.visible.window = 40;
    for (const Route route : {Route::dense, Route::krylov}) {
      if (route == Route::krylov && !right.form.has_factors()) continue;
      const FieldRequest request{kContext, Scope::causal, route};
      SCOPED_TRACE(name_of(request) + (testing::has_slope(right) ? " slope" : testing::has_cap(right) ? " cap" : ""));
      testing::expect_certified(complete(right, Scope::causal, route_of(right, request)));
      std::vector<testing::WrongInput> all = testing::wrong_inputs();
      for (const testing::WrongInput& mask : testing::wrong_masks()) all.push_back(mask);
      for (const testing::WrongInput& wrong : all) {
        if (!wrong.applies(right)) continue;
        GivenHead given = right;
        wrong.make(given);
        EXPECT_FALSE(complete(right, Scope::causal, route_of(given, request)).certificate.certified()) << wrong.name;
      }
    }
  }
}

TEST(WrongInput, AFieldOfAnotherScopeIsDetected) {
  for (const GivenHead& right : heads()) {
    for (const FieldRequest& request : requests(right.form)) {
      for (const Scope claimed : {Scope::full, Scope::causal, Scope::causal_mean}) {
        if (claimed == request.scope) continue;
        EXPECT_FALSE(complete(right, claimed, route_of(right, request)).certificate.certified())
            << name_of(request) << " claimed to be " << scope_name(claimed);
      }
    }
  }
}

/// Mistakes between the logits and the field, for the routes that form or apply it.
TEST(WrongInput, AMaskOrMeanThatIsWrongIsDetected) {
  const GivenHead right = heads()[0];
  const Matrix s = oracle::logits(right.q.cast<double>(), right.k.cast<double>(), right.form);
  const auto causal = [&](const std::function<bool(Index, Index)>& seen, const std::function<double(Index)>& mean) {
    Matrix out = Matrix::Zero(kContext, kContext);
    for (Index i = 0; i < kContext; ++i) {
      for (Index j = 0; j < kContext; ++j) out(i, j) = seen(i, j) ? s(i, j) - mean(i) : 0;
    }
    return out;
  };
  const auto up_to = [&](Index i, Index count) { return count > 0 ? s.row(i).head(count).mean() : 0.0; };
  const auto plain = [](Index i, Index j) { return j <= i; };
  const auto own_mean = [&](Index i) { return up_to(i, i + 1); };
  const std::pair<const char*, Matrix> wrong[] = {
      {"keys before the query only",
       causal([](Index i, Index j) { return j < i; }, [&](Index i) { return up_to(i, i); })},
      {"one key too many", causal([](Index i, Index j) { return j <= i + 1; },
                                  [&](Index i) { return up_to(i, std::min(i + 2, kContext)); })},
      {"the mask of the other side",
       causal([](Index i, Index j) { return j >= i; }, [&](Index i) { return s.row(i).tail(kContext - i).mean(); })},
      {"no mask", causal([](Index, Index) { return true; }, own_mean)},
      {"a window", causal([](Index i, Index j) { return j <= i && j > i - 64; },
                          [&](Index i) {
                            return s.row(i).segment(std::max<Index>(0, i - 63), std::min<Index>(64, i + 1)).mean();
                          })},
      {"means over all keys", causal(plain, [&](Index i) { return s.row(i).mean(); })},
      {"no means", causal(plain, [](Index) { return 0.0; })},
      {"means of the row before", causal(plain, [&](Index i) { return i > 0 ? own_mean(i - 1) : 0.0; })},
      {"means times 0.9", causal(plain, [&](Index i) { return 0.9 * own_mean(i); })},
      {"centred by columns",
       [&] {
         Matrix out = s.triangularView<Eigen::Lower>();
         for (Index j = 0; j < kContext; ++j)
           out.col(j).tail(kContext - j).array() -= s.col(j).tail(kContext - j).mean();
         return Matrix(out.triangularView<Eigen::Lower>());
       }()},
      {"transposed", causal(plain, own_mean).transpose()},
  };
  const Rounding rounding = rounding_of(right.q, right.k, right.form);
  const auto dense = [&](const Matrix& field) {
    return complete(right, Scope::causal,
                    kernels::dense_route(kernels::formed_field(field), Scope::causal, kContext, rounding));
  };
  const auto krylov = [&](const Matrix& field) {
    kernels::CausalEnergies energies{field.colwise().squaredNorm(), field.rowwise().squaredNorm(),
                                     Vector::Zero(kContext)};
    return complete(right, Scope::causal,
                    kernels::krylov_route(alone(), std::move(energies), testing::ExplicitOperator(field), nullptr,
                                          kOneRank, kContext, rounding));
  };
  testing::expect_certified(dense(causal(plain, own_mean)));
  testing::expect_certified(krylov(causal(plain, own_mean)));
  for (const auto& [name, field] : wrong) {
    EXPECT_FALSE(dense(field).certificate.certified()) << "dense: " << name;
    EXPECT_FALSE(krylov(field).certificate.certified()) << "krylov: " << name;
  }
}

/// Mistakes in the factors, for the route that forms no field.
TEST(WrongInput, FactorsThatAreNotCentredAreDetected) {
  const GivenHead right = heads()[0];
  const kernels::CentredKeys keys = kernels::centred_keys(alone(), right.k, kOneRank);
  const auto certified = [&](Scope scope, kernels::FactorRows a, kernels::FactorRows b) {
    return complete(right, scope,
                    kernels::factored_field(alone(), kernels::tall_factor(alone(), std::move(a), kOneRank),
                                            kernels::tall_factor(alone(), std::move(b), kOneRank), kOneRank, 0))
        .certificate.certified();
  };
  const auto queries = [&] { return kernels::field_queries(right.q, right.form); };
  for (const double part : {0.0, 0.5, 0.9, 0.999, 1 - 1e-7, 1.0, 1.1}) {
    kernels::FactorRows b(right.k);
    b.subtract(part * keys.mean);
    EXPECT_EQ(certified(Scope::full, queries(), std::move(b)), part == 1) << part << " of the mean";
  }
  const Vector means = kernels::causal_means(alone(), queries(), keys.rows, kOneRank);
  Vector late = means;
  late.tail(kContext - 1) = means.head(kContext - 1);
  for (const auto& [name, column, right_one] : {std::tuple<const char*, Vector, bool>{"right", means, true},
                                                {"times 0.9", 0.9 * means, false},
                                                {"none", 0 * means, false},
                                                {"a position late", late, false},
                                                {"negative", -means, false}}) {
    kernels::FactorRows a = queries(), b = keys.rows;
    a.append(-column);
    b.append(Vector::Ones(kContext));
    EXPECT_EQ(certified(Scope::causal_mean, std::move(a), std::move(b)), right_one) << "means " << name;
  }
}

/// Numbers returned in the wrong places, with correct sums.
TEST(WrongInput, EnergiesInTheWrongOrderAreDetected) {
  for (const GivenHead& right : heads()) {
    for (const FieldRequest& request : requests(right.form)) {
      const auto certified = [&](const std::function<void(RouteResult&)>& change) {
        RouteResult result = route_of(right, request);
        change(result);
        return complete(right, request.scope, std::move(result)).certificate.certified();
      };
      SCOPED_TRACE(name_of(request));
      EXPECT_FALSE(certified([](RouteResult& r) { r.key_energy.reverseInPlace(); })) << "keys reversed";
      EXPECT_FALSE(certified([](RouteResult& r) { r.query_energy.reverseInPlace(); })) << "queries reversed";
      EXPECT_FALSE(certified([](RouteResult& r) { r.key_energy.swap(r.query_energy); })) << "exchanged";
      EXPECT_FALSE(certified([](RouteResult& r) { r.key_energy.setConstant(r.key_energy.mean()); })) << "even";
      EXPECT_FALSE(certified([](RouteResult& r) { r.products = -r.products; })) << "negative";
      EXPECT_FALSE(certified([](RouteResult& r) { std::swap(r.sigma[1], r.sigma[0]), r.sigma[0] *= 2; })) << "sigma";
      EXPECT_FALSE(certified([](RouteResult& r) { r.spectrum.k90 += 1; })) << "k90";
      EXPECT_FALSE(certified([](RouteResult& r) { r.spectrum.k50 -= 1; })) << "k50";
      EXPECT_FALSE(certified([](RouteResult& r) { r.spectrum.effective_rank = 1.01 * kContext; })) << "effective rank";
      EXPECT_FALSE(certified([](RouteResult& r) { r.spectrum.participation_ratio = 0.9; })) << "participation ratio";
    }
  }
}

}  // namespace
}  // namespace logitfield::kernels
