#pragma once
#include <algorithm>
#include <bit>
#include <string>

#include "head_comparison.hpp"

namespace logitfield::testing {

/// A scope, and a route that measures it.
struct Way {
  Scope scope;
  Route route;
};

inline constexpr Way kWays[] = {{Scope::full, Route::factored},        {Scope::full, Route::dense},
                                {Scope::causal, Route::krylov},        {Scope::causal, Route::dense},
                                {Scope::causal_mean, Route::factored}, {Scope::causal_mean, Route::dense}};
inline constexpr Way kFullWays[] = {kWays[0], kWays[1]}, kDenseWays[] = {kWays[1], kWays[3], kWays[5]};

inline std::string way_name(const ::testing::TestParamInfo<Way>& info) {
  std::string name = std::string(scope_name(info.param.scope)) + "_" + std::string(route_name(info.param.route));
  std::ranges::replace(name, '-', '_');
  return name;
}

/// Measures with as many components as possible.
inline HeadStatistics measure(const MatrixF& q, const MatrixF& k, const LogitForm& form, const Way& way) {
  return measure(q, k, form, {q.rows(), way.scope, way.route, q.rows()});
}

/// Entries of Sylvester's Hadamard matrix: rows and columns are orthogonal; all columns but the first sum to zero.
inline MatrixF hadamard(Index rows, Index first_column, Index columns) {
  return MatrixF::NullaryExpr(rows, columns, [=](Index i, Index j) {
    return std::popcount(static_cast<unsigned>(i & (first_column + j))) % 2 == 0 ? 1.0F : -1.0F;
  });
}

/// Expects a certified head and names the checks that failed.
inline void expect_certified(const HeadStatistics& s) {
  for (const CertificateCheck& c : s.certificate.checks()) {
    EXPECT_TRUE(c.holds) << "clean head: '" << c.name << "' error " << c.error << ", bound " << c.bound;
  }
}

/// Expects `value` within `tolerance` of `expected`; NaN fails.
inline void expect_within(double value, double expected, double tolerance, const char* name) {
  EXPECT_TRUE(std::abs(value - expected) <= tolerance) << name << ": " << value << ", expected " << expected;
}

}  // namespace logitfield::testing
