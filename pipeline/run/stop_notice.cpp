#include "pipeline/run/stop_notice.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace logitfield {
namespace {

constexpr int kStopTag = 3;
volatile sig_atomic_t received_signal = 0;

volatile sig_atomic_t ends_at_once = 0;

/// Uses only functions that are safe in a signal handler.
[[noreturn]] void end(int signal) {
  constexpr std::string_view kText = "logitfield: stopped by a signal before anything was measured\n";
  (void)!::write(STDERR_FILENO, kText.data(), kText.size());
  ::_exit(128 + signal);
}

void remember(int signal) {
  received_signal = signal;
  if (ends_at_once != 0) end(signal);
}

/// Gives the handler its own stack. In matrix products of oneDNN up to 3.11.1, the stack pointer points into the
/// workspace, so a handler on the normal stack would overwrite operands and the heap (oneDNN issue 4845).
void handle_on_own_stack() {
  static std::vector<std::byte> memory(std::max<std::size_t>(65536, sysconf(_SC_SIGSTKSZ)));
  const stack_t stack{.ss_sp = memory.data(), .ss_flags = 0, .ss_size = memory.size()};
  if (sigaltstack(&stack, nullptr) != 0) throw std::runtime_error("sigaltstack failed");
}

}  // namespace

void catch_stop_signals() {
  handle_on_own_stack();
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = SA_ONSTACK | SA_RESTART | static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction before {};
    if (sigaction(signal, nullptr, &before) != 0) throw std::runtime_error("sigaction failed");
    if (before.sa_handler == SIG_IGN) continue;
    if (sigaction(signal, &action, nullptr) != 0) throw std::runtime_error("sigaction failed");
  }
}

NothingToSave::NothingToSave() {
  ends_at_once = 1;
  if (received_signal != 0) end(received_signal);
}

NothingToSave::~NothingToSave() { ends_at_once = 0; }

int StopNotice::poll() {
  std::vector<std::byte> bytes;
  while (world_.try_receive(kStopTag, bytes)) hear(bytes);
  if (received_signal != 0 && !told_) {
    if (signal_ == 0) signal_ = received_signal;
    tell_others();
  }
  return signal_;
}

void StopNotice::tell_others() {
  told_ = true;
  for (int rank = 0; rank < world_.size(); ++rank) {
    if (rank == world_.rank()) continue;
    std::vector<std::byte> bytes(sizeof signal_);
    std::memcpy(bytes.data(), &signal_, sizeof signal_);
    pending_.push_back(world_.start_send(std::move(bytes), rank, kStopTag));
  }
}

void StopNotice::hear(std::span<const std::byte> bytes) {
  ++heard_;
  if (signal_ == 0) std::memcpy(&signal_, bytes.data(), sizeof signal_);
}

void StopNotice::drain() {
  double tellers = told_ ? 1 : 0;
  world_.sum({&tellers, 1});
  const int expected = static_cast<int>(tellers) - (told_ ? 1 : 0);
  for (std::vector<std::byte> bytes; heard_ < expected;) {
    world_.wait_receive(kStopTag, bytes);
    hear(bytes);
  }
  for (; !pending_.empty(); pending_.pop_front()) pending_.front().wait();
}

}  // namespace logitfield
