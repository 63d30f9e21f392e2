#pragma once
#include <vector>

#include "kernels/backend.hpp"
#include "pipeline/plan/partition.hpp"

namespace logitfield {

/// Rows of a KV head and of the query heads that read it: [n, head_dim] each.
struct GroupRows {
  std::vector<kernels::MatrixF> queries;
  kernels::MatrixF keys;

  /// A view of the first `length` rows, with the heads' logit forms.
  kernels::HeadGroup view(std::int64_t length, const std::vector<kernels::LogitForm>& forms) const {
    kernels::HeadGroup out{{}, keys.topRows(length), forms};
    for (const kernels::MatrixF& q : queries) out.queries.push_back(q.topRows(length));
    return out;
  }
};

/// Provides the Q and K of one layer and text.
class HeadSource {
 public:
  virtual ~HeadSource() = default;
  /// Rows of a KV head (numbered from 0 in the layer) and of its query heads. For a model, only the rank that computed
  /// the head has them.
  virtual GroupRows rows(std::int64_t kv_head, Slice rows) const = 0;
  /// This rank's heads with all rows, where the back end computed them; else null.
  virtual const kernels::Heads* computed() const { return nullptr; }
};

}  // namespace logitfield
