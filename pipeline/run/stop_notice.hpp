#pragma once
#include <deque>

#include "pipeline/mpi/communicator.hpp"

namespace logitfield {

/// Makes SIGUSR1, SIGTERM, SIGINT and SIGHUP ask for a stop; a second signal of the same kind ends the process at once.
/// A signal that the program inherited as ignored (nohup: SIGHUP) stays ignored. Call it from the thread that computes
/// matrix products.
void catch_stop_signals();

/// While one exists, an earlier or new stop signal ends the process at once, with exit code 128 + its number: there is
/// nothing to save yet. At most one may exist.
class NothingToSave {
 public:
  NothingToSave();
  NothingToSave(const NothingToSave&) = delete;
  NothingToSave& operator=(const NothingToSave&) = delete;
  ~NothingToSave();
};

/// Passes a stop signal, which may reach any rank, on to all ranks; no rank waits for it.
class StopNotice {
 public:
  explicit StopNotice(const mpi::Communicator& world) : world_(world) {}

  /// The signal that this rank received or was told of; 0: none.
  int poll();
  /// Receives all notices that are still on their way, once no rank polls any more. Collective.
  void drain();

 private:
  void tell_others();
  void hear(std::span<const std::byte> bytes);

  const mpi::Communicator& world_;
  int signal_ = 0;
  bool told_ = false;
  int heard_ = 0;
  std::deque<mpi::Sending> pending_;
};

}  // namespace logitfield
