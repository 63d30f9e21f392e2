// Writes a capture of Gaussian heads of any length; their columns decay as those of trained heads do.
#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>

#include "io/capture/capture_writer.hpp"
#include "kernels/random.hpp"

namespace {

using namespace logitfield;

constexpr kernels::Index kRows = 4096;

/// Rows of a random head with column c scaled by decay^c; keys also have a mean.
kernels::MatrixF rows_of(std::uint64_t seed, kernels::Index first, kernels::Index rows, kernels::Index width,
                         double decay, double mean) {
  kernels::Matrix out = kernels::gaussian_rows(seed, first, rows, width);
  out.array() += mean;
  for (kernels::Index c = 0; c < width; ++c) out.col(c) *= std::pow(decay, static_cast<double>(c));
  return out.cast<float>();
}

}  // namespace

int main(int argc, char** argv) {
  io::CaptureInfo info{.model = "gaussian",
                       .num_layers = 1,
                       .num_heads = 1,
                       .num_kv_heads = 1,
                       .head_dim = 128,
                       .num_tokens = 4096,
                       .scale = 0,
                       .source = "make_capture",
                       .alibi_slopes = {},
                       .logit_softcap = {}};
  std::string folder;
  double decay = 0.9;
  std::uint64_t seed = 1;
  CLI::App app("writes a capture of Gaussian heads", "make_capture");
  app.add_option("FOLDER", folder)->required();
  app.add_option("--layers", info.num_layers)->capture_default_str();
  app.add_option("--heads", info.num_heads)->capture_default_str();
  app.add_option("--kv-heads", info.num_kv_heads)->capture_default_str();
  app.add_option("--head-dim", info.head_dim)->capture_default_str();
  app.add_option("--length", info.num_tokens, "tokens")->capture_default_str();
  app.add_option("--decay", decay, "column c is scaled by decay^c")->capture_default_str();
  app.add_option("--seed", seed)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    info.scale = 1 / std::sqrt(static_cast<double>(info.head_dim));
    const io::CaptureWriter writer(folder, info);
    writer.create();
    for (std::int64_t layer = 0; layer < info.num_layers; ++layer) {
      writer.create_layer(layer);
      for (std::int64_t head = 0; head < info.num_heads + info.num_kv_heads; ++head) {
        const bool is_query = head < info.num_heads;
        const std::uint64_t stream = kernels::stream_seed(seed, static_cast<std::uint64_t>(layer * 100000 + head));
        for (std::int64_t first = 0; first < info.num_tokens; first += kRows) {
          const kernels::MatrixF rows =
              rows_of(stream, first, std::min(kRows, info.num_tokens - first), info.head_dim, decay, is_query ? 0 : 1);
          const std::span<const float> values(rows.data(), static_cast<std::size_t>(rows.size()));
          if (is_query) {
            writer.write_queries(layer, head, first, values);
          } else {
            writer.write_keys(layer, head - info.num_heads, first, values);
          }
        }
      }
      writer.finish_layer(layer);
    }
    writer.finish();
  } catch (const std::exception& error) {
    std::cerr << "make_capture: " << error.what() << "\n";
    return 1;
  }
}
