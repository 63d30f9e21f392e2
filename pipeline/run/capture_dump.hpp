#pragma once
#include <filesystem>
#include <vector>

#include "io/capture/capture_writer.hpp"
#include "kernels/backend.hpp"
#include "pipeline/job/job.hpp"
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

/// One rank, before the run: creates the folders (throws InputError where one cannot be, or is not empty); those of a
/// run that goes on may be there. After all ranks have written: completes them. Nothing where no captures are wanted.
void start_captures(const Job& job);
void resume_captures(const Job& job);
void finish_captures(const Job& job);
/// Has an earlier session written this layer? True where no captures are wanted.
bool is_dumped(const Job& job, std::int64_t text, std::int64_t layer);

}  // namespace logitfield
