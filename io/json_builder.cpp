#include "io/json_builder.hpp"

#include <utility>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDepth = 64;
/// Bytes of an object's member beside its value: its key and a node of a tree.
constexpr std::size_t kMemberBytes = 96;
/// Bytes of a string, list or object beside its content.
constexpr std::size_t kContentBytes = 64;

}  // namespace

void JsonBuilder::charge(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ > most_bytes_) {
    throw InputError("{}: its JSON would take more than {} MiB of memory; is it the right file?", origin_,
                     most_bytes_ >> 20);
  }
}

bool JsonBuilder::add(json value) {
  charge(sizeof(json));
  if (open_.empty()) {
    root_ = std::move(value);
  } else if (open_.back()->is_array()) {
    open_.back()->get_ref<json::array_t&>().push_back(std::move(value));
  } else {
    *member_ = std::move(value);
  }
  return true;
}

bool JsonBuilder::open(json value) {
  if (open_.size() >= kMaxDepth) {
    throw InputError("{}: JSON nested deeper than {} levels; is it the right file?", origin_, kMaxDepth);
  }
  charge(kContentBytes);
  add(std::move(value));
  const bool in_array = !open_.empty() && open_.back()->is_array();
  open_.push_back(open_.empty() ? &root_ : in_array ? &open_.back()->back() : member_);
  return true;
}

bool JsonBuilder::close() {
  open_.pop_back();
  return true;
}

bool JsonBuilder::key(std::string& name) {
  charge(kMemberBytes + name.size());
  const bool must_be_new = only_.empty() || (open_.size() == 1 && name == only_);
  const auto [member, is_new] = open_.back()->get_ref<json::object_t&>().try_emplace(std::move(name));
  if (!is_new && must_be_new) {
    throw InputError("{}: the name {} appears twice in one object; remove one", origin_, excerpt(member->first));
  }
  member_ = &member->second;
  return true;
}

bool JsonBuilder::string(std::string& value) {
  charge(kContentBytes + value.size());
  return add(std::move(value));
}

bool JsonBuilder::binary(json::binary_t& value) { return add(json::binary(std::move(value))); }

bool JsonBuilder::null() { return add(nullptr); }
bool JsonBuilder::boolean(bool value) { return add(value); }
bool JsonBuilder::number_integer(json::number_integer_t value) { return add(value); }
bool JsonBuilder::number_unsigned(json::number_unsigned_t value) { return add(value); }
bool JsonBuilder::number_float(json::number_float_t value, const std::string&) { return add(value); }
bool JsonBuilder::start_object(std::size_t) { return open(json::object()); }
bool JsonBuilder::end_object() { return close(); }
bool JsonBuilder::start_array(std::size_t) { return open(json::array()); }
bool JsonBuilder::end_array() { return close(); }

bool JsonBuilder::parse_error(std::size_t, const std::string&, const json::exception& error) {
  throw InputError("{}: not valid JSON: {}; correct it or copy the file again", origin_, shortened(error.what()));
}

}  // namespace logitfield::io
