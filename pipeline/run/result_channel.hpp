#pragma once
#include <cstdint>
#include <deque>
#include <functional>

#include "pipeline/mpi/communicator.hpp"
#include "pipeline/results/record.hpp"

namespace logitfield {

/// Brings every rank's records to rank 0 while the ranks compute; nobody waits until finish().
class ResultChannel {
 public:
  /// `sink` is called on rank 0 only, once for every record.
  ResultChannel(const mpi::Communicator& world, std::function<void(Record)> sink);

  void submit(const Record& record);
  /// Rank 0: takes what has come. Others: frees what has left. Called now and then while computing.
  void poll();
  /// Nothing is submitted any more. Rank 0: takes records until every rank has said so. Others: waits until all have
  /// left. Collective.
  void finish();

 private:
  void send(std::vector<std::byte> bytes);
  void accept(std::span<const std::byte> bytes);

  const mpi::Communicator& world_;
  std::function<void(Record)> sink_;
  /// Rank 0: the ranks that have said that no more will come.
  int finished_ = 0;
  std::deque<mpi::PendingSend> pending_;
};

}  // namespace logitfield
