#include "pipeline/results/record.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <stdexcept>

#include "pipeline/results/schema.hpp"

namespace logitfield {

double RankRecord::other_seconds() const {
  double inside = 0;
  for (const auto& [phase, value] : seconds) inside += value;
  return std::max(wall_seconds - inside, 0.0);
}

namespace {

using kernels::HeadStatistics;
using nlohmann::json;

json pack(const std::vector<double>& values) {
  std::vector<std::uint8_t> bytes(values.size() * sizeof(double));
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return json::binary(std::move(bytes));
}

std::vector<double> unpack(const json& packed) {
  const std::vector<std::uint8_t>& bytes = packed.get_binary();
  if (bytes.size() % sizeof(double) != 0)
    throw std::runtime_error("the length of a packed list is not a multiple of 8 bytes");
  std::vector<double> values(bytes.size() / sizeof(double));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

json to_json(const HeadStatistics& s) {
  json out;
  visit_statistics(s, [&](const StatisticInfo& info, const auto& value) { out[std::string(info.name)] = value; });
  out["singular_values"] = pack(s.singular_values);
  out["key_profile"] = pack(s.key_profile);
  out["query_profile"] = pack(s.query_profile);
  return out;
}

void read(const json& found, double& value) { found.get_to(value); }
void read(const json& found, bool& value) { found.get_to(value); }
void read(const json& found, std::int64_t& value) {
  // A number that is not an integer may be too large to convert to one.
  if (!found.is_number_integer()) throw std::runtime_error("a count is not an integer");
  found.get_to(value);
}
void read(const json& found, kernels::Route& value) {
  std::int64_t number = 0;
  read(found, number);
  if (number < 0 || number > static_cast<std::int64_t>(kernels::Route::scalapack)) {
    throw std::runtime_error("this version does not know the route " + std::to_string(number));
  }
  value = static_cast<kernels::Route>(number);
}

void set_undefined(double& value) { value = kernels::kUndefined; }
void set_undefined(std::int64_t& value) { value = -1; }
void set_undefined(bool& value) { value = false; }
void set_undefined(kernels::Route&) { throw std::runtime_error("a field without a route"); }

/// Statistics that the writing version did not measure yet are undefined.
HeadStatistics statistics_from(const json& object) {
  HeadStatistics s;
  visit_statistics(s, [&](const StatisticInfo& info, auto& value) {
    const auto found = object.find(std::string(info.name));
    found == object.end() ? set_undefined(value) : read(*found, value);
  });
  // Versions without k_more_than knew only the leading components.
  if (!object.contains("k_more_than") && s.spectrum.k99 == -1 && s.spectrum.components > 0) {
    s.spectrum.k_more_than = s.spectrum.components;
  }
  s.certificate.rank = s.spectrum.rank;
  s.certificate.rank_bound = s.rank_bound;
  s.singular_values = unpack(object.at("singular_values"));
  s.key_profile = unpack(object.at("key_profile"));
  s.query_profile = unpack(object.at("query_profile"));
  return s;
}

/// Encodes every draw of every statistic, and their mean and standard deviation, which older programs read.
json to_json(const NullDraws& null) {
  json statistics = json::object(), values = json::object();
  for (const auto& [name, statistic] : null.statistics) {
    statistics[name] = std::pair(statistic.mean().value(), statistic.sd());
    if (statistic.draws.empty()) continue;
    std::vector<double> lows, highs;
    for (const Reading& r : statistic.draws) lows.push_back(r.low), highs.push_back(r.high);
    values[name]["low"] = pack(lows);
    if (lows != highs) values[name]["high"] = pack(highs);
  }
  return {{"draws", null.draws},
          {"failed", null.failed},
          {"statistics", std::move(statistics)},
          {"values", std::move(values)}};
}

NullStatistic readings_from(const json& object) {
  const std::vector<double> lows = unpack(object.at("low"));
  const std::vector<double> highs = object.contains("high") ? unpack(object.at("high")) : lows;
  if (lows.size() != highs.size()) throw std::runtime_error("draws have different numbers of lower and upper bounds");
  NullStatistic out;
  for (std::size_t i = 0; i < lows.size(); ++i) out.draws.push_back({lows[i], highs[i]});
  return out;
}

/// Versions that kept no draws divided by their number for the standard deviation, not by one less.
NullDraws null_from(const json& object) {
  NullDraws out{object.at("draws"), object.value("failed", std::int64_t{0}), {}};
  const double draws = static_cast<double>(out.draws);
  const double correction = object.contains("values") ? 1
                            : draws > 1               ? std::sqrt(draws / (draws - 1))
                                                      : kernels::kUndefined;
  const auto summaries = object.at("statistics").get<std::map<std::string, std::pair<double, double>>>();
  for (const auto& [name, summary] : summaries) out.statistics[name] = {{}, summary.first, summary.second * correction};
  if (object.contains("values")) {
    for (const auto& [name, values] : object.at("values").items()) out.statistics[name] = readings_from(values);
  }
  return out;
}

json to_json(const LayerRecord& record) {
  json heads = json::array();
  for (const HeadRecord& head : record.heads) {
    json fields = json::array();
    for (const HeadStatistics& s : head.fields) fields.push_back(to_json(s));
    json entry{{"head", head.head}, {"kv_head", head.kv_head}, {"fields", std::move(fields)}};
    for (const NullDraws& null : head.nulls) entry["nulls"].push_back(to_json(null));
    heads.push_back(std::move(entry));
  }
  return {{"type", "layer"}, {"text", record.text}, {"layer", record.layer}, {"heads", std::move(heads)}};
}

json to_json(const LossRecord& record) {
  return {{"type", "loss"}, {"text", record.text}, {"predictions", record.predictions}, {"loss", record.loss}};
}

json to_json(const SessionRecord& record) {
  return {{"type", "session"},     {"session", record.session}, {"started", record.started},
          {"grid", record.grid},   {"weights", record.weights}, {"backend", record.backend},
          {"hosts", record.hosts}, {"cluster", record.cluster}, {"job", record.job},
          {"flops", record.flops}};
}

json to_json(const RankRecord& record) {
  return {{"type", "rank"},
          {"session", record.session},
          {"rank", record.rank},
          {"host", record.host},
          {"seconds", record.seconds},
          {"wall_seconds", record.wall_seconds},
          {"peak_bytes", record.peak_bytes}};
}

json to_json(const NullRecord& record) {
  json out = to_json(record.of);
  out.update({{"type", "null"}, {"field", record.field}});
  return out;
}

LayerRecord layer_from(const json& object) {
  LayerRecord record{object.at("text"), object.at("layer"), {}};
  for (const json& entry : object.at("heads")) {
    HeadRecord head{entry.at("head"), entry.at("kv_head"), {}};
    for (const json& s : entry.at("fields")) head.fields.push_back(statistics_from(s));
    if (entry.contains("nulls")) {
      for (const json& null : entry.at("nulls")) head.nulls.push_back(null_from(null));
    }
    record.heads.push_back(std::move(head));
  }
  return record;
}

SessionRecord session_from(const json& object) {
  return {object.at("session"), object.at("started"), object.at("grid"), object.at("weights"), object.at("backend"),
          object.at("hosts"),   object.at("cluster"), object.at("job"),  object.at("flops")};
}

RankRecord rank_from(const json& object) {
  return {object.at("session"),      object.at("rank"),
          object.at("host"),         object.at("seconds").get<std::vector<std::pair<std::string, double>>>(),
          object.at("wall_seconds"), object.at("peak_bytes")};
}

/// Builds the value. Limits its depth to that of a record, since the library recurses at every level.
class BoundedBuilder : public nlohmann::detail::json_sax_dom_parser<json> {
 public:
  using Base = nlohmann::detail::json_sax_dom_parser<json>;
  using Base::Base;

  bool start_object(std::size_t size) { return enter(), Base::start_object(size); }
  bool start_array(std::size_t size) { return enter(), Base::start_array(size); }
  bool end_object() { return --depth_, Base::end_object(); }
  bool end_array() { return --depth_, Base::end_array(); }

 private:
  void enter() {
    constexpr int kDeepest = 16;
    if (++depth_ > kDeepest) throw std::runtime_error("a record is nested too deeply");
  }

  int depth_ = 0;
};

json from_cbor(std::span<const std::byte> bytes) {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  json object;
  BoundedBuilder builder(object);
  json::sax_parse(begin, begin + bytes.size(), &builder, json::input_format_t::cbor);
  return object;
}

}  // namespace

std::vector<std::byte> encode(const Record& record) {
  const json object = std::visit([](const auto& r) { return to_json(r); }, record);
  const std::vector<std::uint8_t> bytes = json::to_cbor(object);
  std::vector<std::byte> out(bytes.size());
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

Record decode(std::span<const std::byte> bytes) {
  try {
    const json object = from_cbor(bytes);
    const std::string type = object.at("type");
    if (type == "layer") return layer_from(object);
    if (type == "loss") return LossRecord{object.at("text"), object.at("predictions"), object.at("loss")};
    if (type == "session") return session_from(object);
    if (type == "rank") return rank_from(object);
    if (type == "null") return NullRecord{object.at("field"), null_from(object)};
    throw std::runtime_error("a record of unknown type '" + type + "'");
  } catch (const json::exception& error) {
    throw std::runtime_error(std::string("this version cannot read the record: ") + error.what());
  }
}

}  // namespace logitfield
