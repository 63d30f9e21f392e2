#pragma once
#include <exception>
#include <functional>
#include <string>

#include "pipeline/mpi/communicator.hpp"

namespace logitfield::mpi {

/// A failure that all ranks have agreed on: each throws it, and rank `rank` prints the message.
class AgreedError : public std::exception {
 public:
  AgreedError(int failed_rank, int exit_code, std::string message)
      : rank(failed_rank), code(exit_code), message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

  int rank;
  int code;

 private:
  std::string message_;
};

/// Runs `step` on every rank. If it throws on any, all ranks throw AgreedError with the first such rank's message and
/// exit code (2 for InputError, 1 otherwise). Meant for everything before ranks depend on each other: a bad file ends
/// the job with a single message, and no rank is left waiting. `step` must not communicate. Collective.
void agree(const Communicator& world, const std::function<void()>& step);

/// The message of a failure, for people.
std::string message_of(const std::exception& error);

/// Exit codes: for a failure of the program or the machine, and for bad input.
inline constexpr int kFailure = 1, kBadInput = 2;

/// kBadInput for InputError, else kFailure.
int exit_code_of(const std::exception& error);

}  // namespace logitfield::mpi
