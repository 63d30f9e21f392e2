#include <gtest/gtest.h>

#include <map>
#include <set>

#include "io/config/model_config.hpp"
#include "io/error.hpp"
#include "io/json.hpp"

// Compares the readers of families with the keys that transformers' code of these families reads (config_keys.py).
namespace logitfield::io {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

const fs::path kFixtures = FIXTURES;

/// One config.json of each model type.
std::map<std::string, json> configs() {
  std::map<std::string, json> out;
  for (const auto& entry : fs::recursive_directory_iterator(kFixtures)) {
    if (entry.path().filename() != "config.json") continue;
    const json config = read_json(entry.path());
    out.emplace(config.at("model_type"), config);
  }
  return out;
}

/// The keys of a type in all versions, without those of objects inside.
std::set<std::string> keys_of(const json& versions) {
  std::set<std::string> out;
  for (const json& keys : versions) {
    for (const std::string key : keys) {
      if (key.find('.') == std::string::npos) out.insert(key);
    }
  }
  return out;
}

/// Whether the type's reader has a use for the decoder's key, or refuses it by its value: it is neither told nor
/// refused as unknown.
bool is_known(json config, const std::string& key) {
  (config.contains("text_config") ? config["text_config"] : config)[key] = 12345;
  try {
    for (const std::string& told : model_config_from(config, "config.json").unknown_keys) {
      if (told.starts_with("\"" + key + "\"")) return false;
    }
  } catch (const InputError& error) {
    const std::string_view message = error.what();
    return message.find("unknown for this model type") == std::string_view::npos ||
           message.find("\"" + key + "\"") == std::string_view::npos;
  }
  return true;
}

TEST(ConfigKeys, EveryKeyThatTransformersReadsIsKnown) {
  const json table = read_json(kFixtures / "config_keys.json").at("keys");
  const std::map<std::string, json> examples = configs();
  std::set<std::string> types;
  for (const auto& [type, versions] : table.items()) {
    types.insert(type);
    for (const std::string& key : keys_of(versions))
      EXPECT_TRUE(is_known(examples.at(type), key)) << type << ": " << key;
  }
  const std::vector<std::string> supported = supported_model_types();
  EXPECT_EQ(types, std::set<std::string>(supported.begin(), supported.end()));
}

TEST(ConfigKeys, WhatNobodyReadsIsNotKnown) {
  for (const auto& [type, config] : configs()) {
    EXPECT_FALSE(is_known(config, "zebra")) << type;
    EXPECT_FALSE(is_known(config, "zebra_softcap")) << type;
  }
}

}  // namespace
}  // namespace logitfield::io
