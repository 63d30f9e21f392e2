#include "kernels/field/attention_check.hpp"

#include <gtest/gtest.h>

#include "kernels/cpu/attention.hpp"
#include "kernels/field/field_statistics.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels {
namespace {

using namespace cpu;
using testing::random_matrix;

struct AttendedHead {
  MatrixF queries, keys;
  LogitForm form;

  Index length() const { return queries.rows(); }
  AttentionRows in_float64() const { return attention_rows(queries, keys.cast<double>(), form, length()); }
  AttentionRows in_float32() const {
    MatrixF out(length(), keys.cols());
    RowAttention rows;
    causal_attention(queries, keys, keys, form, out, &rows);
    return attention_rows(rows, length());
  }
  double margin(const AttentionRows& rows) const {
    const double largest_key = keys.cast<double>().rowwise().norm().maxCoeff();
    return attention_margin(rows, sampled_logits(alone(), queries, keys, form, {0, length()}), form, keys.cols(),
                            largest_key);
  }
};

std::vector<AttendedHead> attended_heads() {
  std::vector<AttendedHead> out;
  for (const LogitForm& form :
       {LogitForm{.scale = 0.125}, LogitForm{.scale = 3}, LogitForm{.scale = 30},
        LogitForm{.scale = 0.25, .alibi_slope = 0.5}, LogitForm{.scale = 1, .softcap = 2},
        LogitForm{.scale = 0.25, .visible = {.window = 20}}, LogitForm{.scale = 0.25, .visible = {.chunk = 30}},
        LogitForm{.scale = 0.25, .sink = 2}, LogitForm{.scale = 0.25, .sink = -60},
        LogitForm{.scale = 0.25, .sink = 60}, LogitForm{.scale = 0.25, .visible = {.window = 20}, .sink = 3e4}}) {
    for (const Index length : {2, 65, 700}) {
      for (const float mean : {0.0F, 1e3F}) {
        MatrixF keys = random_matrix<float>(length, 16, 2);
        keys.array() += mean;
        out.push_back({random_matrix<float>(length, 16, 1), keys, form});
      }
    }
  }
  out.push_back({MatrixF::Zero(30, 4), random_matrix<float>(30, 4, 3), {.scale = 1}});
  return out;
}

TEST(AttentionCheck, PassesRightRowsInBothPrecisions) {
  for (const AttendedHead& head : attended_heads()) {
    EXPECT_LE(head.margin(head.in_float64()), 1) << head.length() << " at scale " << head.form.scale;
    EXPECT_LE(head.margin(head.in_float32()), 1) << head.length() << " at scale " << head.form.scale;
  }
}

TEST(AttentionCheck, SeesAnotherScaleMaskSlopeCapAndWrongSums) {
  const AttendedHead head{random_matrix<float>(200, 16, 1), random_matrix<float>(200, 16, 2), {.scale = 0.5}};
  for (const LogitForm& wrong :
       {LogitForm{.scale = 0.5001}, LogitForm{.scale = 0.5, .alibi_slope = 1e-4},
        LogitForm{.scale = 0.5, .softcap = 100}, LogitForm{.scale = 0.5, .visible = {.window = 199}}}) {
    const AttendedHead other{head.queries, head.keys, wrong};
    EXPECT_FALSE(head.margin(other.in_float64()) <= 1);
    EXPECT_FALSE(head.margin(other.in_float32()) <= 1);
  }
  const auto changed = [&](Vector AttentionRows::*which, double factor) {
    AttentionRows rows = head.in_float64();
    (rows.*which)[199] *= factor;
    return head.margin(rows);
  };
  for (const auto which : {&AttentionRows::max_logit, &AttentionRows::entropy, &AttentionRows::sink}) {
    for (const double factor : {1 + 1e-9, 2.0, std::numeric_limits<double>::quiet_NaN()}) {
      EXPECT_FALSE(changed(which, factor) <= 1) << factor;
    }
  }
}

TEST(AttentionCheck, SeesAnotherSinkAndNone) {
  const AttendedHead head{
      random_matrix<float>(200, 16, 1), random_matrix<float>(200, 16, 2), {.scale = 0.5, .sink = 1}};
  for (const double wrong : {1.05, 0.95, -1.0, -std::numeric_limits<double>::infinity()}) {
    const AttendedHead other{head.queries, head.keys, {.scale = 0.5, .sink = wrong}};
    EXPECT_FALSE(head.margin(other.in_float64()) <= 1) << wrong;
    EXPECT_FALSE(head.margin(other.in_float32()) <= 1) << wrong;
  }
}

TEST(AttentionCheck, TheCertificateSeesRowsOfAnotherHead) {
  const MatrixF keys = random_matrix<float>(100, 8, 1), queries = random_matrix<float>(100, 8, 2),
                others = random_matrix<float>(100, 8, 3);
  const LogitForm form{.scale = 0.5};
  const std::vector<FieldRequest> requests{{40, Scope::full}, {100, Scope::full}};
  const auto certified = [&](const MatrixF& attended) {
    RowAttention rows;
    MatrixF out(100, 8);
    causal_attention(attended, keys, keys, form, out, &rows);
    std::vector<bool> found;
    const auto measured = field_statistics({{queries}, keys, {form}, {&rows}}, requests);
    for (const HeadStatistics& s : measured[0]) found.push_back(s.certificate.certified());
    return found;
  };
  EXPECT_EQ(certified(queries), (std::vector{true, true}));
  EXPECT_EQ(certified(others), (std::vector{false, false}));
}

}  // namespace
}  // namespace logitfield::kernels
