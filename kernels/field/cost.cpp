#include "kernels/field/cost.hpp"

#include <algorithm>

#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/causal_spectrum.hpp"
#include "kernels/field/spectral_integrals.hpp"
#include "kernels/spectra/krylov.hpp"
#include "kernels/spectra/spectral_sums.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

constexpr double kFloat = sizeof(float), kDouble = sizeof(double);
/// Blocks of vectors that the estimates of a spectrum hold at a time.
constexpr double kProbeBlocks = 9;

/// Columns of the factors: head dimension, ALiBi's positions, and row means.
double width_of(const FieldSize& size) {
  return static_cast<double>(size.head_dim + size.slopes + (size.request.scope == Scope::full ? 0 : 1));
}

double columns_of(const FieldSize& size) {
  return static_cast<double>(krylov_columns(size.request.context, size.request.components));
}

/// Returns the flops of two products, by the field and by its transpose. `explicitly`: logits per row that products
/// form or have stored besides the factors.
double products_flops(double length, double width, double columns, double explicitly) {
  return 2 * columns * length * (4 * width + 2 * explicitly);
}

double causal_flops(const FieldSize& size) {
  const double length = static_cast<double>(size.request.context), width = width_of(size), columns = columns_of(size);
  // Energies; products with vectors of the subspace and its restarts; its bases; then integrals and a count.
  const double shifts = static_cast<double>(integral_shifts() + 1);
  return 6 * length * width * width + products_flops(length, width, 2 * columns, double{kOperatorTile}) +
         8 * length * columns * columns + shifts * determinant_flops(length, width);
}

double windowed_flops(const FieldSize& size) {
  const double length = static_cast<double>(size.request.context), width = width_of(size), columns = columns_of(size);
  // As without a window, but with steps of random vectors in place of the integrals.
  const double vectors = 2 * columns + static_cast<double>(kQuadratureVectors);
  return 6 * length * width * width + 4 * length * width * kEdgeTiles * double{kEnergyTile} +
         products_flops(length, width, vectors, kEdgeTiles * double{kOperatorTile}) + 8 * length * columns * columns;
}

/// Returns the bytes of the logits that the operator of a masked field keeps, inside tiles. With a window these are at
/// both of its edges, for either direction, plus sums over the tiles of the window.
double operator_bytes(const FieldSize& size, double rows) {
  if (size.mask == Visible{}) return kDouble * rows * double{kOperatorTile};
  const double width = width_of(size), keys = static_cast<double>(size.mask.keys(size.request.context));
  const double edges = 2 * kEdgeTiles * double{kOperatorTile} * rows;
  return kDouble * (edges + keys * width * std::max(width / double{kEnergyTile}, 1.0));
}

}  // namespace

double field_flops(const FieldSize& size) {
  const double length = static_cast<double>(size.request.context), width = width_of(size);
  switch (size.request.route) {
    case Route::factored:
      return 7 * length * width * width + 22 * width * width * width;
    case Route::krylov:
      return size.mask == Visible{} ? causal_flops(size) : windowed_flops(size);
    case Route::dense:
    case Route::scalapack:
      return 2 * length * length * width + 8.0 / 3 * length * length * length;
  }
  return 0;
}

double field_bytes(const FieldSize& size, std::int64_t own_rows) {
  const double length = static_cast<double>(size.request.context), rows = static_cast<double>(own_rows);
  const double d = static_cast<double>(size.head_dim), heads = static_cast<double>(size.group_size + 1);
  const double inputs = kFloat * heads * rows * d + kDouble * 12 * length;
  switch (size.request.route) {
    case Route::factored:  // both bases, where they must be kept, and their QR
      return inputs + kDouble * 6 * rows * width_of(size);
    case Route::krylov:
      return inputs + operator_bytes(size, rows) +
             kDouble * rows * (2 * columns_of(size) + kProbeBlocks * double{kProbeCount});
    case Route::dense:
      return inputs + kDouble * length * length;
    case Route::scalapack:
      return inputs + 3 * kDouble * length * d;
  }
  return 0;
}

double attention_flops(std::int64_t length, std::int64_t head_dim) {
  return static_cast<double>(length) * static_cast<double>(length) * static_cast<double>(head_dim);
}

double attention_bytes(std::int64_t length, std::int64_t head_dim) {
  return kDouble * static_cast<double>(length) * static_cast<double>(head_dim + 2 * kAttentionTile);
}

double drawing_flops(std::int64_t length, std::int64_t head_dim) {
  // Gram matrices of the rows and of the drawn numbers, and the product that turns these into rows: for queries, and
  // for keys (counted for every query head).
  return 2 * 6 * static_cast<double>(length) * static_cast<double>(head_dim) * static_cast<double>(head_dim);
}

}  // namespace logitfield::kernels
