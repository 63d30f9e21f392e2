// Fuzzes model.safetensors.index.json.
#include "io/checkpoint/weight_files.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  static const auto first = folder.write("a.safetensors", "a"), second = folder.write("b.safetensors", "b");
  folder.write("model.safetensors.index.json", input);
  accepts([&] {
    const io::WeightFiles files = io::find_weight_files(folder.path());
    for (const auto& path : files.paths) {
      require(path.parent_path() == folder.path() && std::filesystem::exists(path), "files are there, in the folder");
    }
    for (const auto& [tensor, name] : files.index) {
      require(files.paths.contains(folder.path() / name), "every tensor's file is among the files");
    }
  });
}

}  // namespace logitfield::fuzz
