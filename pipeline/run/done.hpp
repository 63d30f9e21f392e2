#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/job/job.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {

/// What earlier sessions of a run have finished, and where each text can go on. Plain data, the same on every rank.
struct Done {
  /// [text][layer], layers from 0: nothing is left to do there but to compute the hidden states.
  std::vector<std::vector<bool>> units;
  /// By text: its loss is known (or is not wanted).
  std::vector<bool> losses;
  /// By text: the layer that its saved hidden states enter; 0: nothing is saved, and nothing is needed.
  std::vector<std::int64_t> saved;
  bool nulls = false;
  /// How many there were.
  std::int64_t sessions = 0;

  /// The layers of a text that must be computed: from its saved states to its last unit that is not done, or to the end
  /// of the model where the loss is wanted. Empty: none.
  Slice open_layers(std::int64_t text) const;
  /// The first layer that is not done; as many as there are layers if all are.
  std::int64_t first_open(std::int64_t text) const;
  /// Measured units, of all texts.
  std::int64_t count_units(Slice layers) const;
};

/// Nothing is done.
Done nothing_done(const Job& job);
/// What the results of earlier sessions hold of this job. Looks up saved states in `states`; those that are damaged are
/// removed, with a warning on standard error.
Done find_done(const Job& job, const Results& results, const std::filesystem::path& states);

/// Removes the saved states of a text that are not needed any more: those before the latest from which it could go on.
void prune_states(const Done& done, std::int64_t text, const std::filesystem::path& states);

/// For a broadcast.
std::string encode(const Done& done);
Done decode_done(const std::string& text);

}  // namespace logitfield
