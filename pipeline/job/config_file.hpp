#pragma once
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace logitfield {

/// The option that names a file of options.
inline constexpr const char* kConfigOption = "--config";

/// Removes "--config FILE" or "--config=FILE" from the arguments and returns FILE; empty if it is not there.
std::string take_config(std::vector<std::string>& arguments);

/// Adds the options of a config file that the command line does not give. CLI11 reads config files only for the whole
/// program; ours belong to one command. Throws InputError naming the file, and the key that is no option.
void add_config(const CLI::App& command, const std::string& path, std::vector<std::string>& arguments);

}  // namespace logitfield
