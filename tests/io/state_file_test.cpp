#include "io/run/state_file.hpp"

#include <gtest/gtest.h>

#include "tests/io/refusal.hpp"
#include "tests/io/small_disk.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::content_of;
using testing::refuses;
using testing::TemporaryFolder;

const StateKey kKey{.text = 3, .layer = 17, .rows = 5, .columns = 7};

std::vector<float> some_values() {
  std::vector<float> values(35);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1F * static_cast<float>(i) - 1;
  return values;
}

TEST(StateFile, IsReadBackBitForBit) {
  const TemporaryFolder folder;
  const std::vector<float> written = some_values();
  write_state(folder.path(), kKey, written);
  EXPECT_TRUE(state_is_sound(folder.path(), kKey));
  std::vector<float> read(written.size());
  read_state(folder.path(), kKey, read);
  EXPECT_EQ(read, written);
}

TEST(StateFile, AnyFlippedBitAndAnyCutIsSeen) {
  const TemporaryFolder folder;
  write_state(folder.path(), kKey, some_values());
  const auto path = state_path(folder.path(), kKey);
  const std::string sound = content_of(path);
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string broken = sound;
    broken[i] = static_cast<char>(broken[i] ^ (1 << (i % 8)));
    folder.write(path.filename().string(), broken);
    ASSERT_FALSE(state_is_sound(folder.path(), kKey)) << "byte " << i;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, sound.size() - 1}) {
    folder.write(path.filename().string(), sound.substr(0, size));
    EXPECT_FALSE(state_is_sound(folder.path(), kKey)) << size << " bytes";
  }
  std::vector<float> values(35);
  EXPECT_TRUE(refuses([&] { read_state(folder.path(), kKey, values); }, {"text-3.layer-17", "damaged"}));
}

TEST(StateFile, OfAnotherTextLayerOrShapeIsNotSound) {
  const TemporaryFolder folder;
  write_state(folder.path(), kKey, some_values());
  const auto path = state_path(folder.path(), kKey);
  for (const StateKey& other : {StateKey{4, 17, 5, 7}, StateKey{3, 18, 5, 7}, StateKey{3, 17, 7, 5}}) {
    const auto renamed = state_path(folder.path(), other);
    if (renamed != path) std::filesystem::copy_file(path, renamed);
    EXPECT_FALSE(state_is_sound(folder.path(), other));
  }
}

TEST(StateFile, LayersOfATextAreListedLatestFirst) {
  const TemporaryFolder folder;
  EXPECT_TRUE(saved_layers(folder.path() / "missing", 3).empty());
  for (const std::int64_t layer : {2, 11, 5}) write_state(folder.path(), {3, layer, 5, 7}, some_values());
  write_state(folder.path(), {31, 4, 5, 7}, some_values());
  folder.write("text-3.layer-12.4711.tmp", "left by a process that was killed");
  for (const char* name : {"text-3.layer-007", "text-3.layer--4", "text-3.layer-"}) folder.write(name, "not ours");
  EXPECT_EQ(saved_layers(folder.path(), 3), (std::vector<std::int64_t>{11, 5, 2}));
  remove_state(folder.path(), 3, 5);
  remove_state(folder.path(), 3, 6);
  EXPECT_EQ(saved_layers(folder.path(), 3), (std::vector<std::int64_t>{11, 2}));
}

TEST(StateFile, AFullDiskIsAnErrorThatLeavesNothingBehind) {
  const testing::SmallDisk disk;
  if (!disk.available()) GTEST_SKIP() << "only root may mount a small disk";
  const StateKey large{0, 1, 1024, 64};
  const std::vector<float> values(static_cast<std::size_t>(large.rows * large.columns), 1.F);
  EXPECT_TRUE(refuses([&] { write_state(disk.path(), large, values); }, {"text-0.layer-1", "disk is full"}));
  EXPECT_TRUE(std::filesystem::is_empty(disk.path()));
}

}  // namespace
}  // namespace logitfield::io
