// Fuzzes a GGUF file.
#include <vector>

#include "io/gguf/gguf_file.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {
namespace {

using io::GgufFile;
using io::GgufTensor;

void require_tensor_within(const GgufTensor& tensor, std::span<const std::byte> file) {
  require(tensor.data.data() >= file.data() && tensor.data.size() <= file.size() &&
              tensor.data.data() + tensor.data.size() <= file.data() + file.size(),
          "a tensor lies within its file");
  std::size_t numbers = 1;
  for (const std::int64_t axis : tensor.shape) numbers *= static_cast<std::size_t>(axis);
  require(numbers / tensor.type->numbers * tensor.type->bytes == tensor.data.size(),
          "a tensor has the bytes of its shape");
  if (!tensor.type->is_readable()) return;
  std::vector<float> values(numbers);
  dequantise(*tensor.type, tensor.data.data(), values);
}

}  // namespace

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  const auto path = folder.write("input.gguf", input);
  accepts([&] {
    const GgufFile file(path);
    for (const auto& [name, tensor] : file.tensors()) require_tensor_within(tensor, file.file().bytes());
  });
}

}  // namespace logitfield::fuzz
