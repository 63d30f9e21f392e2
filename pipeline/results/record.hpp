#pragma once
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "kernels/statistics.hpp"
#include "pipeline/results/null_draws.hpp"

namespace logitfield {

/// One query head of one layer and text: an entry per context and scope, scopes innermost.
struct HeadRecord {
  std::int64_t head = 0, kv_head = 0;
  std::vector<kernels::HeadStatistics> fields;
  /// With --head-null: the draws from this head, for each field. Else empty.
  std::vector<NullDraws> nulls = {};
};

/// The unit of progress: some or all heads of one layer of one text.
struct LayerRecord {
  std::int64_t text = 0, layer = 0;
  std::vector<HeadRecord> heads;
};

/// Next-token loss of one text, nats, over its predicted tokens.
struct LossRecord {
  std::int64_t text = 0, predictions = 0;
  double loss = 0;
};

/// One start of the program on a run: the first, or a resumption.
struct SessionRecord {
  /// Number of the session, from 0.
  std::int64_t session = 0;
  std::string started, grid, weights, backend;
  /// The host of each rank.
  std::vector<std::string> hosts;
  /// SLURM_CLUSTER_NAME and SLURM_JOB_ID; empty outside SLURM.
  std::string cluster, job;
  /// Flops of the whole run, as planned.
  double flops = 0;
};

/// Time by phase and peak memory of one rank in one session.
struct RankRecord {
  std::int64_t session = 0, rank = 0;
  std::string host;
  /// Seconds by phase (kPhaseNames).
  std::vector<std::pair<std::string, double>> seconds;
  double wall_seconds = 0;
  std::int64_t peak_bytes = 0;
  /// Seconds outside all phases: opening files, planning, writing the journal.
  double other_seconds() const;
};

/// The Gaussian null of one context and scope.
struct NullRecord {
  /// context * scopes + scope
  std::int64_t field = 0;
  NullDraws of;
};

/// The content of one journal record.
using Record = std::variant<LayerRecord, LossRecord, SessionRecord, RankRecord, NullRecord>;

/// Encodes as CBOR (RFC 8949): self-describing, every float64 exact, including NaN and infinities.
std::vector<std::byte> encode(const Record& record);
/// Decodes a record. Statistics that an older version did not write become undefined (NaN, -1); a missing check counts
/// as failed. Throws std::runtime_error naming what is missing or wrong.
Record decode(std::span<const std::byte> bytes);

}  // namespace logitfield
