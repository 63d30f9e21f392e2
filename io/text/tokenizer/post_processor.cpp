#include "io/text/tokenizer/post_processor.hpp"

#include <limits>
#include <map>

#include "io/error.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int32_t>;

std::int32_t checked_id(const json& value, const std::string& origin) {
  const std::int64_t id = as_integer(value).value_or(-1);
  if (id < 0 || id > std::numeric_limits<std::int32_t>::max()) {
    throw InputError("{}: {} is not a token id; copy the file again", origin, excerpt(value));
  }
  return static_cast<std::int32_t>(id);
}

Ids special_token_ids(const Section& section, const std::string& name) {
  const auto tokens = section.section("special_tokens");
  const auto token = tokens ? tokens->section(name.c_str()) : std::nullopt;
  if (!token || !token->at("ids").is_array()) {
    throw InputError("{}: \"special_tokens\" has no ids of {}; copy the file again", section.origin(), excerpt(name));
  }
  Ids ids;
  for (const json& value : token->at("ids")) ids.push_back(checked_id(value, token->origin()));
  return ids;
}

/// {"single": [{"SpecialToken": {"id": NAME}}, {"Sequence": {"id": "A"}}, ...]}
Ids template_prefix(const Section& section) {
  section.allow({"single", "pair", "special_tokens"});
  Ids prefix;
  for (const Section& step : section.sections("single")) {
    step.allow({"SpecialToken", "Sequence"});
    if (step.has("Sequence")) return prefix;
    const auto special = step.section("SpecialToken");
    if (!special) throw InputError("{}: is neither a token nor a text; copy the file again", step.origin());
    const Ids ids = special_token_ids(section, special->get<std::string>("id"));
    prefix.insert(prefix.end(), ids.begin(), ids.end());
  }
  throw InputError("{}: \"single\" does not include the text; {}", section.origin(), kTokenizerRemedy);
}

/// "cls": [NAME, ID] goes before the text.
Ids class_prefix(const Section& section) {
  section.allow({"sep", "cls", "trim_offsets", "add_prefix_space"});
  const json& token = section.at("cls");
  if (!token.is_array() || token.size() != 2) section.refuse("cls");
  return {checked_id(token[1], section.origin() + ": cls")};
}

Ids no_prefix(const Section& section) {
  section.allow({"add_prefix_space", "trim_offsets", "use_regex"});  // about offsets only
  return {};
}

/// Each processor puts its tokens before those of the earlier processors.
Ids sequence_prefix(const Section& section) {
  section.allow({"processors"});
  Ids prefix;
  for (const Section& step : section.sections("processors")) {
    const Ids more = read_prefix(step);
    prefix.insert(prefix.begin(), more.begin(), more.end());
  }
  return prefix;
}

}  // namespace

std::vector<std::int32_t> read_prefix(const Section& post_processor) {
  static const std::map<std::string, Ids (*)(const Section&)> kReaders{{"BertProcessing", class_prefix},
                                                                       {"ByteLevel", no_prefix},
                                                                       {"RobertaProcessing", class_prefix},
                                                                       {"Sequence", sequence_prefix},
                                                                       {"TemplateProcessing", template_prefix}};
  const auto reader = kReaders.find(post_processor.type());
  if (reader == kReaders.end()) post_processor.refuse("type");
  return reader->second(post_processor);
}

}  // namespace logitfield::io
