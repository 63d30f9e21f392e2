#pragma once
#include <deque>
#include <functional>

#include "pipeline/mpi/communicator.hpp"
#include "pipeline/results/record.hpp"

namespace logitfield {

/// Sends every rank's records to rank 0 while the ranks compute; no rank waits until finish().
class ResultChannel {
 public:
  /// `sink` is called on rank 0 only, once for every record.
  ResultChannel(const mpi::Communicator& world, std::function<void(Record)> sink);

  void submit(const Record& record);
  /// Rank 0: accepts messages that have arrived. Others: frees messages that have left. Called regularly while
  /// computing.
  void poll();
  /// Ends submission. Rank 0: accepts records until every rank has finished. Others: wait until all their messages have
  /// left. Collective.
  void finish();

 private:
  void send(std::vector<std::byte> bytes);
  void accept(std::span<const std::byte> bytes);

  const mpi::Communicator& world_;
  std::function<void(Record)> sink_;
  /// Rank 0: number of ranks that have announced their end.
  int finished_ = 0;
  std::deque<mpi::Sending> pending_;
};

}  // namespace logitfield
