#include "pipeline/run/continuation.hpp"

#include "io/console.hpp"
#include "io/error.hpp"
#include "io/run/state_file.hpp"

namespace logitfield {
namespace {

/// Saving may take at most this fraction of the time: one part in kSavingShare.
constexpr int kSavingShare = 20;

io::StateKey key_of(const TextStates& states) {
  return {states.text, states.next, states.hidden->rows(), states.hidden->cols()};
}

}  // namespace

Continuation::Continuation(const Job& job) : job_(job), done_(nothing_done(job)), notice_(nullptr) {}

Continuation::Continuation(const Job& job, Done done, std::filesystem::path states, StopNotice& notice)
    : job_(job), done_(std::move(done)), states_(std::move(states)), notice_(&notice), kept_(done_.saved) {}

TextStates Continuation::restored(std::int64_t text, const kernels::Backend& backend) const {
  const io::StateKey key{text, done_.saved[text], job_.length(), job_.config->hidden_size};
  kernels::MatrixF hidden(key.rows, key.columns);
  io::read_state(states_, key, kernels::as_span(hidden));
  return {text, key.layer, backend.upload(std::move(hidden))};
}

bool Continuation::stopping(const mpi::Communicator& stage) {
  if (!notice_ || stopped_) return stopped_;
  stopped_ = stage.max(notice_->poll()) != 0;
  return stopped_;
}

void Continuation::keep(std::span<const TextStates> texts) {
  if (!notice_ || saving_ * kSavingShare > Clock::now() - start_) return;
  keep_now(texts);
}

void Continuation::keep_now(std::span<const TextStates> texts) {
  const auto begin = Clock::now();
  for (const TextStates& states : texts) {
    if (failed_ || states.next <= kept_[states.text]) continue;
    try {
      states.hidden->read(
          [&](const kernels::MatrixF& values) { io::write_state(states_, key_of(states), kernels::as_span(values)); });
      kept_[states.text] = states.next;
    } catch (const InputError& error) {
      // No measured result is lost: the journal holds them. At worst, a later session recomputes layers.
      io::tell("warning: hidden states are no longer saved: {}", error.what());
      failed_ = true;
    }
  }
  saving_ += Clock::now() - begin;
}

}  // namespace logitfield
