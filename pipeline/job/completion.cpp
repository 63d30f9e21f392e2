#include "pipeline/job/completion.hpp"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <stdexcept>
#include <vector>

namespace logitfield {
namespace {

using Strings = std::vector<std::string>;

/// An option or argument, and the words that a shell may offer for its value.
struct Argument {
  /// An option's long names; none for an argument without one.
  Strings names;
  std::string description;
  /// CLI11's name of the value's type: "INT", "TEXT", ...
  std::string type;
  Strings choices;
  bool has_value = false, has_several = false;

  bool is_positional() const { return names.empty(); }
  bool is_file() const { return has_value && choices.empty() && type == "TEXT"; }
};

/// Returns the accepted words of a CLI11 type: a and b for "TEXT:{a,b}".
Strings choices_of(const std::string& type) {
  const std::size_t begin = type.find('{'), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return {};
  return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

Argument argument_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  Argument out{.names = {},
               .description = option.get_description(),
               .type = type.substr(0, type.find(':')),
               .choices = choices_of(type),
               .has_value = option.get_items_expected_max() > 0,
               .has_several = option.get_items_expected_max() > 1};
  for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  return out;
}

/// Returns the arguments of a command and of its groups; groups have no --help of their own.
std::vector<Argument> arguments_of(const CLI::App& command) {
  std::vector<Argument> out;
  const bool is_group = command.get_name().empty();
  for (const CLI::App* group : command.get_subcommands([](const CLI::App* app) { return app->get_name().empty(); })) {
    for (Argument& argument : arguments_of(*group)) out.push_back(std::move(argument));
  }
  for (const CLI::Option* option : command.get_options()) {
    const bool is_help = option == command.get_help_ptr() || option == command.get_help_all_ptr();
    if (!is_group || !is_help) out.push_back(argument_of(*option));
  }
  return out;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}

Strings option_names(const std::vector<Argument>& arguments) {
  Strings out;
  for (const Argument& argument : arguments) out.insert(out.end(), argument.names.begin(), argument.names.end());
  return out;
}

std::string joined(const Strings& words) { return fmt::format("{}", fmt::join(words, " ")); }

/// For bash: patterns "COMMAND OPTION" of the options for which `chosen` holds.
std::string patterns(const std::string& command, const std::vector<Argument>& arguments,
                     const std::function<bool(const Argument&)>& chosen) {
  Strings out;
  for (const Argument& argument : arguments) {
    if (!chosen(argument)) continue;
    for (const std::string& name : argument.names) out.push_back(fmt::format("\"{} {}\"", command, name));
  }
  return fmt::format("{}", fmt::join(out, " | "));
}

constexpr const char* kBash = R"(# Completion of logitfield in bash. Made by: logitfield --completion bash
_logitfield() {
  local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} option='' prefix='' words='' given=0 at
  # The last option before the word, and how many of its values are given. An equals sign is a word of its own.
  [[ $current != = ]] || current=''
  for ((at = COMP_CWORD - 1; at > 1; --at)); do
    if [[ ${COMP_WORDS[at]} == --* ]]; then option=${COMP_WORDS[at]}; break; fi
    [[ ${COMP_WORDS[at]} == = ]] || ((++given))
  done
  case "$command $option" in  # options without a value, then options with several
@FLAGS@
@SEVERAL@
    *) ((given == 0)) || option='' ;;
  esac
  if ((COMP_CWORD == 1)); then
    words='@COMMANDS@'
  elif [[ $current == -* ]]; then
    case $command in
@OPTIONS@
    esac
  else
    case "$command $option" in
@VALUES@
      *) return ;;  # files
    esac
  fi
  compopt +o default
  [[ $current != *,* ]] || { prefix=${current%,*},; current=${current##*,}; }
  mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "$words" -- "$current")
}
complete -o default -F _logitfield logitfield
)";

void append_case(std::string& out, int indent, const std::string& pattern, const std::string& action) {
  if (!pattern.empty()) out += fmt::format("{:{}}{}) {} ;;\n", "", indent, pattern, action);
}

std::string replaced(std::string text, const std::vector<std::pair<std::string, std::string>>& parts) {
  for (const auto& [name, value] : parts) text.replace(text.find(name), name.size(), value);
  return text;
}

std::string bash(const CLI::App& app) {
  Strings names = option_names(arguments_of(app));
  std::string flags, several, options, values;
  for (const CLI::App* command : commands_of(app)) {
    const std::string name = command->get_name();
    const std::vector<Argument> all = arguments_of(*command);
    names.push_back(name);
    append_case(flags, 4, patterns(name, all, [](const Argument& a) { return !a.has_value; }), "option=''");
    append_case(several, 4, patterns(name, all, [](const Argument& a) { return a.has_several; }), ":");
    const std::string own = joined(option_names(all));
    append_case(options, 6, name, fmt::format("words='{}'", own));
    for (const Argument& argument : all) {
      if (argument.choices.empty()) continue;
      append_case(values, 6, patterns(name, {argument}, [](const Argument&) { return true; }),
                  fmt::format("words='{}'", joined(argument.choices)));
    }
    const auto has_other = [](const Argument& a) { return a.has_value && a.choices.empty() && !a.is_file(); };
    append_case(values, 6, patterns(name, all, has_other), "words=''");
    const bool has_arguments = std::ranges::any_of(all, &Argument::is_positional);
    if (!has_arguments) append_case(values, 6, fmt::format("\"{} \"", name), fmt::format("words='{}'", own));
  }
  for (std::string* lines : {&flags, &several, &options, &values}) lines->pop_back();
  return replaced(kBash, {{"@FLAGS@", flags},
                          {"@SEVERAL@", several},
                          {"@COMMANDS@", joined(names)},
                          {"@OPTIONS@", options},
                          {"@VALUES@", values}});
}

/// Escapes a text for zsh, in a quoted specification of _arguments.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("[]:\\").find(c) != std::string_view::npos) out += '\\';
    out += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return out;
}

/// The value of an option, in a specification of _arguments.
std::string zsh_value(const Argument& argument) {
  if (!argument.has_value) return {};
  const std::string action = !argument.choices.empty() ? fmt::format("({})", joined(argument.choices))
                             : argument.is_file()      ? "_files"
                                                       : " ";
  return fmt::format(":value:{}", action);
}

/// A call of _arguments with a line for each argument.
std::string zsh_arguments(const std::vector<Argument>& all, const Strings& more) {
  Strings lines{"_arguments -C"};
  for (const Argument& argument : all) {
    if (argument.is_positional()) {
      lines.push_back(fmt::format("'{}:run folder:_files -/'", argument.has_several ? "*" : "1"));
    }
    for (const std::string& name : argument.names) {
      const char *several = argument.has_several ? "*" : "", *joint = argument.has_value ? "=" : "";
      const std::string text = escaped(argument.description);
      lines.push_back(fmt::format("'{}{}{}[{}]{}'", several, name, joint, text, zsh_value(argument)));
    }
  }
  // zsh takes one value after an option and treats further values as arguments.
  const bool has_arguments = std::ranges::any_of(all, &Argument::is_positional);
  if (!has_arguments && std::ranges::any_of(all, &Argument::has_several)) lines.push_back("'*:value:_files'");
  lines.insert(lines.end(), more.begin(), more.end());
  return fmt::format("{}", fmt::join(lines, " \\\n        "));
}

std::string zsh(const CLI::App& app) {
  std::string commands, cases;
  for (const CLI::App* command : commands_of(app)) {
    commands += fmt::format("        '{}:{}'\n", command->get_name(), escaped(command->get_description()));
    cases += fmt::format("      {}) {} ;;\n", command->get_name(), zsh_arguments(arguments_of(*command), {}));
  }
  return fmt::format(
      "#compdef logitfield\n# Completion of logitfield in zsh. Made by: logitfield --completion zsh\n"
      "local line state\n"
      "{}\n"
      "case $state in\n"
      "  command)\n    local -a commands=(\n{}    )\n    _describe command commands ;;\n"
      "  argument)\n    case $line[1] in\n{}    esac ;;\nesac\n",
      zsh_arguments(arguments_of(app), {"'1:command:->command'", "'*::argument:->argument'"}), commands, cases);
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return bash(app);
  if (shell == "zsh") return zsh(app);
  throw std::invalid_argument("completion_script: no such shell");
}

}  // namespace logitfield
