#pragma once
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace logitfield {

/// The option that names a file of options.
inline constexpr const char* kConfigOption = "--config";

/// Removes "--config FILE" or "--config=FILE" from the arguments and returns FILE; returns "" without it.
std::string take_config(std::vector<std::string>& arguments);

/// Adds the options of a config file, except those that the command line already gives. (CLI11 itself reads config
/// files for the whole program only; ours belong to one command.) Throws InputError naming the file and any unknown
/// key.
void add_config(const CLI::App& command, const std::string& path, std::vector<std::string>& arguments);

}  // namespace logitfield
