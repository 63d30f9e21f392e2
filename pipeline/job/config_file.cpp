#include "pipeline/job/config_file.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <sstream>

#include "io/error.hpp"
#include "io/file.hpp"
#include "pipeline/job/misspelt.hpp"

namespace logitfield {
namespace {

using Arguments = std::vector<std::string>;

constexpr std::size_t kLargestFile = 16 << 20;

bool gives(const Arguments& arguments, const std::string& option) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [&](const std::string& a) { return a == option || a.starts_with(option + "="); });
}

}  // namespace

std::string take_config(Arguments& arguments) {
  for (auto a = arguments.begin(); a != arguments.end(); ++a) {
    if (a->starts_with(std::string(kConfigOption) + "=")) {
      std::string path = a->substr(std::strlen(kConfigOption) + 1);
      arguments.erase(a);
      return path;
    }
    if (*a != kConfigOption) continue;
    if (a + 1 == arguments.end()) throw InputError("{} needs a file", kConfigOption);
    std::string path = *(a + 1);
    arguments.erase(a, a + 2);
    return path;
  }
  return {};
}

void add_config(const CLI::App& command, const std::string& path, Arguments& arguments) {
  std::vector<CLI::ConfigItem> items;
  try {
    std::istringstream content(io::read_file(path, kLargestFile));
    items = CLI::ConfigTOML().from_config(content);
  } catch (const CLI::Error& error) {
    throw InputError("{}: cannot be read as options ({})", path, error.what());
  }
  Arguments added;
  for (const CLI::ConfigItem& item : items) {
    const std::string option = "--" + item.name;
    const CLI::Option* known = command.get_option_no_throw(option);
    if (!item.parents.empty() || option == kConfigOption || !known) {
      throw InputError("{}: unknown key '{}'{}; keys are the long options of '{}', without sections", path,
                       item.fullname(), did_you_mean(option, names_of_options(command)), command.get_name());
    }
    if (gives(arguments, option)) continue;
    if (known->get_expected_max() == 0) {  // a flag: true or false
      for (const std::string& value : item.inputs) added.push_back(option + "=" + value);
      continue;
    }
    added.push_back(option);
    added.insert(added.end(), item.inputs.begin(), item.inputs.end());
  }
  arguments.insert(arguments.end(), added.begin(), added.end());
}

}  // namespace logitfield
