#pragma once
#include <chrono>
#include <span>

#include "kernels/backend.hpp"
#include "pipeline/run/done.hpp"
#include "pipeline/run/stop_notice.hpp"

namespace logitfield {

/// Hidden states [L, hidden_size] of one text as they enter layer `next`.
struct TextStates {
  std::int64_t text = 0, next = 0;
  std::unique_ptr<kernels::Activations> hidden;
};

/// Connects a rank's part of a run with earlier and later sessions: which work is done, where each text resumes, when
/// to stop, and which states are saved for a later session.
class Continuation {
 public:
  /// A run from the beginning that is never stopped and saves no states.
  explicit Continuation(const Job& job);
  /// `states`: the folder of saved hidden states. `notice` must outlive it.
  Continuation(const Job& job, Done done, std::filesystem::path states, StopNotice& notice);

  const Done& done() const { return done_; }
  /// The hidden states of this text that an earlier session saved. Throws InputError if they cannot be read.
  TextStates restored(std::int64_t text, const kernels::Backend& backend) const;

  /// Whether the run is to stop. All ranks of a stage ask before each unit and get the same answer. Once true, it stays
  /// true.
  bool stopping(const mpi::Communicator& stage);
  bool stopped() const { return stopped_; }

  /// Saves these texts' states, unless saving has already taken more than its share of the time. Called by one rank of
  /// a stage.
  void keep(std::span<const TextStates> texts);
  /// Saves the states now: nothing will be computed afterwards.
  void keep_now(std::span<const TextStates> texts);

 private:
  using Clock = std::chrono::steady_clock;

  const Job& job_;
  const Done done_;
  const std::filesystem::path states_;
  StopNotice* const notice_;
  bool stopped_ = false, failed_ = false;
  /// By text: the layer that the last saved states enter.
  std::vector<std::int64_t> kept_;
  const Clock::time_point start_ = Clock::now();
  Clock::duration saving_{};
};

}  // namespace logitfield
