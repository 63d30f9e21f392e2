// Run folders of earlier versions can still be opened, and give the same results.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "pipeline/results/results.hpp"
#include "pipeline/results/schema.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield {
namespace {

using testing::content_of;
using testing::refuses;
using testing::TemporaryFolder;

const std::filesystem::path kFolders = std::filesystem::path(FIXTURES) / "run-folders";

/// A copy of a committed run folder that tests may change.
io::RunFolder copy_of(const char* version, const TemporaryFolder& to) {
  std::filesystem::copy(kFolders / version, to.path());
  return io::open_run_folder(to.path());
}

void replace_in_manifest(const io::RunFolder& folder, std::string_view what, std::string_view by) {
  std::string text = content_of(folder.manifest());
  ASSERT_NE(text.find(what), std::string::npos);
  text.replace(text.find(what), what.size(), by);
  std::ofstream(folder.manifest()) << text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) out.push_back(part);
  return out;
}

/// The cells of a table without quotes, by column.
std::map<std::string, std::vector<std::string>> columns_of(const std::filesystem::path& csv) {
  const std::vector<std::string> lines = split(content_of(csv), '\n');
  const std::vector<std::string> names = split(lines.at(0), ',');
  std::map<std::string, std::vector<std::string>> out;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> cells = split(lines[i], ',');
    for (std::size_t c = 0; c < names.size(); ++c) out[names[c]].push_back(c < cells.size() ? cells[c] : "");
  }
  return out;
}

TEST(RunFolder, OfVersion1IsReadWhole) {
  const TemporaryFolder to;
  const Results results = load_results(copy_of("v1", to));
  EXPECT_TRUE(results.complete());
  EXPECT_EQ(results.failed_heads(), 0);
  EXPECT_EQ(results.contexts, (std::vector<std::int64_t>{8, 16}));
  EXPECT_EQ(results.scopes, (std::vector<std::string>{"full", "causal"}));
  EXPECT_EQ(results.layers.size(), 2u);
  EXPECT_EQ(results.nulls.size(), 4u);
  EXPECT_EQ(results.sessions.size(), 1u);
  EXPECT_EQ(results.ranks.size(), 1u);
}

/// The table that the program derived at that time is committed beside the journal. Later versions may add columns;
/// that version wrote -1 and nan where cells are empty now.
TEST(RunFolder, OfVersion1GivesTheTableThatItGave) {
  const TemporaryFolder to;
  const io::RunFolder folder = copy_of("v1", to);
  const auto then = columns_of(folder.heads_csv());
  write_heads_csv(load_results(folder), folder.heads_csv());
  const auto now = columns_of(folder.heads_csv());
  EXPECT_EQ(then.at("k90").size(), 48u);
  for (const auto& [name, cells] : then) {
    ASSERT_TRUE(now.contains(name)) << name;
    std::vector<std::string> expected = cells;
    for (std::string& cell : expected) cell = cell == "-1" || cell == "nan" ? "" : cell;
    EXPECT_EQ(now.at(name), expected) << name;
  }
}

TEST(RunFolder, OfALaterVersionIsRefusedByName) {
  const TemporaryFolder to;
  const io::RunFolder folder = copy_of("v1", to);
  replace_in_manifest(folder, "\"version\": 1", "\"version\": 2");
  EXPECT_TRUE(refuses([&] { load_results(folder); }, {"manifest.json", "version 2", "logitfield 0.1.0"}));
}

TEST(RunFolder, ThatContradictsItselfIsRefused) {
  for (const auto& [what, by] :
       {std::pair{"\"num_heads\": 6", "\"num_heads\": 4"}, std::pair{"\"full\",\n  \"causal\"", "\"full\""},
        std::pair{"\"format\": \"logitfield-run\"", "\"format\": \"other\""},
        std::pair{"\"num_kv_heads\": 2", "\"num_kv_heads\": 0"}}) {
    const TemporaryFolder to;
    const io::RunFolder folder = copy_of("v1", to);
    replace_in_manifest(folder, what, by);
    EXPECT_TRUE(refuses([&] { load_results(folder); }, {to.path().string()})) << by;
  }
}

/// Damages every entry that reports and comparisons take from a manifest.
TEST(RunFolder, WithADamagedManifestIsRefusedByName) {
  for (const auto& [what, by, named] :
       {std::tuple{"\"name\": \"qwen2\"", "\"name\": 2", "name"},
        std::tuple{"\"hash\": \"xxh3:0802bbecf06ae61f\",", "", "hash"},
        std::tuple{"\"head_dim\": 8", "\"head_dim\": 8.5", "head_dim"},
        std::tuple{"\"path\": \"/models/qwen2\"", "\"path\": null", "path"},
        std::tuple{"\"program\": \"logitfield 0.1.0\",", "", "program"},
        std::tuple{"\"num_heads\": 6", "\"num_heads\": 6e9", "num_heads"},
        std::tuple{"\"contexts\": [\n  8,", "\"contexts\": [\n  -8,", "contexts"},
        std::tuple{"\"layers\": [\n  0,\n  2", "\"layers\": [\n  -9223372036854775808,\n  2", "layers"},
        std::tuple{"\"layers\": [\n  0,\n  2", "\"layers\": [\n  0,\n  4", "layers"},
        std::tuple{"\"hash_of_used\": \"xxh3:bf8c2e280e723839\"", "\"hash_of_used\": []", "hash_of_used"}}) {
    const TemporaryFolder to;
    const io::RunFolder folder = copy_of("v1", to);
    replace_in_manifest(folder, what, by);
    EXPECT_TRUE(refuses([&] { load_results(folder); }, {"manifest.json", named})) << by;
  }
}

}  // namespace
}  // namespace logitfield
