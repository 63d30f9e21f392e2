// print_ids MODEL FILE...: the token ids of each file, a line a file. Development only:
// tests/development/gguf_models.py.
#include <fmt/ranges.h>

#include <cstdio>
#include <exception>

#include "io/text/tokenizer/tokenizer.hpp"
#include "tests/io/temporary_folder.hpp"

int main(int count, char** arguments) try {
  logitfield::io::Tokenizer tokenizer(arguments[1]);
  for (int i = 2; i < count; ++i) {
    fmt::print("{}\n", fmt::join(tokenizer.encode(logitfield::testing::content_of(arguments[i])), " "));
  }
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 2;
}
