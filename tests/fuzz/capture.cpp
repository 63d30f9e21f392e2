// Fuzzes capture.json, next to a layer of 2 query heads over 1 KV head, 3 tokens and 4 columns.
#include "io/capture/capture.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "io/capture/capture_format.hpp"
#include "io/capture/capture_writer.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {
namespace {

using io::Capture;
using io::CaptureInfo;

const CaptureInfo kLayer{.model = "model",
                         .num_layers = 1,
                         .num_heads = 2,
                         .num_kv_heads = 1,
                         .head_dim = 4,
                         .num_tokens = 3,
                         .scale = 0.5,
                         .source = "source",
                         .alibi_slopes = {},
                         .logit_softcap = {}};

/// A complete capture in an empty folder.
std::filesystem::path written(const std::filesystem::path& folder, const CaptureInfo& info) {
  std::filesystem::remove_all(folder);
  const io::CaptureWriter writer(folder, info);
  writer.create();
  writer.create_layer(0);
  writer.finish_layer(0);
  writer.finish();
  return folder;
}

void require_sound(const Capture& capture) {
  const CaptureInfo& info = capture.info();
  require(info.num_layers == 1 && info.num_heads == 2 && info.num_kv_heads == 1 && info.head_dim == 4 &&
              info.num_tokens == 3,
          "sizes are those of the layer's file");
  require(std::isfinite(info.scale) && info.scale > 0, "the scale is positive and finite");
  require(info.alibi_slopes.empty() || std::ssize(info.alibi_slopes) == info.num_heads, "a slope for every head");
  for (const double slope : info.alibi_slopes) require(std::isfinite(slope), "slopes are finite");
  require(info.sinks.empty() || (info.sinks.size() == 1 && info.sinks[0].size() == 2), "a sink for every head");
  require(!info.logit_softcap || (std::isfinite(*info.logit_softcap) && *info.logit_softcap > 0), "the cap is a cap");
  std::vector<float> rows(3 * 4);
  for (const std::int64_t head : {0, 1}) capture.read_queries(0, head, {0, 3}, rows);
  capture.read_keys(0, 0, {0, 3}, rows);
}

}  // namespace

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  static const auto read_from = written(folder.path() / "input", kLayer);
  folder.write("input/capture.json", input);
  accepts([&] {
    const Capture capture(read_from);
    require_sound(capture);
    const auto copied_to = written(folder.path() / "copy", capture.info());
    const std::string first = testing::content_of(io::capture_info_path(copied_to));
    written(copied_to, Capture(copied_to).info());
    require(testing::content_of(io::capture_info_path(copied_to)) == first, "what is written is read back");
  });
}

}  // namespace logitfield::fuzz
