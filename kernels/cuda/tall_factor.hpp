#pragma once
#include <optional>

#include "kernels/cuda/field_operations.hpp"
#include "kernels/cuda/products.hpp"
#include "kernels/field/factored_field.hpp"

namespace logitfield::kernels::cuda {

/// The stream and products of one host thread.
struct Worker {
  /// High priority, so that its small operations run between the large ones of a forward pass on the same device.
  Stream stream{Priority::high};
  Products products{stream, Precision::float32};
};

/// Copies a host matrix to the device, and back (rows of `stride`).
Buffer<double> upload(const Matrix& host, const Worker& worker);
Matrix download(const Buffer<double>& values, Index rows, Index columns);

/// x^T w [m, n] of tall matrices x [rows, m] and w [rows, n], rows a multiple of kRowPadding.
Matrix tall_product(const Worker& worker, Index rows, Products::Rows<const double> x, Index m,
                    Products::Rows<const double> w, Index n);

/// One of the two factors of a field on the device, decomposed by Cholesky-QR; see field/tall_factor.hpp.
class TallFactor {
 public:
  /// Returns nothing if Cholesky fails: no more rows than columns, or nearly dependent columns. `probes` [2,
  /// form.length] in device memory; form.extra must have room for them.
  static std::optional<TallFactor> make(const Worker& worker, FactorForm form, const double* probes);

  cpu::FactorSummary summary() const { return {r_, basis_probes_, norm_, width_}; }
  const Matrix& r() const { return r_; }
  const Matrix& basis_probes() const { return basis_probes_; }
  Index width() const { return width_; }
  /// Measures this side from the other's factor; see cpu::MeasureSide.
  cpu::Side measure_side(const TallFactor& other, const Matrix& image) const;
  /// Squared norms of the basis's rows, and basis * direction [width].
  struct BasisRows {
    Vector squares, along;
  };
  BasisRows basis_rows(const Vector& direction) const;

 private:
  TallFactor(const Worker& worker, const FactorForm& form);
  /// Computes r by one or two Cholesky decompositions; false if that fails.
  bool decompose(const FactorForm& form, const Matrix& gram);
  bool second_pass();
  Products::Rows<const double> rows() const { return {rows_.data(), width_ + 2}; }
  Products::Rows<const double> probe_columns() const { return {rows_.data() + width_, width_ + 2}; }

  const Worker* worker_;
  Index length_, padded_, width_;
  /// [padded, width + 2]: the factor, then the probes.
  Buffer<double> rows_;
  Matrix r_, rows_probes_, basis_probes_;
  double norm_ = 0;
  /// The basis is rows * inverse, or kept as basis_ [padded, width].
  Matrix inverse_;
  Buffer<double> basis_;
};

}  // namespace logitfield::kernels::cuda
