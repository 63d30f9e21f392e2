#include "io/capture/capture_writer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

#include "tests/io/refusal.hpp"
#include "tests/io/small_disk.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;
using testing::refuses;
using testing::TemporaryFolder;

/// 2 layers, 4 heads on 2 KV heads of 3 components, 5 tokens.
CaptureInfo tiny_info() {
  return {.model = "tiny",
          .num_layers = 2,
          .num_heads = 4,
          .num_kv_heads = 2,
          .head_dim = 3,
          .num_tokens = 5,
          .scale = 1 / std::sqrt(3.0),
          .source = "a \"test\"",
          .alibi_slopes = {},
          .logit_softcap = {}};
}

/// Rows [begin, end) of a head; all values differ, with subnormal ones, both signs and -0 among them.
std::vector<float> rows_of(char tensor, std::int64_t layer, std::int64_t head, Slice rows) {
  std::vector<float> values;
  for (std::int64_t i = rows.begin * 3; i < rows.end * 3; ++i) {
    const auto number = static_cast<std::uint32_t>((layer * 4 + head) * 15 + i) * 2 + (tensor == 'k' ? 1 : 0);
    values.push_back(std::bit_cast<float>((number << 22 & 0x7f000000U) | number | (number % 3 == 0 ? 1U << 31 : 0U)));
  }
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

void write_queries(const CaptureWriter& writer, std::int64_t layer, std::int64_t head, Slice rows) {
  writer.write_queries(layer, head, rows.begin, rows_of('q', layer, head, rows));
}

void write_keys(const CaptureWriter& writer, std::int64_t layer, std::int64_t head, Slice rows) {
  writer.write_keys(layer, head, rows.begin, rows_of('k', layer, head, rows));
}

/// Two writers share the heads and write their rows in any order.
void write_layer(const fs::path& folder, const CaptureInfo& info, std::int64_t layer) {
  const CaptureWriter first(folder, info);
  const CaptureWriter second(folder, info);
  first.create_layer(layer);
  write_queries(second, layer, 3, {2, 5});
  write_queries(first, layer, 0, {0, 5});
  write_keys(second, layer, 1, {4, 5});
  write_queries(second, layer, 3, {0, 2});
  write_keys(first, layer, 0, {0, 0});
  write_queries(first, layer, 2, {0, 5});
  write_keys(first, layer, 0, {0, 5});
  write_keys(second, layer, 1, {0, 4});
  write_queries(second, layer, 1, {1, 5});
  write_queries(first, layer, 1, {0, 1});
  second.finish_layer(layer);
}

void expect_layer(const Capture& capture, std::int64_t layer) {
  std::vector<float> values(15);
  for (std::int64_t head = 0; head < 4; ++head) {
    capture.read_queries(layer, head, {0, 5}, values);
    EXPECT_TRUE(same_bits(values, rows_of('q', layer, head, {0, 5}))) << layer << " " << head;
  }
  for (std::int64_t head = 0; head < 2; ++head) {
    capture.read_keys(layer, head, {0, 5}, values);
    EXPECT_TRUE(same_bits(values, rows_of('k', layer, head, {0, 5}))) << layer << " " << head;
  }
}

TEST(CaptureWriter, WhatTwoWritersWroteIsReadBackBitForBit) {
  const TemporaryFolder parent;
  const auto folder = parent.path() / "new" / "capture";
  const CaptureWriter writer(folder, tiny_info());
  writer.create();
  for (const std::int64_t layer : {1, 0}) write_layer(folder, tiny_info(), layer);
  writer.finish();
  const Capture capture(folder);
  for (const std::int64_t layer : {0, 1}) {
    expect_layer(capture, layer);
    EXPECT_NO_THROW(capture.check_and_hash(layer));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 3);
}

TEST(CaptureWriter, TheInformationIsReadBack) {
  const TemporaryFolder folder;
  auto info = tiny_info();
  info.alibi_slopes = {0.5, 1 / 3.0, 0, -0.1};
  info.logit_softcap = 1 / 7.0;
  info.windows = {0, 3};
  info.chunks = {4, 0};
  info.sinks = {{0.1, 1 / 3.0, -7, 0}, {1, 2, 3, 4}};
  info.model = "not UTF-8: \xff";
  CaptureWriter writer(folder.path(), tiny_info());
  writer = CaptureWriter(folder.path(), info);
  for (const std::int64_t layer : {0, 1}) write_layer(folder.path(), info, layer);
  writer.finish();
  const CaptureInfo read = Capture(folder.path()).info();
  EXPECT_EQ(read.model, "not UTF-8: \xef\xbf\xbd");
  EXPECT_EQ(read.scale, info.scale);
  EXPECT_EQ(read.source, info.source);
  EXPECT_EQ(read.alibi_slopes, info.alibi_slopes);
  EXPECT_EQ(read.logit_softcap, info.logit_softcap);
  EXPECT_EQ(read.windows, info.windows);
  EXPECT_EQ(read.chunks, info.chunks);
  EXPECT_EQ(read.sinks, info.sinks);
}

TEST(CaptureWriter, AnIncompleteCaptureIsKnownAsSuch) {
  const TemporaryFolder folder;
  const CaptureWriter writer(folder.path(), tiny_info());
  writer.create();
  writer.create_layer(0);
  EXPECT_TRUE(fs::exists(folder.path() / "layer_000.safetensors.tmp"));
  EXPECT_FALSE(fs::exists(folder.path() / "layer_000.safetensors"));
  for (const std::int64_t layer : {0, 1}) write_layer(folder.path(), tiny_info(), layer);
  EXPECT_FALSE(fs::exists(folder.path() / "layer_000.safetensors.tmp"));
  EXPECT_TRUE(refuses([&] { Capture{folder.path()}; }, {"capture.json", "No such file"}));
  writer.finish();
  EXPECT_NO_THROW(Capture{folder.path()});
}

TEST(CaptureWriter, CreatingALayerAgainEmptiesIt) {
  const TemporaryFolder folder;
  const CaptureWriter writer(folder.path(), tiny_info());
  writer.create_layer(0);
  write_queries(writer, 0, 0, {0, 5});
  writer.create_layer(0);
  writer.finish_layer(0);
  write_layer(folder.path(), tiny_info(), 1);
  writer.finish();
  std::vector<float> values(15);
  Capture(folder.path()).read_queries(0, 0, {0, 5}, values);
  EXPECT_EQ(values, std::vector<float>(15, 0));
}

TEST(CaptureWriter, RefusesAFolderWithAnythingInIt) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(CaptureWriter(folder.path(), tiny_info()).create());
  const auto file = folder.write("a", "x");
  EXPECT_TRUE(refuses([&] { CaptureWriter(folder.path(), tiny_info()).create(); },
                      {folder.path().string(), "not empty", "choose another folder"}));
  EXPECT_TRUE(refuses([&] { CaptureWriter(file, tiny_info()).create(); }, {"/a", "cannot write", "Not a directory"}));
}

TEST(CaptureWriter, CheckingTheFolderMakesNothing) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(CaptureWriter(folder.path(), tiny_info()).check());
  EXPECT_NO_THROW(CaptureWriter(folder.path() / "new" / "capture", tiny_info()).check());
  EXPECT_TRUE(fs::is_empty(folder.path()));
  const auto file = folder.write("a", "");
  EXPECT_TRUE(refuses([&] { CaptureWriter(folder.path(), tiny_info()).check(); }, {"not empty"}));
  EXPECT_TRUE(refuses([&] { CaptureWriter(file, tiny_info()).check(); }, {"/a", "cannot write", "Not a directory"}));
}

TEST(CaptureWriter, NamesTheFileThatIsNotThere) {
  const TemporaryFolder folder;
  const CaptureWriter writer(folder.path() / "none", tiny_info());
  const std::vector<float> rows(3);
  const std::vector<std::string_view> layer = {"none/layer_001.safetensors.tmp", "cannot write", "No such file"};
  EXPECT_TRUE(refuses([&] { writer.create_layer(1); }, layer));
  EXPECT_TRUE(refuses([&] { writer.write_queries(1, 0, 0, rows); }, layer));
  EXPECT_TRUE(refuses([&] { writer.write_keys(1, 0, 0, rows); }, layer));
  EXPECT_TRUE(refuses([&] { writer.finish_layer(1); }, layer));
  EXPECT_TRUE(refuses([&] { writer.finish(); }, {"none/capture.json", "cannot write", "No such file"}));
}

TEST(CaptureWriter, WritesOutsideAreProgrammingErrors) {
  const TemporaryFolder folder;
  const CaptureWriter writer(folder.path(), tiny_info());
  writer.create_layer(0);
  const std::vector<float> rows(6);
  EXPECT_THROW(writer.create_layer(2), std::out_of_range);
  EXPECT_THROW(writer.write_queries(2, 0, 0, rows), std::out_of_range);
  EXPECT_THROW(writer.write_queries(0, 4, 0, rows), std::invalid_argument);
  EXPECT_THROW(writer.write_queries(0, 0, 4, rows), std::invalid_argument);
  EXPECT_THROW(writer.write_queries(0, 0, -1, rows), std::invalid_argument);
  EXPECT_THROW(writer.write_keys(0, 2, 0, rows), std::invalid_argument);
  EXPECT_THROW(writer.write_keys(0, 0, 0, std::span(rows).first(5)), std::invalid_argument);
  EXPECT_THROW(writer.finish_layer(-1), std::out_of_range);
}

TEST(CaptureWriter, AFullDiskIsFoundWhenALayerIsCreated) {
  const testing::SmallDisk disk;
  if (!disk.available()) GTEST_SKIP() << "mounting a small disk needs root";
  auto info = tiny_info();
  const CaptureWriter small(disk.path(), info);
  small.create_layer(0);
  info.num_tokens = 2 * testing::SmallDisk::size / 12;
  const CaptureWriter large(disk.path(), info);
  EXPECT_TRUE(refuses([&] { large.create_layer(1); }, {"layer_001.safetensors.tmp", "No space left", "free space"}));
  EXPECT_FALSE(fs::exists(disk.path() / "layer_001.safetensors.tmp"));
  EXPECT_NO_THROW(small.create_layer(1));
}

}  // namespace
}  // namespace logitfield::io
