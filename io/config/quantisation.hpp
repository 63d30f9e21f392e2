#pragma once
#include <cstdint>
#include <string>

#include "io/config/config_source.hpp"

namespace logitfield::io {

/// The format of a checkpoint's quantised weights, from quantization_config. The files show which weights are
/// quantised: weights that the method leaves alone are stored as usual.
struct Quantisation {
  enum class Method { float8, compressed_tensors, mxfp4, gptq, awq };

  Method method = Method::float8;
  /// The name of the method in config.json.
  std::string name;
  /// float8, compressed_tensors: rows and columns that share a scale; 0: the whole matrix or a row shares one,
  /// depending on the scales' shape.
  std::int64_t block_rows = 0, block_columns = 0;
  /// Float8: whether products with a scale are rounded to its type, as compressed-tensors does, or kept in float32.
  bool rounds_to_scale_type = false;
  /// gptq, awq: bits of a number; inputs that share a scale (0: all).
  std::int64_t bits = 4, group_size = 0;
  /// compressed_tensors: whether every module of integers must have zero points, and an order of its columns.
  bool needs_zero_points = false, needs_order = false;
  /// gptq: the number to add to stored zero points.
  std::int64_t zero_offset = 0;
};

/// Reads the object quantization_config. Throws InputError naming key and value for every method, or variant of a
/// method, whose weights are not supported.
Quantisation read_quantisation(const ConfigSource& config);

}  // namespace logitfield::io
