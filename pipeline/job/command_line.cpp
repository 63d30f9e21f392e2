#include "pipeline/job/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "io/error.hpp"
#include "pipeline/job/command_options.hpp"
#include "pipeline/job/completion.hpp"
#include "pipeline/job/config_file.hpp"
#include "pipeline/job/misspelt.hpp"
#include "pipeline/job/option_checks.hpp"

namespace logitfield {
namespace {

Command command_named(const std::string& name) {
  static const std::map<std::string, Command> commands{{"analyze", Command::analyze}, {"compare", Command::compare},
                                                       {"convert", Command::convert}, {"monitor", Command::monitor},
                                                       {"plan", Command::plan},       {"report", Command::report},
                                                       {"tokens", Command::tokens},   {"validate", Command::validate}};
  return commands.at(name);
}

/// Adds the option that stores a completion script in `message` and ends the parsing.
void add_completion(CLI::App& app, std::string& message) {
  app.add_option_function<std::string>(
         "--completion",
         [&](const std::string& shell) {
           message = completion_script(app, shell);
           throw CLI::Success();
         },
         "print a completion script for this shell")
      ->check(CLI::IsMember({"bash", "zsh"}));
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv, std::string& message) {
  Options options;
  CLI::App app(
      "logitfield measures the energy field of softmax attention (the row-centred logits) for every layer\n"
      "and head of a language model. Run it alone, or under mpirun or srun to use several cores or nodes.",
      "logitfield");
  app.set_help_all_flag("--help-all", "print the help of all commands");
  app.set_version_flag("--version", std::string("logitfield ") + LOGITFIELD_VERSION);
  add_completion(app, message);
  app.require_subcommand(1);

  add_commands(app, options);

  std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string config = take_config(arguments);
  const std::string name = arguments.empty() ? "" : arguments.front();
  const auto commands = app.get_subcommands([&](const CLI::App* c) { return c->get_name() == name; });
  if (commands.empty() && !name.starts_with('-')) {
    throw InputError(
        "{}; the commands are analyze, compare, convert, monitor, plan, report, tokens and validate (see logitfield "
        "--help)",
        name.empty() ? "no command is given"
                     : "'" + name + "' is not a command" + did_you_mean(name, names_of_commands(app)));
  }
  if (!config.empty() && !commands.empty()) add_config(*commands.front(), config, arguments);
  // CLI11 takes an empty word for the name of an option group, finds none, and may never end.
  if (std::ranges::find(arguments, "") != arguments.end()) {
    throw InputError("an argument or a value of the config file is empty; leave it out");
  }
  std::reverse(arguments.begin(), arguments.end());  // the order that CLI11 expects
  try {
    app.parse(arguments);
  } catch (const CLI::Success& done) {  // --help, --version and --completion
    if (!message.empty()) return std::nullopt;
    std::ostringstream text;
    app.exit(done, text, text);
    message = text.str();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (!commands.empty()) check_option_names(*commands.front(), {argv + 1, argv + argc});
    throw InputError("{} (see logitfield --help)", error.what());
  }
  const CLI::App& command = *app.get_subcommands().front();
  options.command = command_named(command.get_name());
  if (options.command == Command::monitor && command.count("--null") == 0) options.null_draws = kNullDrawsOfMonitor;
  check_options(options);
  return options;
}

}  // namespace logitfield
