// Benchmarks on the first GPU: the kernels of the CUDA back end, field statistics and forward pass of a layer, and
// streamed layers.
//   gpu_bench [--quick] [--json FILE]
// Prints a Markdown table. Every answer is checked before it is timed; a wrong one ends the program with exit code 1.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <string>

#include "bench/gpu/cases.hpp"
#include "kernels/device.hpp"

namespace logitfield::bench::gpu {
namespace {

int run(bool quick, const std::string& json_file) {
  const DeviceList list = list_devices();
  if (list.devices.empty()) {
    std::cerr << "gpu_bench: " << list.reason << "\n";
    return 2;
  }
  kernels::cuda::use_device(0);
  const std::string device = kernels::cuda::describe_device(0);
  const Meter meter(quick);
  const Ceilings ceilings = measure_ceilings(meter, quick);
  const LayerSizes &small = quick ? kSmall : k8B, &large = quick ? kSmallToo : k70B;
  std::string notes;
  std::vector<Row> rows;
  const auto add = [&](std::vector<Row> more) { rows.insert(rows.end(), more.begin(), more.end()); };
  add(kernel_rows(meter, small));
  add(field_rows(meter, small, quick ? 70 : 1024));
  add(layer_rows(meter, small));
  add(stream_rows(meter, small, ceilings, notes));
  add(stream_rows(meter, large, ceilings, notes));
  fmt::print("{}, {} host threads\n\n{}\n{}", device, kernels::cuda::host_threads(), table(rows, ceilings), notes);
  if (!json_file.empty()) std::ofstream(json_file) << json(rows, ceilings, device);
  return 0;
}

}  // namespace
}  // namespace logitfield::bench::gpu

int main(int argc, char** argv) {
  bool quick = false;
  std::string json_file;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") {
      quick = true;
    } else if (argument == "--json" && i + 1 < argc) {
      json_file = argv[++i];
    } else {
      std::cerr << "usage: gpu_bench [--quick] [--json FILE]\n";
      return 2;
    }
  }
  try {
    return logitfield::bench::gpu::run(quick, json_file);
  } catch (const std::exception& error) {
    std::cerr << "gpu_bench: " << error.what() << "\n";
    return 1;
  }
}
