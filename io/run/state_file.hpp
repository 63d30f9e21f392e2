#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace logitfield::io {

/// Hidden states [rows, columns] of one text as they enter a layer, saved so that a later session goes on from there.
struct StateKey {
  std::int64_t text = 0, layer = 0;
  std::int64_t rows = 0, columns = 0;
};

/// FOLDER/text-3.layer-17
std::filesystem::path state_path(const std::filesystem::path& folder, const StateKey& key);

/// The whole file or none, synced. Throws InputError naming the file and the reason (a full disk).
void write_state(const std::filesystem::path& folder, const StateKey& key, std::span<const float> values);

/// False if the file is missing, cut, of another shape, or its checksum differs.
bool state_is_sound(const std::filesystem::path& folder, const StateKey& key);

/// Throws InputError unless state_is_sound.
void read_state(const std::filesystem::path& folder, const StateKey& key, std::span<float> values);

/// The layers of which a text has states, descending. An unreadable or missing folder holds none.
std::vector<std::int64_t> saved_layers(const std::filesystem::path& folder, std::int64_t text);

/// Removes it; nothing if it is not there.
void remove_state(const std::filesystem::path& folder, std::int64_t text, std::int64_t layer);

}  // namespace logitfield::io
