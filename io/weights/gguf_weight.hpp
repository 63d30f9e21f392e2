#pragma once
#include <memory>
#include <string>
#include <vector>

#include "io/gguf/gguf_model.hpp"
#include "io/weights/quantised_weight.hpp"

namespace logitfield::io {

/// Rows of blocks of a GGUF file (block_types.hpp): a whole tensor, or one of the matrices that a tensor stacks.
class GgufWeight final : public QuantisedWeight {
 public:
  /// `part` holds whole rows of blocks of a type that is_readable(); a vector's blocks have one number.
  GgufWeight(StoredPart part, const BlockType& type, std::vector<std::int64_t> shape);

 protected:
  void dequantise(Slice rows, Slice columns, std::span<float> target) const override;
  std::span<const std::byte> bytes_of(Slice rows) const override;
  void check_scales() const override {}  // a non-finite scale makes its whole block non-finite

 private:
  const BlockType& type_;
  std::size_t row_bytes_;
};

/// Returns the tensor as a part of a weight.
StoredPart part_of(const PlacedTensor& placed);

/// Opens the weight `name`; NAME[3].weight is the fourth matrix (or vector) that the tensor NAME.weight stacks. Two
/// tensors may stand for a weight of latent attention (gguf_latent_weight.hpp). Returns null if the model has no such
/// tensor. Throws InputError naming file, tensor and fault for another shape, and for a
/// type of blocks that is not implemented.
std::unique_ptr<StoredWeight> open_gguf_weight(const GgufModel& model, const std::string& name,
                                               const std::vector<std::int64_t>& shape);

}  // namespace logitfield::io
