// Fuzzes the file of --config.
#include <array>

#include "tests/fuzz/sound_options.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  const std::string path = folder.write("options.toml", input).string();
  const std::array arguments{"logitfield", "analyze", "--out", "run", "--config", path.c_str()};
  accepts([&] {
    std::string message;
    const auto options = parse_options(arguments.size(), arguments.data(), message);
    require(options.has_value(), "a file of options asks for no help");
    require_sound(*options);
    require(options->command == Command::analyze && options->out == "run", "the command line goes first");
  });
}

}  // namespace logitfield::fuzz
