#include "io/gguf/architecture_keys.hpp"

#include "io/json.hpp"

namespace logitfield::io {

ArchitectureKeys::ArchitectureKeys(const GgufModel& model)
    : metadata_(model.metadata()), origin_(model.path().string()), prefix_(model.architecture() + ".") {}

std::string ArchitectureKeys::full(const std::string& key) {
  read_.insert(prefix_ + key);
  return prefix_ + key;
}

void ArchitectureKeys::copy(nlohmann::json& config, std::initializer_list<Renaming> names) {
  for (const auto& [to, from] : names) {
    if (has(from)) config[to] = metadata_.at(full(from));
  }
}

void ArchitectureKeys::copy_sizes(nlohmann::json& config, std::initializer_list<Renaming> names) {
  for (const auto& [to, from] : names) config[to] = integer(from);
}

double ArchitectureKeys::number_or(const std::string& key, double fallback) {
  return optional_or(metadata_, full(key).c_str(), fallback, origin_);
}

std::int64_t ArchitectureKeys::integer_or(const std::string& key, std::int64_t fallback) {
  return optional_or(metadata_, full(key).c_str(), fallback, origin_);
}

bool ArchitectureKeys::flag_or(const std::string& key, bool fallback) {
  return optional_or(metadata_, full(key).c_str(), fallback, origin_);
}

std::string ArchitectureKeys::text_or(const std::string& key, const std::string& fallback) {
  return optional_or(metadata_, full(key).c_str(), fallback, origin_);
}

std::int64_t ArchitectureKeys::integer(const std::string& key) {
  return required<std::int64_t>(metadata_, full(key).c_str(), origin_);
}

bool ArchitectureKeys::has(const std::string& key) { return metadata_.contains(full(key)); }

void ArchitectureKeys::ignore(std::initializer_list<const char*> keys) {
  for (const char* key : keys) full(key);
}

void ArchitectureKeys::hand_on_unread(nlohmann::json& config) const {
  for (const auto& [key, value] : metadata_.items()) {
    if (key.starts_with(prefix_) && !read_.contains(key)) config[key] = value;
  }
}

}  // namespace logitfield::io
