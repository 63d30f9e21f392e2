// Fuzzes a file of texts or of token ids, under each of its extensions.
#include "io/text/documents.hpp"
#include "io/text/tokens.hpp"
#include "io/utf8.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  // A few bytes decompress to gigabytes.
  constexpr std::size_t kLargest = 1 << 20;
  for (const char* name : {"input.txt", "input.jsonl", "input.json"}) {
    const auto path = folder.write(name, input);
    accepts([&] {
      const auto documents = io::read_documents(path, kLargest);
      require(!documents.empty(), "a file of texts holds one");
      for (const io::Document& document : documents) {
        require(!document.text.empty() && !io::first_invalid_utf8(document.text), "texts are UTF-8, and not empty");
        require(std::filesystem::path(document.name).filename() == document.name, "a name is that of a file");
      }
    });
  }
  constexpr std::int64_t kVocabulary = 1000;
  accepts([&] {
    for (const std::int32_t id : io::read_tokens(folder.path() / "input.json", kVocabulary).tokens) {
      require(id >= 0 && id < kVocabulary, "tokens are in the vocabulary");
    }
  });
}

}  // namespace logitfield::fuzz
