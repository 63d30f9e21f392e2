#pragma once
#include <cstdint>
#include <string>

#include "io/config/config_source.hpp"

namespace logitfield::io {

/// How a checkpoint stores its quantised weights, from quantization_config. Which weights are quantised is seen from
/// the files: what the method leaves alone lies there as usual.
struct Quantisation {
  enum class Method { float8, mxfp4, gptq, awq };

  Method method = Method::float8;
  /// As config.json names the method.
  std::string name;
  /// float8: rows and columns that share a scale; 0: those of the whole matrix, or of a row, as the scales' shape says.
  std::int64_t block_rows = 0, block_columns = 0;
  /// float8: whether products with a scale are rounded to its type, as by compressed-tensors, and not kept in float32.
  bool rounds_to_scale_type = false;
  /// gptq, awq: bits of a number; inputs that share a scale (0: all).
  std::int64_t bits = 4, group_size = 0;
  /// gptq: what is to be added to stored zero points.
  std::int64_t zero_offset = 0;
};

/// Reads the object quantization_config. Throws InputError naming key and value for every method, and every variant of
/// one, whose weights are not read.
Quantisation read_quantisation(const ConfigSource& config);

}  // namespace logitfield::io
