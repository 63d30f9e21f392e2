#include "pipeline/run/done.hpp"

#include <algorithm>

#include "io/console.hpp"
#include "io/run/state_file.hpp"
#include "pipeline/run/capture_dump.hpp"

namespace logitfield {
namespace {

/// Finds the layer of a text's latest valid saved state, provided that every unit before it is done; else 0.
std::int64_t latest_state(const Job& job, const std::filesystem::path& states, std::int64_t text,
                          std::int64_t first_open) {
  for (const std::int64_t layer : io::saved_layers(states, text)) {
    if (layer > first_open) continue;
    const io::StateKey key{text, layer, job.length(), job.checkpoint().config().hidden_size};
    if (io::state_is_sound(states, key)) return layer;
    io::tell("warning: {}: damaged; text '{}' resumes from an earlier layer", io::state_path(states, key).string(),
             job.texts()[text].name);
    io::remove_state(states, text, layer);
  }
  return 0;
}

}  // namespace

std::int64_t Done::first_open(std::int64_t text) const {
  const std::vector<bool>& layers = units[text];
  return std::ranges::find(layers, false) - layers.begin();
}

Slice Done::open_layers(std::int64_t text) const {
  const std::vector<bool>& layers = units[text];
  const auto after_last_open = std::find(layers.rbegin(), layers.rend(), false).base() - layers.begin();
  const std::int64_t end = losses[text] ? after_last_open : std::ssize(layers);
  return {std::min(saved[text], end), end};
}

std::int64_t Done::count_units(Slice layers) const {
  std::int64_t count = 0;
  for (const std::vector<bool>& text : units) {
    count += std::count(text.begin() + layers.begin, text.begin() + layers.end, true);
  }
  return count;
}

void prune_states(const Done& done, std::int64_t text, const std::filesystem::path& states) {
  bool usable = false;
  for (const std::int64_t layer : io::saved_layers(states, text)) {
    if (usable) io::remove_state(states, text, layer);
    usable = usable || layer <= done.first_open(text);
  }
}

Done nothing_done(const Job& job) {
  const auto texts = static_cast<std::size_t>(job.num_texts);
  Done done;
  // Layers before the measured ones need no work, unless captures are written, which hold all layers.
  std::vector<bool> layers(static_cast<std::size_t>(job.extents.num_layers), false);
  if (job.dump_captures.empty()) std::fill_n(layers.begin(), job.measured_layers.begin, true);
  done.units.assign(texts, layers);
  done.losses.assign(texts, !job.has_loss());
  done.saved.assign(texts, 0);
  return done;
}

Done find_done(const Job& job, const Results& results, const std::filesystem::path& states) {
  Done done = nothing_done(job);
  // The next number follows the highest one: a damaged journal may have lost a session in between.
  for (const SessionRecord& session : results.sessions) done.sessions = std::max(done.sessions, session.session + 1);
  done.nulls = results.nulls.size() == results.contexts.size() * results.scopes.size();
  for (std::int64_t text = 0; text < job.num_texts; ++text) {
    for (std::int64_t layer = 0; layer < job.extents.num_layers; ++layer) {
      const bool measured = layer < job.measured_layers.begin || results.layers.contains({text, layer});
      done.units[text][layer] = measured && is_dumped(job, {.text = text, .layer = layer});
    }
  }
  for (const LossRecord& loss : results.losses) done.losses[loss.text] = true;
  if (job.is_capture()) return done;
  for (std::int64_t text = 0; text < job.num_texts; ++text) {
    done.saved[text] = latest_state(job, states, text, done.first_open(text));
  }
  return done;
}

std::string encode(const Done& done) {
  return nlohmann::json{{"units", done.units},
                        {"losses", done.losses},
                        {"saved", done.saved},
                        {"nulls", done.nulls},
                        {"sessions", done.sessions}}
      .dump();
}

Done decode_done(const std::string& text) {
  const nlohmann::json object = nlohmann::json::parse(text);
  return {object.at("units").get<std::vector<std::vector<bool>>>(), object.at("losses").get<std::vector<bool>>(),
          object.at("saved").get<std::vector<std::int64_t>>(), object.at("nulls"), object.at("sessions")};
}

}  // namespace logitfield
