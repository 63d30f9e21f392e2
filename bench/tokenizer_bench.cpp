// Measures the speed of the tokenizers in tests/tokenizers on this repository's documents and sources. Each is verified
// before it is timed. Every repetition starts with an empty word cache.
#include <benchmark/benchmark.h>

#include <set>

#include "io/file.hpp"
#include "io/json.hpp"
#include "io/text/tokenizer/tokenizer.hpp"

namespace logitfield::bench {
namespace {

using Ids = std::vector<std::int32_t>;

const std::filesystem::path kRepository = REPOSITORY, kTokenizers = kRepository / "tests" / "tokenizers";
constexpr std::size_t kLargestFile = 1 << 20;

/// Text in English and C++.
std::string prose_and_code() {
  std::set<std::filesystem::path> files{kRepository / "README.md"};
  for (const char* folder : {"docs", "io", "kernels", "pipeline"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kRepository / folder)) {
      if (entry.path().extension() == ".md" || entry.path().extension() == ".cpp") files.insert(entry.path());
    }
  }
  std::string text;
  for (const auto& file : files) text += io::read_file(file, kLargestFile);
  return text;
}

/// Whether the ids of the samples equal those of the library `tokenizers`.
bool verified(benchmark::State& state, const std::string& name) {
  io::Tokenizer tokenizer(kTokenizers / name);
  const auto samples = io::read_json(kTokenizers / "corpus.json").at("samples");
  const auto expected = io::read_json(kTokenizers / name / "expected.json").at("samples");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (tokenizer.encode(samples.at(i).get<std::string>()) == expected[i].get<Ids>()) continue;
    state.SkipWithError("the ids are wrong");
    return false;
  }
  return true;
}

void encode(benchmark::State& state, const std::string& name, const std::string& text) {
  if (!verified(state, name)) return;
  for (auto _ : state) {
    state.PauseTiming();
    io::Tokenizer tokenizer(kTokenizers / name);
    state.ResumeTiming();
    benchmark::DoNotOptimize(tokenizer.encode(text));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}

void encode_text(benchmark::State& state, const char* name) { encode(state, name, prose_and_code()); }
void encode_spaces(benchmark::State& state, const char* name) { encode(state, name, std::string(1'000'000, ' ')); }

BENCHMARK_CAPTURE(encode_text, gpt2, "gpt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_text, qwen2, "qwen2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_text, llama3, "llama3")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_text, o200k, "o200k")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_text, deepseek_v3, "deepseek_v3")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_text, falcon, "falcon")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_text, llama2, "llama2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_text, gemma, "gemma")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_spaces, gpt2, "gpt2")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_spaces, llama2, "llama2")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace logitfield::bench

BENCHMARK_MAIN();
