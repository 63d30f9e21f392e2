#include "pipeline/job/windows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield {
namespace {

using kernels::Visible;
using nlohmann::json;

constexpr struct {
  const char* key;
  std::int64_t Visible::*member;
} kKinds[] = {{"windows", &Visible::window}, {"chunks", &Visible::chunk}};

}  // namespace

void describe_visible(const std::vector<Visible>& visible, json& model) {
  for (const auto& [key, member] : kKinds) {
    if (std::ranges::all_of(visible, [member = member](const Visible& v) { return v.*member == 0; })) continue;
    json& list = model[key] = json::array();
    for (const Visible& v : visible) list.push_back(v.*member > 0 ? json(v.*member) : json(nullptr));
  }
}

std::vector<Visible> read_visible(const json& model, std::int64_t num_layers, const std::string& path) {
  std::vector<Visible> out;
  for (const auto& [key, member] : kKinds) {
    if (!model.contains(key)) continue;
    const json& list = model.at(key);
    out.resize(static_cast<std::size_t>(num_layers));
    const bool fits = list.is_array() && std::ssize(list) == num_layers;
    for (std::size_t l = 0; l < out.size(); ++l) {
      const std::optional<std::int64_t> value = fits ? io::as_integer(list[l]) : std::nullopt;
      if (!fits || (!list[l].is_null() && value.value_or(0) < 1)) {
        throw InputError(
            "{}: \"{}\" must be a list with a positive integer or null for each of the {} layers; copy the file again, "
            "or measure again",
            path, key, num_layers);
      }
      out[l].*member = value.value_or(0);
    }
  }
  return out;
}

std::int64_t count_windowed(const std::vector<Visible>& layers, std::int64_t length) {
  return std::ranges::count_if(layers, [&](const Visible& v) { return v.hides(length); });
}

std::string windows_text(const std::vector<Visible>& layers, std::int64_t length) {
  std::int64_t least = length, most = 0;
  for (const Visible& v : layers) {
    if (!v.hides(length)) continue;
    least = std::min(least, v.keys(length));
    most = std::max(most, v.keys(length));
  }
  if (most == 0) return {};
  return fmt::format("{} of {} layers see {} key{} only", count_windowed(layers, length), layers.size(),
                     least == most ? fmt::format("{}", most) : fmt::format("{} to {}", least, most),
                     most == 1 ? "" : "s");
}

}  // namespace logitfield
