#pragma once
#include <functional>
#include <string>
#include <vector>

#include "kernels/field_request.hpp"
#include "random_matrix.hpp"

namespace logitfield::testing {

/// The wrong head given to a route.
struct GivenHead {
  kernels::MatrixF q, k;
  kernels::LogitForm form;
};

/// A mistake that a program could make, and the cases in which it changes nothing.
struct WrongInput {
  std::string name;
  std::function<void(GivenHead&)> make;
  std::function<bool(const GivenHead&)> applies = [](const GivenHead&) { return true; };
};

inline bool has_slope(const GivenHead& h) { return h.form.alibi_slope != 0; }
inline bool has_cap(const GivenHead& h) { return h.form.softcap.has_value(); }
inline bool has_none(const GivenHead& h) { return !has_slope(h) && !has_cap(h); }

/// Moves rows down by one position; the first stays.
inline void move_down(kernels::MatrixF& rows) {
  rows.bottomRows(rows.rows() - 1) = kernels::MatrixF(rows.topRows(rows.rows() - 1));
}

/// Mistakes in scale, queries, keys, positions, precision, slope and cap.
inline std::vector<WrongInput> wrong_inputs() {
  using kernels::Index;
  using kernels::MatrixF;
  const auto other = [](const MatrixF& like, unsigned seed) {
    return random_matrix<float>(like.rows(), like.cols(), seed);
  };
  return {
      {"scale doubled", [](GivenHead& h) { h.form.scale *= 2; }},
      {"scale off by 1e-8", [](GivenHead& h) { h.form.scale *= 1 + 1e-8; }},
      {"scale negative", [](GivenHead& h) { h.form.scale *= -1; }},
      {"scale forgotten", [](GivenHead& h) { h.form.scale = 1; }},
      {"queries of another head", [=](GivenHead& h) { h.q = other(h.q, 901); }},
      {"keys of another head", [=](GivenHead& h) { h.k = other(h.k, 902); }},
      {"queries and keys exchanged", [](GivenHead& h) { h.q.swap(h.k); }},
      {"queries in reverse", [](GivenHead& h) { h.q = h.q.colwise().reverse().eval(); }},
      {"keys in reverse", [](GivenHead& h) { h.k = h.k.colwise().reverse().eval(); }},
      {"queries a position late", [](GivenHead& h) { move_down(h.q); }},
      {"keys a position late", [](GivenHead& h) { move_down(h.k); }},
      {"queries and keys a position late", [](GivenHead& h) { move_down(h.q), move_down(h.k); }},
      {"one query twice", [](GivenHead& h) { h.q.row(41) = h.q.row(42); }},
      {"one query zero", [](GivenHead& h) { h.q.row(77).setZero(); }},
      {"one key zero", [](GivenHead& h) { h.k.row(33).setZero(); }},
      {"the last rows missing", [](GivenHead& h) { h.q.bottomRows(10).setZero(), h.k.bottomRows(10).setZero(); }},
      {"one number of one query", [](GivenHead& h) { h.q(91, 3) += 1e-3F; }},
      {"one number of one key", [](GivenHead& h) { h.k(17, 5) += 1e-3F; }},
      {"a dimension forgotten", [](GivenHead& h) { h.q.col(2).setZero(); }},
      {"two dimensions of the keys exchanged", [](GivenHead& h) { h.k.col(1).swap(h.k.col(4)); }},
      {"sign of a dimension", [](GivenHead& h) { h.k.col(6) *= -1; }},
      {"gain of a dimension", [](GivenHead& h) { h.q.col(0) *= 1.25F; }},
      {"keys in bfloat16", [](GivenHead& h) { h.k = h.k.cast<Eigen::bfloat16>().cast<float>().eval(); }},
      {"queries in half precision", [](GivenHead& h) { h.q = h.q.cast<Eigen::half>().cast<float>().eval(); }},
      {"slope forgotten", [](GivenHead& h) { h.form.alibi_slope = 0; }, has_slope},
      {"slope of the next head", [](GivenHead& h) { h.form.alibi_slope /= 2; }, has_slope},
      {"slope of the wrong sign", [](GivenHead& h) { h.form.alibi_slope *= -1; }, has_slope},
      {"a slope where there is none", [](GivenHead& h) { h.form.alibi_slope = 0.01; }, has_none},
      {"cap doubled", [](GivenHead& h) { *h.form.softcap *= 2; }, has_cap},
      {"cap on products before they are scaled", [](GivenHead& h) { *h.form.softcap *= h.form.scale; }, has_cap},
  };
}

/// Mistakes in the mask of a head with a window; they affect fields that it masks.
inline std::vector<WrongInput> wrong_masks() {
  return {
      {"window forgotten", [](GivenHead& h) { h.form.visible = {}; }},
      {"one key more in the window", [](GivenHead& h) { ++h.form.visible.window; }},
      {"one key less in the window", [](GivenHead& h) { --h.form.visible.window; }},
      {"chunks for a window", [](GivenHead& h) { h.form.visible = {.chunk = h.form.visible.window}; }},
  };
}

}  // namespace logitfield::testing
