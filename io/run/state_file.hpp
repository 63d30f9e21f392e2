#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace logitfield::io {

/// Identifies the saved hidden states [rows, columns] of one text as they enter a layer, where a later session can
/// resume.
struct StateKey {
  std::int64_t text = 0, layer = 0;
  std::int64_t rows = 0, columns = 0;
};

/// Returns FOLDER/text-3.layer-17.
std::filesystem::path state_path(const std::filesystem::path& folder, const StateKey& key);

/// Writes the whole file or none, synced. Throws InputError naming the file and the reason (a full disk).
void write_state(const std::filesystem::path& folder, const StateKey& key, std::span<const float> values);

/// Returns false if the file is missing, truncated or of another shape, or if its checksum differs.
bool state_is_sound(const std::filesystem::path& folder, const StateKey& key);

/// Reads a state; throws InputError unless state_is_sound.
void read_state(const std::filesystem::path& folder, const StateKey& key, std::span<float> values);

/// Returns the layers for which a text has saved states, descending. An unreadable or missing folder has none.
std::vector<std::int64_t> saved_layers(const std::filesystem::path& folder, std::int64_t text);

/// Removes the state; does nothing if there is none.
void remove_state(const std::filesystem::path& folder, std::int64_t text, std::int64_t layer);

}  // namespace logitfield::io
