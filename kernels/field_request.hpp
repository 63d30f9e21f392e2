#pragma once
#include <cmath>
#include <vector>

#include "kernels/matrix.hpp"
#include "kernels/scope.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// The causal softmax of every row of a head [L]: its largest logit, its entropy in nats, its weight on key 0.
struct RowAttention {
  VectorF max_logit, entropy, sink;
};

/// A KV head and the query heads that read it: queries[h] and keys are [n, d], forms[h] belongs to queries[h].
struct HeadGroup {
  std::vector<MatrixFRef> queries;
  MatrixFRef keys;
  std::vector<LogitForm> forms;
  /// Of each query head, where a forward pass has found it on its way; empty where not.
  std::vector<const RowAttention*> attention = {};
};

/// Which rows of a context of `length` tokens a rank holds: first_row and as many as its matrices have.
struct Placement {
  Index first_row = 0, length = 0;
};

/// One field to measure, and how.
struct FieldRequest {
  std::int64_t context = 0;
  Scope scope = Scope::full;
  Route route = Route::factored;
  /// Most components that the Krylov route computes.
  std::int64_t components = 256;
};

/// How far two ways to the same quantity differ, relative to it, and what rounding allows.
struct Check {
  double error = 0, bound = 0;
};

/// A spectrum and the energies behind it, as a route finds them, of this rank's rows [n].
struct RouteResult {
  Route route = Route::factored;
  std::int64_t ranks = 1;
  SpectrumStatistics spectrum;
  std::vector<double> sigma;
  Vector key_energy, query_energy;
  /// What rounding can make of the energy, relative to it: the sums of sigma^2, of key_energy and of query_energy agree
  /// so far.
  double energy_bound = 0;
  Check probes;
  /// Norm of the row sums of the field that the route formed or applied, over the keys of each row's mean.
  double row_sums = 0;
  /// E x [n, p] for the probes of probe_rows, as what the spectrum comes from has it.
  Matrix products;
};

/// Sizes that rounding errors of a head's field are in proportion to.
struct Rounding {
  /// The most that the logits' energy can be: squared norms of the queries times those of the keys.
  double size = 0;
  /// A field whose sigma_1 is at most this is zero.
  double noise = 0;
  /// What rounding can make of an energy, and of the norm of all row sums.
  double energy = 0, row_sums = 0;
  /// Singular values of at most this are rounding: what centring leaves of keys with a large mean; of capped logits,
  /// whose field is small differences of what the cap makes nearly equal, as much as `noise`.
  double unresolved = 0;
};

/// Of a context of `length` tokens, from the squared Frobenius norms of its queries and of its keys [length, head_dim].
Rounding rounding_of(const LogitForm& form, Index length, Index head_dim, double queries, double keys);
/// Of a whole head.
Rounding rounding_of(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form);

/// NaN where one of them is: std::max may drop it, and a NaN must reach the certificate.
inline double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }

/// In float64, where squares of float32 numbers cannot overflow: finite if and only if all are.
double squared_norm(const MatrixFRef& rows);

/// Probes x [rows, p], uniform in (-1, 1): rows first_row ... of a context.
Matrix probe_rows(Index first_row, Index rows);

}  // namespace logitfield::kernels
