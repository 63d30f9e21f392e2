// Fuzzes a safetensors file.
#include "io/safetensors.hpp"

#include <algorithm>

#include "io/safetensors_writer.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {
namespace {

using io::SafetensorsFile;
using io::Tensor;

void require_tensor_within(const Tensor& tensor, std::span<const std::byte> file) {
  require(tensor.data.data() >= file.data() + 8 && tensor.data.size() <= file.size() &&
              tensor.data.data() + tensor.data.size() <= file.data() + file.size(),
          "a tensor lies within its file");
  require(io::byte_count(tensor.dtype, tensor.shape) == tensor.data.size(), "a tensor has the bytes of its shape");
  if (!io::is_float_weight(tensor.dtype)) return;
  std::vector<float> values(tensor.size());
  io::to_float32(tensor.dtype, tensor.data.data(), values);
  const auto finite = [](float value) { return value - value == 0; };
  const bool all_finite = std::ranges::all_of(values, finite);
  require(all_finite == !io::first_non_finite(tensor.dtype, tensor.data.data(), values.size()),
          "NaNs and infinities are found in the stored and in the converted values alike");
}

void write_copy(const SafetensorsFile& file, const std::filesystem::path& path) {
  std::vector<io::TensorToWrite> tensors;
  for (const auto& [name, tensor] : file.tensors()) {
    const auto fill = [&data = tensor.data, size = io::dtype_size(tensor.dtype)](std::size_t first,
                                                                                 std::span<std::byte> bytes) {
      std::ranges::copy(data.subspan(first * size, bytes.size()), bytes.begin());
    };
    tensors.push_back({name, tensor.dtype, tensor.shape, fill});
  }
  io::write_safetensors(path, tensors);
}

bool same(const Tensor& a, const Tensor& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.data, b.data);
}

}  // namespace

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  const auto path = folder.write("input.safetensors", input), copy_path = folder.path() / "copy.safetensors";
  accepts([&] {
    const SafetensorsFile file(path);
    for (const auto& [name, tensor] : file.tensors()) require_tensor_within(tensor, file.file().bytes());
    write_copy(file, copy_path);
    const SafetensorsFile copy(copy_path);
    const auto equal = [](const auto& a, const auto& b) { return same(a.second, b.second); };
    require(std::ranges::equal(file.tensors(), copy.tensors(), equal), "what is written is what was read");
  });
}

}  // namespace logitfield::fuzz
