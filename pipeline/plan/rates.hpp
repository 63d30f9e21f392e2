#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/field_request.hpp"

namespace logitfield {

/// Measured time of one query head's field, in seconds.
struct FieldSample {
  /// "attention" stands for the attention statistics of a head, which belong to no route.
  std::string route;
  std::int64_t head_dim = 0, group = 1, context = 0;
  double flops = 0, seconds = 0;
};

/// Measured speed of a forward pass at one hidden size, flops/s.
struct ForwardSample {
  std::int64_t hidden_size = 0;
  double weights = 0, attention = 0;
};

/// Speed of one rank while all ranks of its host work; predictions are made from it.
struct Rates {
  /// Origin of the rates, for people: "measured 2026-.. on ...", or "assumed: ...".
  std::string source;
  std::int64_t ranks_per_host = 1;
  /// Bytes that a rank may fill; 0: the free memory of the host.
  double rank_memory = 0;
  /// float32 products of large matrices, flops/s; copies in memory, bytes read and written per second.
  double gemm = 0, memory = 0;
  /// Bytes of weights per second: first read from storage, by all ranks together; check and hash, read and conversion,
  /// by one rank.
  double storage = 0, hash = 0, load = 0;
  /// Communication: latency in seconds, bandwidth in bytes per second.
  double latency = 0, bandwidth = 0;
  std::vector<ForwardSample> forward;
  std::vector<FieldSample> fields;

  /// Forward rates for this hidden size, from the nearest sample.
  ForwardSample forward_at(std::int64_t hidden_size) const;
  /// Seconds for `flops` by that route, from the rates of the nearest head dimension and group, interpolated between
  /// the two nearest contexts. Throws InputError if the route has no sample.
  double field_seconds(const std::string& route, std::int64_t head_dim, std::int64_t group, std::int64_t context,
                       double flops) const;
};

/// $XDG_CONFIG_HOME/logitfield/rates.json, else ~/.config/logitfield/rates.json.
std::filesystem::path default_rates_path();

/// Throws InputError naming the file and the key at fault.
Rates read_rates(const std::filesystem::path& path);
/// Creates missing folders.
void write_rates(const Rates& rates, const std::filesystem::path& path);

}  // namespace logitfield
