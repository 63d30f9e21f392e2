#include <fmt/format.h>

#include "bench/gpu/measure.hpp"

namespace logitfield::bench::gpu {
namespace {

/// The limiting ceiling, and the seconds that it allows.
struct Bound {
  std::string name;
  double seconds = 0;
};

Bound bound_of(const Work& work, const Ceilings& ceilings) {
  const auto unit = static_cast<std::size_t>(work.unit);
  const double moving = work.bytes / ceilings.copy;
  const double computing = work.flops > 0 ? work.flops / ceilings.products[unit] : 0;
  if (computing > moving) return {fmt::format("{} products", kUnitNames[unit]), computing};
  return {"memory", moving};
}

}  // namespace

std::string rates(const Ceilings& c) {
  return fmt::format(
      "Ceilings measured in this run: copying {:.0f} GB/s (read and written), from the host {:.1f} GB/s; products in "
      "TFLOP/s: bf16 {:.1f}, tf32 {:.1f}, float32 {:.1f}, float64 {:.1f}.\n",
      c.copy * 1e-9, c.upload * 1e-9, c.products[0] * 1e-12, c.products[1] * 1e-12, c.products[2] * 1e-12,
      c.products[3] * 1e-12);
}

std::string table_head() {
  return "\n| what | size | cold ms | warm ms | TFLOP/s | GB/s | ceiling | % of it |\n"
         "|---|---|---|---|---|---|---|---|\n";
}

std::string table_line(const Row& row, const Ceilings& ceilings) {
  const Bound bound = bound_of(row.work, ceilings);
  return fmt::format("| {} | {} | {:.3f} | {:.3f} | {:.3g} | {:.0f} | {} | {:.0f} |\n", row.name, row.size,
                     1e3 * row.timing.cold, 1e3 * row.timing.warm, row.work.flops / row.timing.warm * 1e-12,
                     row.work.bytes / row.timing.warm * 1e-9, bound.name, 100 * bound.seconds / row.timing.warm);
}

std::string json(const std::vector<Row>& rows, const Ceilings& c, const std::string& device) {
  std::string out = fmt::format("{{\"device\": \"{}\", \"copy\": {}, \"upload\": {}", device, c.copy, c.upload);
  for (std::size_t u = 0; u < kUnitNames.size(); ++u) out += fmt::format(", \"{}\": {}", kUnitNames[u], c.products[u]);
  out += ", \"seconds\": {";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += fmt::format("{}\"{}\": {}", r == 0 ? "" : ", ", rows[r].name, rows[r].timing.warm);
  }
  return out + "}}\n";
}

}  // namespace logitfield::bench::gpu
