#pragma once
#include "kernels/cuda/field/tall_factors.hpp"
#include "kernels/field/factored_field.hpp"

namespace logitfield::kernels::cuda {

/// Fields E = a b^T of query heads, from the decomposed factors of their queries and of their KV heads' keys; see
/// field/factored_field.hpp. Singular values only: no vectors are computed, and r_a r_b^T stands for U S V^T. So the
/// values are compared with the fourth powers and the determinant of that matrix instead.
class FactoredFields {
 public:
  /// The workers of both factors and `spectra` compute at the same time. The factors may be destroyed afterwards. The
  /// results are valid once their streams have been waited for, until their rooms are cleared.
  FactoredFields(const Worker& spectra, const TallFactors& queries, const TallFactors& keys, Index length);

  /// Returns the result of a head; nothing if one of its factors is not decomposed, or its values are too small or too
  /// large to be compared. See kernels::factored_route for the limits.
  std::optional<RouteResult> result(Index head, const Rounding& limits) const;

 private:
  /// One side of every field. energy: [heads, padded]; sorted: the same run by run, [heads, length]. products: with the
  /// probes, by the basis [heads, padded, 2]. squares: of the products by the factors, and of the differences [heads,
  /// 2, 2]. image: the fields of the probes in the basis [heads, width, 2].
  struct Sides {
    HostRows energy, sorted, products, squares, image;
  };
  Sides measure(const TallFactors& own, const TallFactors& other, const Buffer<double>& image, bool of_queries) const;
  kernels::Side side(const Sides& sides, Index head) const;
  /// The difference of the values from the fourth powers and the determinant of r_a r_b^T, over its bound.
  double value_error(std::span<const double> sigma, Index head) const;

  Index heads_, members_, length_, width_;
  std::vector<bool> decomposed_;
  std::vector<double> query_norms_, key_norms_, determinants_;
  /// Singular values [heads, width], and terms of the sums of their fourth powers [heads, width].
  HostRows sigma_, fourth_powers_;
  Sides queries_, keys_;
};

}  // namespace logitfield::kernels::cuda
