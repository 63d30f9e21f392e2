#pragma once
#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

// Options whose values are words.
namespace logitfield {

/// The words that an option accepts, each with its value.
template <class Value>
using Words = std::vector<std::pair<std::string, Value>>;

/// Returns the words, in their order.
template <class Value>
std::vector<std::string> names_of(const Words<Value>& words) {
  std::vector<std::string> out;
  for (const auto& [name, value] : words) out.push_back(name);
  return out;
}

/// Returns the value of a word, which must be in the list.
template <class Value>
Value value_of(const Words<Value>& words, const std::string& name) {
  return std::ranges::find(words, name, &std::pair<std::string, Value>::first)->second;
}

/// Adds an option that accepts only these words; the first is the default.
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
