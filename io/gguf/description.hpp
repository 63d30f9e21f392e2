#pragma once
#include <nlohmann/json.hpp>

#include "io/gguf/architecture_keys.hpp"
#include "io/gguf/gguf_model.hpp"

namespace logitfield::io {

/// The data from which a configuration is built.
struct GgufDescription {
  const GgufModel& model;
  ArchitectureKeys keys;
  nlohmann::json config = nlohmann::json::object();

  bool has_tensor(const char* name) const { return model.has(name); }
};

}  // namespace logitfield::io
