// Fuzzes a .npy file of token ids.
#include "io/npy.hpp"

#include <string>

#include "io/text/tokens.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {
namespace {

/// The array in the form in which NumPy writes int64.
std::string npy_of(const std::vector<std::int64_t>& values) {
  const std::string header =
      fmt::format("{{'descr': '<i8', 'fortran_order': False, 'shape': ({},), }}\n", values.size());
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size());
  out += '\0';
  out += header;
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t));
  return out;
}

}  // namespace

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  const auto path = folder.write("input.npy", input);
  std::vector<std::int64_t> values;
  if (!accepts([&] { values = io::read_npy_integers(path); })) return;
  require(values.size() * 4 < input.size(), "no more values than bytes");
  require(io::read_npy_integers(folder.write("copy.npy", npy_of(values))) == values, "what is written is read back");
  constexpr std::int64_t kVocabulary = 1000;
  accepts([&] {
    for (const std::int32_t id : io::read_tokens(path, kVocabulary).tokens) {
      require(id >= 0 && id < kVocabulary, "tokens are in the vocabulary");
    }
  });
}

}  // namespace logitfield::fuzz
