#pragma once
#include <filesystem>
#include <vector>

#include "io/capture_writer.hpp"
#include "kernels/backend.hpp"
#include "pipeline/job.hpp"
#include "pipeline/mpi/communicator.hpp"

namespace logitfield {

/// Writes the Q and K of a run's texts as captures, a folder each, all shards of a stage into one file per layer.
class CaptureDump {
 public:
  /// `stage`: the ranks of this rank's stage; must outlive it.
  CaptureDump(const Job& job, const mpi::Communicator& stage);

  /// The heads of this rank's KV heads in one layer. Collective over the stage; does nothing where none are wanted.
  void write(std::int64_t text, std::int64_t layer, Slice kv_heads, const kernels::Heads& heads);

 private:
  const Job& job_;
  const mpi::Communicator& stage_;
  std::vector<io::CaptureWriter> writers_;
};

/// One rank, before the run: creates the folders (throws InputError where one cannot be); and after all ranks have
/// written: completes them. Nothing where no captures are wanted.
void start_captures(const Job& job);
void finish_captures(const Job& job);

}  // namespace logitfield
