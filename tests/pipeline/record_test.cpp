#include "pipeline/results/record.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "pipeline/results/schema.hpp"

namespace logitfield {
namespace {

/// Every field different, NaN and infinity among them.
kernels::HeadStatistics distinct_statistics() {
  kernels::HeadStatistics s;
  std::int64_t counter = 0;
  visit_statistics(s, [&](const StatisticInfo&, auto& value) {
    ++counter;
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) {
      value = 1.0 / static_cast<double>(3 * counter);
    } else {
      value = static_cast<std::decay_t<decltype(value)>>(counter);
    }
  });
  s.route = kernels::Route::scalapack;
  s.spectrum.gap = std::numeric_limits<double>::infinity();
  s.keys.entropy = std::numeric_limits<double>::quiet_NaN();
  s.singular_values = {3.5, 1.0 / 3, -0.0};
  s.key_profile = {1, std::numeric_limits<double>::denorm_min()};
  s.query_profile = {0.25, 0.75};
  return s;
}

std::uint64_t bits(double v) { return std::bit_cast<std::uint64_t>(v); }
std::uint64_t bits(std::int64_t v) { return static_cast<std::uint64_t>(v); }
std::uint64_t bits(bool v) { return v; }
std::uint64_t bits(kernels::Route v) { return static_cast<std::uint64_t>(v); }

TEST(Record, EveryBitOfALayerComesBack) {
  const LayerRecord layer{3, 17, {{5, 2, {distinct_statistics(), kernels::HeadStatistics{}}}}};
  const LayerRecord back = std::get<LayerRecord>(decode(encode(layer)));
  EXPECT_EQ(back.text, 3);
  EXPECT_EQ(back.layer, 17);
  ASSERT_EQ(back.heads.size(), 1u);
  EXPECT_EQ(back.heads[0].head, 5);
  EXPECT_EQ(back.heads[0].kv_head, 2);
  ASSERT_EQ(back.heads[0].fields.size(), 2u);
  std::vector<std::uint64_t> expected, found;
  const auto collect = [](auto& into) {
    return [&](const StatisticInfo&, const auto& value) { into.push_back(bits(value)); };
  };
  visit_statistics(layer.heads[0].fields[0], collect(expected));
  visit_statistics(back.heads[0].fields[0], collect(found));
  EXPECT_EQ(found, expected);
  EXPECT_EQ(back.heads[0].fields[0].singular_values, layer.heads[0].fields[0].singular_values);
  EXPECT_EQ(back.heads[0].fields[0].key_profile, layer.heads[0].fields[0].key_profile);
  EXPECT_EQ(back.heads[0].fields[0].query_profile, layer.heads[0].fields[0].query_profile);
  // What is not known comes back as not known.
  EXPECT_TRUE(std::isnan(back.heads[0].fields[1].attention.entropy));
  EXPECT_TRUE(std::isnan(back.heads[0].fields[1].certificate.dense_difference));
  EXPECT_EQ(back.heads[0].fields[1].learned.k90, -1);
}

/// The record, changed as an object.
template <class Change>
std::vector<std::byte> changed(const Record& record, Change change) {
  const std::vector<std::byte> bytes = encode(record);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  nlohmann::json object = nlohmann::json::from_cbor(begin, begin + bytes.size());
  change(object);
  std::vector<std::byte> out;
  for (const std::uint8_t byte : nlohmann::json::to_cbor(object)) out.push_back(std::byte{byte});
  return out;
}

TEST(Record, WhatAnOlderVersionDidNotMeasureIsUndefined) {
  const LayerRecord layer{0, 0, {{0, 0, {distinct_statistics()}}}};
  const auto bytes = changed(layer, [](nlohmann::json& object) {
    for (const char* name : {"gap", "k90", "finite"}) object["heads"][0]["fields"][0].erase(name);
    object["heads"][0]["fields"][0]["of_a_later_version"] = 1;
  });
  const auto s = std::get<LayerRecord>(decode(bytes)).heads[0].fields[0];
  EXPECT_TRUE(std::isnan(s.spectrum.gap));
  EXPECT_EQ(s.spectrum.k90, -1);
  EXPECT_FALSE(s.certificate.finite);
  EXPECT_EQ(s.spectrum.k95, distinct_statistics().spectrum.k95);
}

TEST(Record, ValuesThatMeanNothingAreRefused) {
  const LayerRecord layer{0, 0, {{0, 0, {distinct_statistics()}}}};
  const auto with = [&](const char* name, const nlohmann::json& value) {
    return changed(layer, [&](nlohmann::json& object) { object["heads"][0]["fields"][0][name] = value; });
  };
  EXPECT_THROW(decode(with("route", 4)), std::runtime_error);
  EXPECT_THROW(decode(with("route", -1)), std::runtime_error);
  EXPECT_THROW(decode(with("k90", 1e300)), std::runtime_error);
  EXPECT_THROW(decode(with("energy", "much")), std::runtime_error);
  EXPECT_THROW(decode(std::vector<std::byte>(100'000, std::byte{0x81})), std::runtime_error) << "lists in lists";
}

/// Leading components are all that versions without k_more_than knew.
TEST(Record, CountsThatAnOlderVersionDidNotReachAreMoreThanItsComponents) {
  LayerRecord layer{0, 0, {{0, 0, {distinct_statistics()}}}};
  kernels::SpectrumStatistics& s = layer.heads[0].fields[0].spectrum;
  s.k95 = s.k99 = -1;
  s.components = 256;
  s.k_more_than = 300;
  const auto read = [](const std::vector<std::byte>& bytes) {
    return std::get<LayerRecord>(decode(bytes)).heads[0].fields[0].spectrum.k_more_than;
  };
  EXPECT_EQ(read(encode(layer)), 300);
  const auto old = [](nlohmann::json& object) { object["heads"][0]["fields"][0].erase("k_more_than"); };
  EXPECT_EQ(read(changed(layer, old)), 256);
  s.k95 = s.k99 = 12;
  EXPECT_EQ(read(changed(layer, old)), -1);
}

NullDraws some_draws() {
  return {3,
          1,
          {{"energy", {{Reading::known(1.0 / 3), Reading::known(1e-300), Reading::known(-0.0)}}},
           {"k90", {{Reading::known(7), Reading::more_than(32), Reading::more_than(32)}}}}};
}

void expect_same(const NullDraws& back, const NullDraws& null) {
  EXPECT_EQ(back.draws, null.draws);
  EXPECT_EQ(back.failed, null.failed);
  ASSERT_EQ(back.statistics.size(), null.statistics.size());
  for (const auto& [name, statistic] : null.statistics) {
    const std::vector<Reading>& draws = back.statistics.at(name).draws;
    ASSERT_EQ(draws.size(), statistic.draws.size());
    for (std::size_t i = 0; i < draws.size(); ++i) {
      EXPECT_EQ(bits(draws[i].low), bits(statistic.draws[i].low)) << name;
      EXPECT_EQ(bits(draws[i].high), bits(statistic.draws[i].high)) << name;
    }
  }
}

TEST(Record, NullsComeBackBitForBit) {
  const NullRecord null{5, some_draws()};
  const auto back = std::get<NullRecord>(decode(encode(null)));
  EXPECT_EQ(back.field, 5);
  expect_same(back.of, null.of);
  EXPECT_TRUE(std::get<NullRecord>(decode(encode(NullRecord{}))).of.statistics.empty());
  LayerRecord layer{0, 0, {{0, 0, {distinct_statistics()}}}};
  layer.heads[0].nulls = {some_draws()};
  const auto head = std::get<LayerRecord>(decode(encode(layer))).heads[0];
  ASSERT_EQ(head.nulls.size(), 1u);
  expect_same(head.nulls[0], some_draws());
}

/// It kept the mean, and the standard deviation of the population.
TEST(Record, ANullOfAnOlderVersionKeepsWhatItSaid) {
  const auto bytes = changed(NullRecord{5, some_draws()}, [](nlohmann::json& object) {
    object = {{"type", "null"}, {"field", 5}, {"draws", 4}, {"statistics", {{"energy", {2.5, 3.0}}}}};
  });
  const auto null = std::get<NullRecord>(decode(bytes)).of;
  EXPECT_EQ(null.draws, 4);
  EXPECT_TRUE(null.statistics.at("energy").draws.empty());
  EXPECT_EQ(null.statistics.at("energy").mean(), Reading::known(2.5));
  EXPECT_DOUBLE_EQ(null.statistics.at("energy").sd(), 3 * std::sqrt(4.0 / 3));
  // Also once this version has written it again.
  const auto again = std::get<NullRecord>(decode(encode(NullRecord{5, null}))).of;
  EXPECT_EQ(again.statistics.at("energy").mean(), Reading::known(2.5));
  EXPECT_EQ(bits(again.statistics.at("energy").sd()), bits(null.statistics.at("energy").sd()));
}

TEST(Record, LossAndRank) {
  const auto loss = std::get<LossRecord>(decode(encode(LossRecord{2, 511, 1.4112})));
  EXPECT_EQ(loss.predictions, 511);
  EXPECT_EQ(loss.loss, 1.4112);
  const auto rank = std::get<RankRecord>(decode(encode(RankRecord{2, 1, "node", {{"read", 0.5}}, 2.0, 1 << 30})));
  EXPECT_EQ(rank.host, "node");
  EXPECT_EQ(rank.seconds.at(0).first, "read");
  EXPECT_EQ(rank.peak_bytes, 1 << 30);
}

TEST(Record, BytesThatAreNoRecordAreRefused) {
  std::vector<std::byte> bytes = encode(LossRecord{2, 511, 1.4112});
  EXPECT_THROW(decode({}), std::runtime_error);
  EXPECT_THROW(decode(std::span(bytes).first(bytes.size() / 2)), std::runtime_error);
  bytes[0] = std::byte{0xff};
  EXPECT_THROW(decode(bytes), std::runtime_error);
}

TEST(Schema, NamesAreUniqueAndDescribed) {
  std::set<std::string_view> names;
  const kernels::HeadStatistics any;
  visit_statistics(any, [&](const StatisticInfo& info, const auto&) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.units.empty()) << info.name;
    EXPECT_FALSE(info.description.empty()) << info.name;
  });
}

}  // namespace
}  // namespace logitfield
