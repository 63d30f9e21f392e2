#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/checkpoint/checkpoint.hpp"
#include "io/checkpoint/tensor_check.hpp"
#include "pipeline/mpi/communicator.hpp"

namespace logitfield {

/// A tensor of a checkpoint that holds a NaN or an infinity.
struct NotFinite {
  std::string tensor;
  /// The first one, and where: "[row, column]".
  std::string value, index;
  /// -1: it lies around the layers.
  std::int64_t layer = -1;
  /// Query heads whose queries, keys or values come from rows that are not finite; empty: no heads in particular.
  std::vector<std::int64_t> heads;
};

/// Which layer and heads the tensor of `error` belongs to.
NotFinite locate(const io::Checkpoint& checkpoint, const io::NotFiniteError& error);

/// Those of all ranks, on every rank, by name. Collective.
std::vector<NotFinite> all_of(const std::vector<NotFinite>& mine, const mpi::Communicator& world);

/// As the monitor's folder keeps it.
void to_json(nlohmann::json& out, const NotFinite& weight);
void from_json(const nlohmann::json& in, NotFinite& weight);

}  // namespace logitfield
