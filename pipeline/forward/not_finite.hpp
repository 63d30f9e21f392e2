#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/checkpoint/checkpoint.hpp"
#include "io/weights/tensor_check.hpp"
#include "pipeline/mpi/communicator.hpp"

namespace logitfield {

/// A tensor of a checkpoint that holds a NaN or an infinity.
struct NotFinite {
  std::string tensor;
  /// The first such value, and its place: "[row, column]".
  std::string value, index;
  /// -1: the tensor belongs to no layer.
  std::int64_t layer = -1;
  /// Query heads whose queries, keys or values come from rows that are not finite; empty: no head in particular.
  std::vector<std::int64_t> heads;
};

/// Finds the layer and the heads that the tensor of `error` belongs to.
NotFinite locate(const io::Checkpoint& checkpoint, const io::NotFiniteError& error);

/// Returns the tensors of all ranks, sorted by name, on every rank. Collective.
std::vector<NotFinite> all_of(const std::vector<NotFinite>& mine, const mpi::Communicator& world);

/// The form stored in the monitor's folder.
void to_json(nlohmann::json& out, const NotFinite& weight);
void from_json(const nlohmann::json& in, NotFinite& weight);

}  // namespace logitfield
