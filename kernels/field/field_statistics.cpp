#include "kernels/field/field_statistics.hpp"

#include <fmt/format.h>

#include <map>
#include <stdexcept>

#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/head_context.hpp"

namespace logitfield::kernels::cpu {
namespace {

void check_shapes(const HeadGroup& group) {
  if (group.forms.size() != group.queries.size()) throw std::invalid_argument("a logit form is needed per query head");
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

using AttentionByContext = std::map<std::int64_t, AttentionStatistics>;

/// Makes one pass for all contexts that are short enough; none if the forward pass has measured attention already.
AttentionByContext measure_attention(const HeadGroup& group, std::size_t head, const Matrix& keys,
                                     std::span<const std::int64_t> contexts) {
  AttentionByContext out;
  if (contexts.empty()) return out;
  const auto measured = group.attention.empty()
                            ? attention_statistics(group.queries[head], keys, group.forms[head], contexts)
                            : attention_statistics(*group.attention[head], contexts);
  for (std::size_t c = 0; c < contexts.size(); ++c) out[contexts[c]] = measured[c];
  return out;
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
  std::vector<std::int64_t> attended;
  for (const auto& [context, which] : by_context) {
    if (context <= kLongestAttention) attended.push_back(context);
  }
  const Matrix keys =
      group.keys.topRows(attended.empty() || !group.attention.empty() ? 0 : attended.back()).cast<double>();

  std::vector<std::vector<HeadStatistics>> out(group.queries.size(), std::vector<HeadStatistics>(requests.size()));
  std::vector<AttentionByContext> attention;
  for (std::size_t h = 0; h < group.queries.size(); ++h) {
    attention.push_back(measure_attention(group, h, keys, attended));
  }
  for (const auto& [context, which] : by_context) {
    const HeadGroup part = prefix(group, context);
    HeadContext fields(alone(), part, {0, context});
    for (std::size_t h = 0; h < group.queries.size(); ++h) {
      for (const std::size_t r : which) {
        out[h][r] = fields.measure(h, requests[r]);
        if (attention[h].contains(context)) attach(attention[h].at(context), out[h][r]);
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
  const std::vector<std::int64_t> contexts{group.keys.rows()};
  HeadStatistics out = HeadContext(alone(), group, {0, group.keys.rows()}).complete(head, scope, std::move(result));
  if (contexts[0] <= kLongestAttention) {
    attach(attention_statistics(group.queries[head], group.keys.cast<double>(), group.forms[head], contexts)[0], out);
  }
  return out;
}

}  // namespace logitfield::kernels::cpu
