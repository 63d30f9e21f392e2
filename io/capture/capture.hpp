#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/checkpoint/checkpoint.hpp"
#include "io/weights/tensor_check.hpp"

namespace logitfield::io {

/// The content of capture.json. It describes Q and K of one text, recorded by another program exactly as they enter the
/// dot product.
struct CaptureInfo {
  std::string model;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t num_tokens = 0;
  /// The factor of q.k, usually 1/sqrt(head_dim).
  double scale = 0;
  std::string source;
  /// One per query head (empty: none): the logit of row i and column j gets slope * (j - i).
  std::vector<double> alibi_slopes;
  /// If set, the logit is softcap * tanh(x / softcap).
  std::optional<double> logit_softcap;
  /// Contexts of at most this many tokens are not prefixes of this capture: the model rotates them differently
  /// (LongRoPE).
  std::int64_t rotation_changes_after = 0;
  /// One per layer (empty: none; 0: none in that layer). Query i attends to the keys i - window < j <= i, or to the
  /// keys j <= i of its chunk of that many positions.
  std::vector<std::int64_t> windows = {}, chunks = {};
  /// By layer and query head (empty: none): the logit of a member of the softmax that is no key and has no value.
  std::vector<std::vector<double>> sinks = {};
};

/// A capture folder: capture.json and layer_000.safetensors, layer_001.safetensors, ..., each holding
/// q [num_heads, num_tokens, head_dim] and k [num_kv_heads, num_tokens, head_dim] in F32, F16 or BF16.
class Capture {
 public:
  /// Checks capture.json and the header of every layer file. Throws InputError naming file, key or tensor, value and
  /// remedy for:
  /// - a wrong format or version;
  /// - sizes that are not positive or not divisible;
  /// - scale or logit_softcap not positive and finite, rotation_changes_after not positive;
  /// - alibi_slopes that are not num_heads finite numbers;
  /// - windows or chunks that are not num_layers positive integers or nulls, or both set in one layer;
  /// - sinks that are not num_layers lists of num_heads numbers;
  /// - causal or position_encoding_applied not true;
  /// - a missing layer file, a missing tensor, or a tensor of the wrong shape or type.
  explicit Capture(const std::filesystem::path& folder, Finite finite = Finite::required);

  const std::filesystem::path& folder() const { return folder_; }
  const CaptureInfo& info() const { return info_; }

  /// Reads some rows of one head as float32 [rows.size(), head_dim]. Where values must be finite, throws InputError at
  /// a NaN or infinity among them, naming file, tensor, head, row (of the whole tensor) and value. After expect(), also
  /// throws InputError if the values differ from those of the first reading. Without expect(), reads no other row.
  void read_queries(std::int64_t layer, std::int64_t head, Slice rows, std::span<float> target) const;
  void read_keys(std::int64_t layer, std::int64_t kv_head, Slice rows, std::span<float> target) const;

  /// Scans every value of one layer as read_queries and read_keys would. Returns the XXH3 hash of the layer's q and k,
  /// and of the blocks of q, then k. Reads the file in pieces and releases its pages.
  Fingerprint check_and_hash(std::int64_t layer) const;
  /// Makes later reads of this layer compare the bytes that they use with these blocks of q, then k.
  void expect(std::int64_t layer, BlockHashes blocks);

 private:
  /// Returns the hashes of a layer's q; empty if there was no first reading.
  std::span<const std::uint64_t> query_blocks(std::size_t layer) const;

  std::filesystem::path folder_;
  CaptureInfo info_;
  Finite finite_;
  std::vector<SafetensorsFile> layers_;
  /// The hashes of each layer; empty if there was no first reading.
  std::vector<BlockHashes> blocks_;
};

}  // namespace logitfield::io
