#include "io/safetensors_writer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "io/file.hpp"
#include "io/safetensors.hpp"

namespace logitfield::io {
namespace {

std::size_t size_of(const TensorToWrite& tensor) {
  const auto size = byte_count(tensor.dtype, tensor.shape);
  if (!size) throw std::invalid_argument("TensorToWrite: impossible shape of " + tensor.name);
  return *size;
}

/// Padded with spaces, as the format allows, so that the data begin at a multiple of 8 bytes.
std::string header_text(std::span<const TensorToWrite> tensors) {
  nlohmann::ordered_json header;
  // Readers of the Hugging Face libraries expect the name of the framework whose layout the tensors have.
  header["__metadata__"] = {{"format", "pt"}};
  std::size_t begin = 0;
  for (const auto& tensor : tensors) {
    const std::size_t end = begin + size_of(tensor);
    header[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

void write_data(OutputFile& file, const TensorToWrite& tensor, std::vector<std::byte>& buffer) {
  constexpr std::size_t kPieceSize = 8 << 20;
  const std::size_t size = size_of(tensor);
  for (std::size_t begin = 0; begin < size; begin += kPieceSize) {
    buffer.resize(std::min(kPieceSize, size - begin));
    tensor.fill(begin / dtype_size(tensor.dtype), buffer);
    file.write(buffer);
  }
}

}  // namespace

std::string safetensors_head(std::span<const TensorToWrite> tensors) {
  const std::string header = header_text(tensors);
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header;
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors) {
  const std::string head = safetensors_head(tensors);
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    OutputFile file(temporary, true);
    file.write(std::as_bytes(std::span(head)));
    std::vector<std::byte> buffer;
    for (const auto& tensor : tensors) write_data(file, tensor, buffer);
  });
}

}  // namespace logitfield::io
