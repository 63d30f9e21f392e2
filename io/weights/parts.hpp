#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/config/quantisation.hpp"
#include "io/safetensors.hpp"
#include "io/weights/stored_weight.hpp"

namespace logitfield::io {

/// A tensor and the file that holds it.
struct FileTensor {
  const SafetensorsFile* file = nullptr;
  const Tensor* tensor = nullptr;
};

/// Finds a tensor of a checkpoint by its name; empty if no file holds it.
using FindTensor = std::function<std::optional<FileTensor>(const std::string& name)>;

/// The name and shape of a weight to open.
struct WeightRequest {
  /// The name in the configuration: "model.layers.0.mlp.up_proj.weight".
  std::string name;
  std::vector<std::int64_t> shape;
  std::optional<Quantisation> quantisation;
  FindTensor find;

  /// Returns the name without ".weight".
  std::string module() const;
};

/// A part whose elements have a type of the safetensors format.
struct TypedPart : StoredPart {
  TypedPart(const FileTensor& found);
  /// Becomes one of the matrices, or vectors, that it stacks.
  void take(std::int64_t index);
  DType dtype;
};

/// Returns the tensor with this name. Throws InputError that also names the weight `of` if no file holds it.
TypedPart require_part(const FindTensor& find, const std::string& name, const StoredPart& of);

/// The tensor that holds a weight, and the number of the matrix in it; empty if the weight is the whole tensor.
struct StackPlace {
  std::string tensor;
  std::optional<std::int64_t> index;
};
/// Returns the place of a weight named "tensor[index].weight".
StackPlace place_of(const std::string& name);
/// Returns one of the matrices, or vectors, that the part stacks.
StoredPart unstacked(StoredPart part, std::int64_t index);

/// Whether tensors of both shapes hold the same numbers in the same order: [1, n] is read as [n].
bool is_same_shape(std::span<const std::int64_t> a, std::span<const std::int64_t> b);

/// Throws InputError naming file and tensor for any other type or shape.
void require_type(const TypedPart& part, std::initializer_list<DType> types);
void require_shape(const StoredPart& part, const std::vector<std::int64_t>& shape);

/// Requires a type of scales: F32, F16 or BF16 numbers; or powers of two, as F8_E8M0 or as U8 exponents.
void require_scale_type(const TypedPart& scales);
/// Reads scales from element `first` on.
void read_scales(const TypedPart& scales, std::size_t first, std::span<float> target);
/// Throws NotFiniteError at the first scale that is not finite.
void require_finite_scales(const TypedPart& scales);

}  // namespace logitfield::io
