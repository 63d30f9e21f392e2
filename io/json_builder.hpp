#pragma once
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace logitfield::io {

/// Builds a value from the events of nlohmann::json::sax_parse, in time linear in the text. (The parser's own builder
/// walks through the whole parent at the end of every object.) Throws InputError naming `origin` for JSON that is
/// malformed, repeats a name within one object, nests deeper than 64 levels or takes too much memory.
class JsonBuilder {
 public:
  /// `only`: the one key of the outermost object that must not be repeated; empty: no key of any object must be.
  /// `most_bytes`: the most memory that the values may take, by estimate.
  JsonBuilder(const std::string& origin, std::string_view only, std::size_t most_bytes)
      : origin_(origin), only_(only), most_bytes_(most_bytes) {}

  /// Returns the value after everything is parsed.
  nlohmann::json take() { return std::move(root_); }

  // Events, as nlohmann::json_sax names them. They return true, so that parsing continues.
  bool null();
  bool boolean(bool value);
  bool number_integer(nlohmann::json::number_integer_t value);
  bool number_unsigned(nlohmann::json::number_unsigned_t value);
  bool number_float(nlohmann::json::number_float_t value, const std::string& text);
  bool string(std::string& value);
  bool binary(nlohmann::json::binary_t& value);
  bool start_object(std::size_t size);
  bool key(std::string& name);
  bool end_object();
  bool start_array(std::size_t size);
  bool end_array();
  [[noreturn]] bool parse_error(std::size_t position, const std::string& last_token,
                                const nlohmann::json::exception& error);

 private:
  bool add(nlohmann::json value);
  bool open(nlohmann::json value);
  bool close();
  void charge(std::size_t bytes);

  const std::string& origin_;
  const std::string_view only_;
  const std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  nlohmann::json root_;
  /// The lists and objects that are open, the innermost last.
  std::vector<nlohmann::json*> open_;
  /// Where the value of the last key belongs.
  nlohmann::json* member_ = nullptr;
};

}  // namespace logitfield::io
