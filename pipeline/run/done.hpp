#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/job/job.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {

/// Work that earlier sessions of a run have finished, and where each text can resume. Plain data, equal on all ranks.
struct Done {
  /// [text][layer], layers from 0. True if the unit is done: at most its hidden states must be computed again.
  std::vector<std::vector<bool>> units;
  /// By text: whether its loss is known (or not wanted).
  std::vector<bool> losses;
  /// By text: the layer that its saved hidden states enter; 0 if none are saved.
  std::vector<std::int64_t> saved;
  bool nulls = false;
  /// Number of earlier sessions, which is also the number of the next one.
  std::int64_t sessions = 0;

  /// The layers of a text that must be computed: from its saved states to its last unit that is not done, or to the
  /// last layer of the model if the loss is wanted. Empty if there are none.
  Slice open_layers(std::int64_t text) const;
  /// The first layer that is not done; the number of layers if all are done.
  std::int64_t first_open(std::int64_t text) const;
  /// Number of finished units among these layers, over all texts.
  std::int64_t count_units(Slice layers) const;
};

/// The state in which nothing is done.
Done nothing_done(const Job& job);
/// The part of this job that the results of earlier sessions cover. Looks for saved states in `states`; removes damaged
/// ones with a warning on standard error.
Done find_done(const Job& job, const Results& results, const std::filesystem::path& states);

/// Removes a text's saved states that are no longer needed: those before the latest one from which it could resume.
void prune_states(const Done& done, std::int64_t text, const std::filesystem::path& states);

/// Text form for a broadcast, and back.
std::string encode(const Done& done);
Done decode_done(const std::string& text);

}  // namespace logitfield
