// Prints the costs of fields and blocks that kernels/ computes. costs_test.py compiles it with changed tiles.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "kernels/block_cost.hpp"
#include "kernels/field/cost.hpp"
#include "kernels/field/device_fields.hpp"
#include "kernels/field/row_sample.hpp"
#include "kernels/field/spectral_integrals.hpp"

namespace logitfield::kernels {

// These stubs replace the kernels, so that nothing else needs to be compiled.
Index krylov_columns(Index length, Index most_components) { return std::min(length, 2 * most_components); }
Index integral_shifts() { return 30; }
double determinant_flops(double length, double width) { return length * width; }
std::vector<Index> sampled_positions(Index length) { return std::vector<Index>(static_cast<std::size_t>(length) / 16); }

}  // namespace logitfield::kernels

int main() {
  using namespace logitfield::kernels;
  const FieldSize causal{.request = {.context = 4096, .scope = Scope::causal, .route = Route::krylov}, .head_dim = 64};
  FieldSize windowed = causal;
  windowed.mask.window = 512;
  const BlockSize block{.length = 10000,
                        .hidden_size = 4,
                        .num_heads = 1,
                        .num_kv_heads = 1,
                        .head_dim = 4,
                        .value_dim = 4,
                        .network_size = 4000,
                        .precision = Precision::bf16};
  BlockSize heads = block;
  heads.network_size = 1;
  const DeviceFields fields{.context = 1000, .head_dim = 64, .kv_heads = 1, .factored = true};
  std::printf("causal flops %.17g\ncausal bytes %.17g\n", field_flops(causal), field_bytes(causal, 4096));
  std::printf("windowed flops %.17g\nwindowed bytes %.17g\n", field_flops(windowed), field_bytes(windowed, 4096));
  std::printf("attention %.17g\n", attention_bytes(4096, 64));
  std::printf("block %.17g\n", block_bytes(block, 0));
  std::printf("device block %.17g\n", device_block_bytes(block, 0));
  std::printf("device heads %.17g\n", device_block_bytes(heads, 0));
  std::printf("device fields %.17g %.17g\n", device_bytes(fields), krylov_device_bytes(1000, 64));
}
