#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/field_request.hpp"

namespace logitfield {

/// Seconds that one query head's field took.
struct FieldSample {
  /// "attention" stands for the attention statistics of a head, which no route takes.
  std::string route;
  std::int64_t head_dim = 0, group = 1, context = 0;
  double flops = 0, seconds = 0;
};

/// Flops a second of a forward pass with hidden states of a size.
struct ForwardSample {
  std::int64_t hidden_size = 0;
  double weights = 0, attention = 0;
};

/// How fast one rank of a machine works while all ranks of its host do: what predictions are made from.
struct Rates {
  /// Where these numbers come from, for people: "measured 2026-.. on ...", or "assumed: ...".
  std::string source;
  std::int64_t ranks_per_host = 1;
  /// Bytes that a rank may fill; 0: what the host has free.
  double rank_memory = 0;
  /// float32 products of large matrices, flops/s; copying in memory, bytes read and written a second.
  double gemm = 0, memory = 0;
  /// Bytes of weights a second and rank: from storage for the first time; checked and hashed; read and converted.
  double storage = 0, hash = 0, load = 0;
  /// Between two ranks, and over all: seconds, bytes a second.
  double latency = 0, bandwidth = 0;
  std::vector<ForwardSample> forward;
  std::vector<FieldSample> fields;

  /// Forward rates for this hidden size, from the nearest sample.
  ForwardSample forward_at(std::int64_t hidden_size) const;
  /// Seconds for `flops` by that route: the rates of the nearest head dimension and group, between the two nearest
  /// contexts. Throws InputError where there is no sample of the route.
  double field_seconds(const std::string& route, std::int64_t head_dim, std::int64_t group, std::int64_t context,
                       double flops) const;
};

/// $XDG_CONFIG_HOME/logitfield/rates.json, else ~/.config/logitfield/rates.json.
std::filesystem::path default_rates_path();

/// Throws InputError naming the file and the key at fault.
Rates read_rates(const std::filesystem::path& path);
/// Makes the folders that are missing.
void write_rates(const Rates& rates, const std::filesystem::path& path);

}  // namespace logitfield
