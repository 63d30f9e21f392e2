// Benchmarks on the first GPU: the kernels of the CUDA back end, field statistics and forward pass of a layer, and
// streamed layers.
//   gpu_bench [--quick] [--rates] [--json FILE]
// Prints a Markdown table, row by row. Every answer is checked before it is timed. A wrong one ends its part of the
// table, and the exit code is 1. --rates: only the rates of the device that the table refers to.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "bench/gpu/cases.hpp"
#include "kernels/device.hpp"

namespace logitfield::bench::gpu {
namespace {

int run(bool quick, bool only_rates, const std::string& json_file) {
  const DeviceList list = list_devices();
  if (list.devices.empty()) {
    std::cerr << "gpu_bench: " << list.reason << "\n";
    return 2;
  }
  kernels::cuda::use_device(0);
  const std::string device = kernels::cuda::describe_device(0);
  const Meter meter(quick);
  const Ceilings ceilings = measure_ceilings(meter, quick);
  const auto say = [](const std::string& text) { std::cout << text << std::flush; };
  say(fmt::format("{}, {} host threads\n\n{}", device, kernels::cuda::host_threads(), rates(ceilings)));
  if (only_rates) return 0;
  say(table_head());
  const LayerSizes &small = quick ? kSmall : k8B, &large = quick ? kSmallToo : k70B;
  std::string notes;
  std::vector<Row> rows;
  const TakeRow take = [&](const Row& row) {
    rows.push_back(row);
    say(table_line(row, ceilings));
    if (!json_file.empty()) std::ofstream(json_file) << json(rows, ceilings, device);
  };
  bool right = true;
  const auto part = [&](const std::function<void()>& measure) {
    try {
      measure();
    } catch (const std::exception& error) {
      right = false;
      say(fmt::format("| **failed**: {} | | | | | | | |\n", error.what()));
    }
  };
  part([&] { time_fields(meter, small, quick ? 70 : 1024, take); });
  const std::vector<Batches> batches = quick ? std::vector<Batches>{{2, 40}, {2, 170, true}}
                                             : std::vector<Batches>{{32, 128}, {32, 1024, true}, {8, 2048}};
  part([&] { time_spectra(meter, batches, take); });
  part([&] { time_layers(meter, small, take); });
  part([&] { time_kernels(meter, small, take); });
  part([&] { time_streaming(meter, small, Precision::bf16, ceilings, notes, take); });
  part([&] { time_streaming(meter, small, Precision::float32, ceilings, notes, take); });
  part([&] { time_streaming(meter, large, Precision::bf16, ceilings, notes, take); });
  say("\n" + notes);
  return right ? 0 : 1;
}

}  // namespace
}  // namespace logitfield::bench::gpu

int main(int argc, char** argv) {
  bool quick = false, only_rates = false;
  std::string json_file;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") {
      quick = true;
    } else if (argument == "--rates") {
      only_rates = true;
    } else if (argument == "--json" && i + 1 < argc) {
      json_file = argv[++i];
    } else {
      std::cerr << "usage: gpu_bench [--quick] [--rates] [--json FILE]\n";
      return 2;
    }
  }
  try {
    return logitfield::bench::gpu::run(quick, only_rates, json_file);
  } catch (const std::exception& error) {
    std::cerr << "gpu_bench: " << error.what() << "\n";
    return 1;
  }
}
