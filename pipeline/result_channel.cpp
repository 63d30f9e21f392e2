#include "pipeline/result_channel.hpp"

#include <utility>

namespace logitfield {
namespace {

constexpr int kRecordTag = 2;

}  // namespace

ResultChannel::ResultChannel(const mpi::Communicator& world, std::function<void(Record)> sink)
    : world_(world), sink_(std::move(sink)) {}

void ResultChannel::accept(Record record) {
  sink_(std::move(record));
  ++accepted_;
}

void ResultChannel::submit(const Record& record) {
  if (world_.rank() == 0) return accept(record);
  pending_.push_back({encode(record), MPI_REQUEST_NULL});
  world_.start_send(pending_.back(), 0, kRecordTag);
}

void ResultChannel::poll() {
  if (world_.rank() != 0) {
    while (!pending_.empty() && world_.sent(pending_.front())) pending_.pop_front();
    return;
  }
  std::vector<std::byte> bytes;
  while (world_.try_receive(kRecordTag, bytes)) accept(decode(bytes));
}

void ResultChannel::finish(std::int64_t expected) {
  for (; !pending_.empty(); pending_.pop_front()) world_.wait(pending_.front());
  if (world_.rank() != 0) return;
  std::vector<std::byte> bytes;
  while (accepted_ < expected) {
    world_.wait_receive(kRecordTag, bytes);
    accept(decode(bytes));
  }
}

}  // namespace logitfield
