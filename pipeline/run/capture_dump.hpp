#pragma once
#include <vector>

#include "io/capture/capture_writer.hpp"
#include "kernels/backend.hpp"
#include "pipeline/job/job.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/results/unit_place.hpp"

namespace logitfield {

/// Writes the Q and K of a run's texts as captures, one folder per text; all shards of a stage write into one file per
/// layer.
class CaptureDump {
 public:
  /// `stage`: the ranks of this rank's stage; must outlive it.
  CaptureDump(const Job& job, const mpi::Communicator& stage);

  /// Writes the heads of this rank's KV heads in one layer. Collective over the stage; does nothing if no captures
  /// are wanted.
  void write(const UnitPlace& unit, Slice kv_heads, const kernels::Heads& heads);

 private:
  const Job& job_;
  const mpi::Communicator& stage_;
  std::vector<io::CaptureWriter> writers_;
};

/// For one rank; each does nothing if no captures are wanted. Before the run, start_captures creates the folders and
/// throws InputError if one cannot be created or is not empty. resume_captures accepts the folders of the run that
/// it resumes. After all ranks have written, finish_captures completes them.
void start_captures(const Job& job);
void resume_captures(const Job& job);
void finish_captures(const Job& job);
/// Whether an earlier session has written this layer of this text. True if no captures are wanted.
bool is_dumped(const Job& job, const UnitPlace& unit);

}  // namespace logitfield
