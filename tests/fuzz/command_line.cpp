// Fuzzes command-line arguments, one per line.
#include "tests/fuzz/sound_options.hpp"

namespace logitfield::fuzz {

void check(std::string_view input) {
  std::vector<std::string> arguments{"logitfield"};
  for (const std::string_view argument : pieces(input, '\n')) arguments.emplace_back(argument);
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  accepts([&] {
    std::string message;
    const auto options = parse_options(static_cast<int>(argv.size()), argv.data(), message);
    require(options.has_value() == message.empty(), "there are options, or there is a text to print");
    if (options) require_sound(*options);
  });
}

}  // namespace logitfield::fuzz
