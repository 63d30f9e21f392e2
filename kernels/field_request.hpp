#pragma once
#include <cmath>
#include <vector>

#include "kernels/matrix.hpp"
#include "kernels/scope.hpp"
#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// Softmax statistics of every row of a head [L]: largest logit of a key, entropy in nats (of keys and sink together),
/// weight on key 0.
struct RowAttention {
  VectorF max_logit, entropy, sink;
};

/// A KV head and the query heads that read it: queries[h] and keys are [n, d], forms[h] belongs to queries[h].
struct HeadGroup {
  std::vector<MatrixFRef> queries;
  MatrixFRef keys;
  std::vector<LogitForm> forms;
  /// Softmax rows of each query head, if a forward pass computed them; else empty.
  std::vector<const RowAttention*> attention = {};
};

/// The rows of a context of `length` tokens that a rank holds. They begin at first_row; the rank's matrices give their
/// number.
struct Placement {
  Index first_row = 0, length = 0;
};

/// One field to measure, and the route to its spectrum.
struct FieldRequest {
  std::int64_t context = 0;
  Scope scope = Scope::full;
  Route route = Route::factored;
  /// Most components that the Krylov route computes.
  std::int64_t components = 256;
};

/// The relative difference of two ways to compute one quantity, and the bound that rounding allows.
struct Check {
  double error = 0, bound = 0;
};

/// The result of a route: the spectrum, and the energies of this rank's rows [n].
struct RouteResult {
  Route route = Route::factored;
  std::int64_t ranks = 1;
  SpectrumStatistics spectrum;
  std::vector<double> sigma;
  Vector key_energy, query_energy;
  /// Both energies in ascending order if the route sorted them; else empty.
  Vector ascending_keys, ascending_queries;
  /// Relative rounding bound of the energy: the sums of sigma^2, of key_energy and of query_energy agree within it.
  double energy_bound = 0;
  Check probes;
  /// Norm of the row sums of the field that the route formed or applied. A row is summed over the keys of its mean.
  double row_sums = 0;
  /// E x [n, p] for the probes of probe_rows, computed from the data that gave the spectrum.
  Matrix products;
};

/// Sizes to which the rounding errors of a head's field are proportional.
struct Rounding {
  /// Upper bound on the energy of the logits: squared norms of the queries times those of the keys.
  double size = 0;
  /// A field whose sigma_1 is at most this is zero.
  double noise = 0;
  /// Rounding bounds of an energy, and of the norm of all row sums.
  double energy = 0, row_sums = 0;
  /// Singular values up to this size are rounding errors; centring keys with a large mean leaves some. For capped
  /// logits it is as large as `noise`: the cap makes values nearly equal, and the field consists of their small
  /// differences.
  double unresolved = 0;
};

/// Returns the sizes for a context of `length` tokens, from the squared Frobenius norms of its queries and of its keys
/// [length, head_dim].
Rounding rounding_of(const LogitForm& form, Index length, Index head_dim, double queries, double keys);
/// Returns the sizes for a whole head.
Rounding rounding_of(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form);

/// Returns the maximum; NaN if one argument is NaN. std::max may drop a NaN, but it must reach the certificate.
inline double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }

/// Squared Frobenius norm in float64, where squares of float32 numbers cannot overflow: finite if and only if all
/// entries are.
double squared_norm(const MatrixFRef& rows);

/// Probes x [rows, p], uniform in (-1, 1): rows first_row ... first_row + rows - 1 of a context.
Matrix probe_rows(Index first_row, Index rows);

}  // namespace logitfield::kernels
