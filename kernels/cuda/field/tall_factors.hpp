#pragma once
#include <vector>

#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/worker.hpp"

namespace logitfield::kernels::cuda {

/// One of the two factors of the fields of some heads on the device, decomposed by Cholesky-QR; see
/// field/tall_factor.hpp. All heads go through each step together.
class TallFactors {
 public:
  /// Starts to decompose the factors of all heads of `form`, whose `extra` must have room for three columns. `probes`
  /// [2, length] in device memory.
  TallFactors(const Worker& worker, FactorForm form, const double* probes);
  /// Waits for the decomposition and completes it. The members below may be called after this; a second call does
  /// nothing.
  void finish();

  /// Returns the worker that does all work on the factors.
  const Worker& worker() const { return worker_; }
  Index heads() const { return heads_; }
  Index width() const { return width_; }
  Index padded() const { return padded_; }
  /// False if Cholesky fails for the head: no more rows than columns, or nearly dependent columns.
  bool decomposed(Index head) const { return decomposed_[static_cast<std::size_t>(head)]; }
  /// Frobenius norm of a head's factor, and the logarithm of the determinant of its r.
  double norm(Index head) const { return norms_[static_cast<std::size_t>(head)]; }
  double log_determinant(Index head) const { return determinants_[static_cast<std::size_t>(head)]; }

  /// [heads, width, width]; NaN for heads that are not decomposed.
  const Buffer<double>& r() const { return r_; }
  /// rows^T x and basis^T x for the probes x: [heads, width, 2], with rows of `stride`.
  struct Probes {
    const double* data = nullptr;
    Index stride = 0;
  };
  Probes rows_probes() const { return {grams_.data() + width_, width_ + 2}; }
  Probes basis_probes() const { return {basis_probes_.data(), 2}; }
  /// The factors [heads, padded, width], rows of `stride`.
  Products::Rows<const double> rows() const { return {rows_.data(), stride_, padded_ * stride_}; }

  /// The matrices [heads, padded, width] whose products with `vectors` [heads, width, 2] are those of the basis with
  /// `y`: the basis and y where the basis is kept, else the rows and r^-1 y.
  struct BasisProducts {
    Products::Rows<const double> rows;
    Buffer<double> made;
    const double* vectors = nullptr;
  };
  BasisProducts basis_products(const Buffer<double>& y, Index shared) const;
  /// Returns the rows of the bases [heads, padded, width].
  Buffer<double> bases() const;
  /// Computes r^-T v for one vector per head: out [heads, width, 2], the second column zero. v [heads, width].
  Buffer<double> solve_transposed(const Buffer<double>& v) const;

 private:
  /// Sets grams_ [heads, width, columns] = x^T y of all heads.
  Buffer<double> tall_products(Products::Rows<const double> x, Products::Rows<const double> y, Index columns) const;
  /// Starts to decompose grams; returns the checks [heads, kCholeskyChecks].
  HostRows decompose(const Buffer<double>& grams, Index stride, Buffer<double>& r, Buffer<double>& inverse) const;
  void second_pass();
  bool has_full_rank(Index head) const;

  const Worker& worker_;
  Index heads_, length_, padded_, width_, stride_;
  bool finished_ = false;
  HostRows checks_;
  std::vector<bool> decomposed_;
  /// Bounds on the condition numbers: products of 1-norms.
  std::vector<double> norms_, conditions_, determinants_;
  /// rows_ [heads, padded, stride]: the factor, the probes, and zeros that make the width even.
  Buffer<double> rows_, grams_, r_, inverse_, basis_probes_;
  /// [heads, padded, width]; empty if one pass was enough for all heads.
  Buffer<double> basis_;
};

}  // namespace logitfield::kernels::cuda
