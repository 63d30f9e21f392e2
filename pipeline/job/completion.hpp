#pragma once
#include <string>

namespace CLI {
class App;
}

namespace logitfield {

/// A script that completes the program's commands, options and their values in a shell: "bash" or "zsh". It holds what
/// the parser `app` knows.
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace logitfield
