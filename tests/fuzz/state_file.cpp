// Fuzzes a file of hidden states, and the names of such files.
#include "io/run/state_file.hpp"

#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {
namespace {

constexpr io::StateKey kKey{.text = 1, .layer = 2, .rows = 2, .columns = 3};

void check_content(const testing::TemporaryFolder& folder, std::string_view input) {
  const auto path = folder.write("text-1.layer-2", input);
  std::vector<float> values(kKey.rows * kKey.columns);
  const bool sound = io::state_is_sound(folder.path(), kKey);
  require(accepts([&] { io::read_state(folder.path(), kKey, values); }) == sound, "what is sound can be read");
  if (!sound) return;
  io::write_state(folder.path(), kKey, values);
  require(testing::content_of(path) == input, "what is written is what was read");
}

void check_name(const testing::TemporaryFolder& folder, std::string_view input) {
  constexpr std::size_t kLongestName = 200;
  const std::string name = "text-0.layer-" + std::string(input.substr(0, kLongestName));
  if (name.find('/') != name.npos || name.find('\0') != name.npos) return;
  folder.write(name, "");
  for (const std::int64_t layer : io::saved_layers(folder.path(), 0)) {
    require(std::filesystem::exists(io::state_path(folder.path(), {.text = 0, .layer = layer})), "its file is there");
  }
  std::filesystem::remove(folder.path() / name);
}

}  // namespace

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  check_content(folder, input);
  check_name(folder, input);
}

}  // namespace logitfield::fuzz
