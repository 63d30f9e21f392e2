#include "kernels/field/field_statistics.hpp"

#include <fmt/format.h>

#include <map>
#include <stdexcept>

#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/head_context.hpp"

namespace logitfield::kernels {
namespace {

void check_shapes(const HeadGroup& group) {
  if (group.forms.size() != group.queries.size()) throw std::invalid_argument("every query head needs a logit form");
  for (const MatrixFRef& q : group.queries) {
    if (q.rows() != group.keys.rows() || q.cols() != group.keys.cols()) {
      throw std::invalid_argument(
          fmt::format("queries are {} x {}, keys {} x {}", q.rows(), q.cols(), group.keys.rows(), group.keys.cols()));
    }
  }
}

HeadGroup prefix(const HeadGroup& group, Index length) {
  HeadGroup out{{}, group.keys.topRows(length), group.forms};
  for (const MatrixFRef& q : group.queries) out.queries.push_back(q.topRows(length));
  return out;
}

/// The softmax rows of the longest context in which attention is measured. Makes no pass if the forward pass has
/// measured them already.
AttentionRows measure_attention(const HeadGroup& group, std::size_t head, const Matrix& keys, Index length) {
  return group.attention.empty() ? attention_rows(group.queries[head], keys, group.forms[head], length)
                                 : attention_rows(*group.attention[head], length);
}

/// Adds the attention statistics of a context to those of a field in it, and compares the rows with sampled rows.
void add_attention(const AttentionRows& rows, std::int64_t context, std::size_t head, HeadContext& fields,
                   HeadStatistics& out) {
  attach(attention_statistics(rows, {&context, 1})[0], fields.attention_margin(head, rows), out);
}

}  // namespace

std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                          std::span<const FieldRequest> requests) {
  check_shapes(group);
  std::map<std::int64_t, std::vector<std::size_t>> by_context;  // ascending
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const std::int64_t context = requests[r].context;
    if (context < 2 || context > group.keys.rows()) {
      throw std::invalid_argument(fmt::format("a context of {} is outside 2 ... {}", context, group.keys.rows()));
    }
    by_context[context].push_back(r);
  }
  std::int64_t attended = 0;
  for (const auto& [context, which] : by_context) {
    if (context <= kLongestAttention) attended = context;
  }
  const Matrix keys = group.keys.topRows(group.attention.empty() ? attended : 0).cast<double>();

  std::vector<std::vector<HeadStatistics>> out(group.queries.size(), std::vector<HeadStatistics>(requests.size()));
  std::vector<AttentionRows> attention;
  for (std::size_t h = 0; h < group.queries.size(); ++h) {
    attention.push_back(measure_attention(group, h, keys, attended));
  }
  for (const auto& [context, which] : by_context) {
    const HeadGroup part = prefix(group, context);
    HeadContext fields(alone(), part, {0, context});
    for (std::size_t h = 0; h < group.queries.size(); ++h) {
      for (const std::size_t r : which) {
        out[h][r] = fields.measure(h, requests[r]);
        if (context <= attended) add_attention(attention[h], context, h, fields, out[h][r]);
      }
    }
  }
  return out;
}

std::vector<std::vector<HeadStatistics>> shared_field_statistics(const Team& team, const HeadGroup& group,
                                                                 const Placement& placement,
                                                                 std::span<const FieldRequest> requests) {
  check_shapes(group);
  HeadContext fields(team, group, placement);
  std::vector<std::vector<HeadStatistics>> out(group.queries.size());
  for (std::size_t h = 0; h < group.queries.size(); ++h) {
    for (const FieldRequest& request : requests) out[h].push_back(fields.measure(h, request));
  }
  return out;
}

HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope, RouteResult result) {
  check_shapes(group);
  const Index length = group.keys.rows();
  HeadContext fields(alone(), group, {0, length});
  HeadStatistics out = fields.complete(head, scope, std::move(result));
  if (length <= kLongestAttention) {
    add_attention(measure_attention(group, head, group.keys.cast<double>(), length), length, head, fields, out);
  }
  return out;
}

}  // namespace logitfield::kernels
