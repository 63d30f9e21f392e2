// Fuzzes tokenizer.json, a text for it and tokenizer_config.json, with NUL bytes between them.
#include "io/text/tokenizer/tokenizer.hpp"

#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  auto parts = pieces(input, '\0');
  parts.resize(3);
  folder.write("tokenizer.json", parts[0]);
  folder.write("tokenizer_config.json", parts[2].empty() ? "{}" : parts[2]);
  accepts([&] {
    io::Tokenizer tokenizer(folder.path());
    require(tokenizer.bos().value_or(0) >= 0, "the first token has an id");
    require(tokenizer.bos() || !tokenizer.adds_bos(), "only a token that there is can be added");
    const std::vector<std::int32_t> ids = tokenizer.encode(parts[1]);
    for (const std::int32_t id : ids) require(id >= 0, "tokens have ids");
    require(tokenizer.encode(parts[1]) == ids, "a text becomes the same tokens again");
  });
}

}  // namespace logitfield::fuzz
