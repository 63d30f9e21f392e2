#pragma once
#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

// Options whose values are words.
namespace logitfield {

/// The words of an option, and what each stands for.
template <class Value>
using Words = std::vector<std::pair<std::string, Value>>;

/// The words, in their order.
template <class Value>
std::vector<std::string> names_of(const Words<Value>& words) {
  std::vector<std::string> out;
  for (const auto& [name, value] : words) out.push_back(name);
  return out;
}

/// What a word of the list stands for.
template <class Value>
Value value_of(const Words<Value>& words, const std::string& name) {
  return std::ranges::find(words, name, &std::pair<std::string, Value>::first)->second;
}

/// An option whose value is one of some words; the first is the default.
template <class Value>
CLI::Option* add_choice(CLI::App& command, const char* name, Value& value, const Words<Value>& words,
                        const char* what) {
  return command
      .add_option_function<std::string>(
          name, [&value, words](const std::string& word) { value = value_of(words, word); }, what)
      ->check(CLI::IsMember(names_of(words)))
      ->default_str(words.front().first);
}

}  // namespace logitfield
