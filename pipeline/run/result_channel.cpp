#include "pipeline/run/result_channel.hpp"

#include <utility>

namespace logitfield {
namespace {

constexpr int kRecordTag = 2;

}  // namespace

ResultChannel::ResultChannel(const mpi::Communicator& world, std::function<void(Record)> sink)
    : world_(world), sink_(std::move(sink)) {}

/// Accepts a message; an empty one is the last of its rank.
void ResultChannel::accept(std::span<const std::byte> bytes) {
  if (bytes.empty()) {
    ++finished_;
  } else {
    sink_(decode(bytes));
  }
}

void ResultChannel::send(std::vector<std::byte> bytes) {
  pending_.push_back(world_.start_send(std::move(bytes), 0, kRecordTag));
}

void ResultChannel::submit(const Record& record) {
  if (world_.rank() == 0) return sink_(record);
  send(encode(record));
}

void ResultChannel::poll() {
  if (world_.rank() != 0) {
    while (!pending_.empty() && pending_.front().left()) pending_.pop_front();
    return;
  }
  std::vector<std::byte> bytes;
  while (world_.try_receive(kRecordTag, bytes)) accept(bytes);
}

void ResultChannel::finish() {
  if (world_.rank() != 0) send({});
  for (; !pending_.empty(); pending_.pop_front()) pending_.front().wait();
  if (world_.rank() != 0) return;
  std::vector<std::byte> bytes;
  while (finished_ < world_.size() - 1) {
    world_.wait_receive(kRecordTag, bytes);
    accept(bytes);
  }
}

}  // namespace logitfield
