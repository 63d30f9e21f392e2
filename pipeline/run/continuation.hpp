#pragma once
#include <chrono>
#include <span>

#include "kernels/backend.hpp"
#include "pipeline/run/done.hpp"
#include "pipeline/run/stop_notice.hpp"

namespace logitfield {

/// Hidden states [L, hidden_size] of a text as they enter layer `next`.
struct TextStates {
  std::int64_t text = 0, next = 0;
  std::unique_ptr<kernels::Activations> hidden;
};

/// How a rank's part of a run ties in with earlier and later sessions: what is done already, where texts go on, when
/// to stop, and what is saved so that a later session can go on.
class Continuation {
 public:
  /// A run that starts from nothing, and is neither stopped nor saved.
  explicit Continuation(const Job& job);
  /// `states`: the folder of saved hidden states. `notice` must outlive it.
  Continuation(const Job& job, Done done, std::filesystem::path states, StopNotice& notice);

  const Done& done() const { return done_; }
  /// The states that an earlier session saved of this text; throws InputError where they cannot be read.
  TextStates restored(std::int64_t text, const kernels::Backend& backend) const;

  /// Is the run to stop? Asked by all ranks of a stage before each unit; they get the same answer. Once yes, ever yes.
  bool stopping(const mpi::Communicator& stage);
  bool stopped() const { return stopped_; }

  /// Saves these texts' states, unless saving has taken more than its share of the time so far. By one rank of a stage.
  void keep(std::span<const TextStates> texts);
  /// Saves them now: nothing will be computed after it.
  void keep_now(std::span<const TextStates> texts);

 private:
  using Clock = std::chrono::steady_clock;

  const Job& job_;
  const Done done_;
  const std::filesystem::path states_;
  StopNotice* const notice_;
  bool stopped_ = false, failed_ = false;
  /// By text: the layer of the states that were last saved.
  std::vector<std::int64_t> kept_;
  const Clock::time_point start_ = Clock::now();
  Clock::duration saving_{};
};

}  // namespace logitfield
