#pragma once
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace logitfield {

/// The candidate that `word` was meant to be, if one differs by a few letters only; else empty.
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

/// " (did you mean X?)" for the nearest candidate, or nothing.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates);

/// The long options of a command, including those of its groups; and the commands of the program.
std::vector<std::string> names_of_options(const CLI::App& command);
std::vector<std::string> names_of_commands(const CLI::App& app);

/// For a command line that could not be parsed: throws InputError for an option that the command does not have.
void check_option_names(const CLI::App& command, const std::vector<std::string>& arguments);

}  // namespace logitfield
