#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

// Handles of the CPU back end: matrices in host memory. Handles of other back ends throw std::bad_cast.

/// A matrix in host memory.
class HostActivations final : public Activations {
 public:
  explicit HostActivations(MatrixF matrix) : values(std::move(matrix)) {}
  Index rows() const override { return values.rows(); }
  Index cols() const override { return values.cols(); }
  void read(const std::function<void(const MatrixF&)>& visit) const override { visit(values); }
  void change(const std::function<void(MatrixF&)>& visit) override { visit(values); }

  MatrixF values;
};

/// Weights in the host memory that they were read into.
struct HostLayer final : LoadedLayer {
  explicit HostLayer(std::shared_ptr<const LayerWeights> host) : weights(std::move(host)) {}
  std::shared_ptr<const LayerWeights> weights;
};

/// A linear map in host memory.
struct HostLinear final : LoadedLinear {
  explicit HostLinear(Linear host) : map(std::move(host)) {}
  Linear map;
};

/// Queries and keys in host memory.
class HostHeads final : public Heads {
 public:
  HostHeads(QueriesKeys heads, Index length) : heads_(std::move(heads)), length_(length) {}
  MatrixF queries(Index head, Index begin, Index count) const override {
    return heads_.queries.middleRows(head * length_ + begin, count);
  }
  MatrixF keys(Index kv_head, Index begin, Index count) const override {
    return heads_.keys.middleRows(kv_head * length_ + begin, count);
  }

  Index num_kv_heads() const { return heads_.keys.rows() / length_; }
  /// Returns a view of a KV head and its query heads; `forms` are the logit forms of all query heads.
  HeadGroup group(Index kv_head, std::span<const LogitForm> forms) const {
    const Index members = heads_.queries.rows() / heads_.keys.rows(), first = kv_head * members;
    HeadGroup out{{}, heads_.keys.middleRows(kv_head * length_, length_), {}};
    for (Index h = first; h < first + members; ++h) {
      out.queries.push_back(heads_.queries.middleRows(h * length_, length_));
      out.forms.push_back(forms[static_cast<std::size_t>(h)]);
      if (!heads_.attention.empty()) out.attention.push_back(&heads_.attention[static_cast<std::size_t>(h)]);
    }
    return out;
  }

 private:
  QueriesKeys heads_;
  Index length_;
};

/// Return the content of a handle; throw std::bad_cast for a handle of another back end.
inline const MatrixF& matrix(const Activations& a) { return dynamic_cast<const HostActivations&>(a).values; }
inline MatrixF& matrix(Activations& a) { return dynamic_cast<HostActivations&>(a).values; }
inline const LayerWeights& weights_of(const LoadedLayer& layer) {
  return *dynamic_cast<const HostLayer&>(layer).weights;
}
inline const Linear& linear_of(const LoadedLinear& linear) { return dynamic_cast<const HostLinear&>(linear).map; }
inline const HostHeads& heads_of(const Heads& heads) { return dynamic_cast<const HostHeads&>(heads); }

}  // namespace logitfield::kernels::cpu
