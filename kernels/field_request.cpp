#include "kernels/field_request.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/random.hpp"

namespace logitfield::kernels {
namespace {

constexpr std::uint64_t kProbeSeed = 0x10617f1e1d;  // the same for every head and run
constexpr Index kProbes = 2;

}  // namespace

Rounding rounding_of(const LogitForm& form, Index length, Index head_dim, double queries, double keys) {
  const double n = static_cast<double>(length), width = static_cast<double>(head_dim);
  const double slope = form.alibi_slope;
  // Positions, if there are slopes, are exact and centred: their size is that of the column itself.
  const double positions = slope != 0 ? n * n * n / 12 : 0;
  double size = (form.scale * form.scale * queries + n * slope * slope) * (keys + positions);
  if (form.softcap) size = std::min(size, n * n * *form.softcap * *form.softcap);
  const double terms = n + 16 * width;
  const double noise = std::sqrt(std::max(n, width) * size) * kEpsilon;
  return {.size = size,
          .noise = noise,
          .energy = terms * kEpsilon * size,
          .row_sums = terms * kEpsilon * std::sqrt(n * size),
          .unresolved = form.softcap ? noise : 2 * kEpsilon * std::sqrt(size)};
}

Rounding rounding_of(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form) {
  return rounding_of(form, queries.rows(), queries.cols(), squared_norm(queries), squared_norm(keys));
}

double squared_norm(const MatrixFRef& rows) {
  double sum = 0;
  for (Index r = 0; r < rows.rows(); ++r) sum += rows.row(r).cast<double>().squaredNorm();
  return sum;
}

Matrix probe_rows(Index first_row, Index rows) { return uniform_rows(kProbeSeed, first_row, rows, kProbes); }

}  // namespace logitfield::kernels
