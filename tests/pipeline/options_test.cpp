#include "pipeline/job/command_line.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "../io/temporary_folder.hpp"
#include "io/error.hpp"

namespace logitfield {
namespace {

using kernels::Scope;

std::optional<Options> parse(std::vector<const char*> arguments, std::string& message) {
  arguments.insert(arguments.begin(), "logitfield");
  return parse_options(static_cast<int>(arguments.size()), arguments.data(), message);
}

Options parse(const std::vector<const char*>& arguments) {
  std::string message;
  return parse(arguments, message).value();
}

TEST(Options, AnalyzeReadsWhatItIsGiven) {
  const Options o = parse({"analyze", "--model", "m", "--tokens", "a.npy", "b.json", "--out", "run", "--contexts",
                           "64,200", "--layers", "2:4", "--grid", "2x1", "--weights", "resident"});
  EXPECT_EQ(o.command, Command::analyze);
  EXPECT_EQ(o.model, "m");
  EXPECT_EQ(o.tokens.size(), 2u);
  EXPECT_EQ(o.contexts, (std::vector<std::int64_t>{64, 200}));
  EXPECT_EQ(o.grid, "2x1");
  EXPECT_EQ(o.weights, WeightsChoice::resident);
}

TEST(Options, Convert) {
  const Options o = parse({"convert", "--vllm-hook", "h", "--tokens", "a.json", "b.bin", "--token-dtype", "uint16",
                           "--model", "config.json", "--out", "captures"});
  EXPECT_EQ(o.command, Command::convert);
  EXPECT_EQ(o.vllm_hook, "h");
  EXPECT_EQ(o.tokens.size(), 2u);
  EXPECT_EQ(o.token_dtype, "uint16");
  EXPECT_EQ(o.model, "config.json");
  EXPECT_EQ(o.out, "captures");
}

TEST(Options, Monitor) {
  const Options o = parse({"monitor", "--checkpoints", "a", "b", "--out", "m", "--follow", "--interval", "60",
                           "--alert-max-logit", "50", "--alert-confirm", "3"});
  EXPECT_EQ(o.command, Command::monitor);
  EXPECT_EQ(o.checkpoints.size(), 2u);
  EXPECT_TRUE(o.follow);
  EXPECT_EQ(o.interval, 60);
  EXPECT_EQ(o.thresholds.max_logit, 50);
  EXPECT_EQ(o.thresholds.confirm, 3);
  EXPECT_EQ(o.thresholds.band, Thresholds().band);
  EXPECT_EQ(o.null_draws, 8);
  EXPECT_EQ(parse({"monitor", "--checkpoints", "a", "--out", "m", "--null", "0"}).null_draws, 0);
  EXPECT_EQ(parse({"analyze", "--capture", "c", "--out", "r"}).null_draws, 0);
}

TEST(Options, RoutesAndTheirDefaults) {
  const Options d = parse({"plan", "--capture", "c"});
  EXPECT_EQ(d.scopes, (std::vector{Scope::full}));
  EXPECT_EQ(d.spectrum, SpectrumChoice::automatic);
  EXPECT_EQ(d.rows, RowsChoice::automatic);
  EXPECT_EQ(d.components, 256);
  EXPECT_EQ(d.verify_dense, 0);
  EXPECT_EQ(d.null_draws, 0);
  EXPECT_EQ(d.seed, 0u);
  EXPECT_TRUE(d.dump_captures.empty());
  const Options o = parse({"plan", "--capture", "c", "--scopes", "causal,full,causal-mean,causal-unwindowed",
                           "--spectrum", "krylov", "--components", "12", "--rows", "sharded", "--verify-dense", "3",
                           "--null", "4", "--seed", "18446744073709551615"});
  EXPECT_EQ(o.scopes, (std::vector{Scope::causal, Scope::full, Scope::causal_mean, Scope::causal_unwindowed}));
  EXPECT_EQ(o.spectrum, SpectrumChoice::krylov);
  EXPECT_EQ(o.components, 12);
  EXPECT_EQ(o.rows, RowsChoice::sharded);
  EXPECT_EQ(o.verify_dense, 3);
  EXPECT_EQ(o.null_draws, 4);
  EXPECT_EQ(o.seed, 18446744073709551615u);
  const Options dumped =
      parse({"analyze", "--model", "m", "--tokens", "t.npy", "--out", "r", "--dump-captures", "captures"});
  EXPECT_EQ(dumped.dump_captures, "captures");
}

TEST(Options, TextsAndTheirDefaults) {
  const Options d = parse({"plan", "--model", "m", "--text", "a.txt", "b.jsonl"});
  EXPECT_EQ(d.text.size(), 2u);
  EXPECT_TRUE(d.tokens.empty());
  EXPECT_EQ(d.bos, BosChoice::automatic);
  EXPECT_EQ(d.start, 0);
  EXPECT_EQ(d.num_tokens, 0);
  const Options o = parse({"plan", "--model", "m", "--text", "a.txt", "--tokens", "t.npy", "--bos", "no", "--start",
                           "9", "--num-tokens", "64"});
  EXPECT_EQ(o.tokens.size(), 1u);
  EXPECT_EQ(o.bos, BosChoice::no);
  EXPECT_EQ(o.start, 9);
  EXPECT_EQ(o.num_tokens, 64);
}

TEST(Options, BadUsageIsRefusedByName) {
  const std::vector<std::pair<std::vector<const char*>, const char*>> cases{
      {{}, "command"},
      {{"analyse"}, "analyse"},
      {{"analyze", "--model", "m", "--tokens", "t.npy"}, "--out"},
      {{"analyze", "--model", "m", "--out", "r"}, "--tokens"},
      {{"analyze", "--out", "r", "--tokens", "t.npy"}, "--model"},
      {{"analyze", "--model", "m", "--capture", "c", "--out", "r"}, "--capture"},
      {{"analyze", "--capture", "c", "--tokens", "t.npy", "--out", "r"}, "--tokens"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--contexts", "64,1"}, "--contexts 1"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--contexts", "many"}, "many"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--scopes", "half"}, "half"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--weights", "none"}, "none"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--colour", "red"}, "--colour"},
      {{"plan", "--capture", "c", "--scopes", "full,causal,full"}, "full is named twice"},
      {{"plan", "--capture", "c", "--spectrum", "lanczos"}, "lanczos"},
      {{"plan", "--capture", "c", "--rows", "some"}, "some"},
      {{"plan", "--capture", "c", "--components", "1"}, "--components"},
      {{"plan", "--capture", "c", "--components", "all"}, "all"},
      {{"plan", "--capture", "c", "--verify-dense", "-1"}, "--verify-dense"},
      {{"plan", "--capture", "c", "--null", "-2"}, "--null"},
      {{"plan", "--capture", "c", "--null", "1.5"}, "--null"},
      {{"plan", "--capture", "c", "--seed", "x"}, "--seed"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--rows", "sharded"}, "--rows sharded"},
      {{"analyze", "--capture", "c", "--out", "r", "--dump-captures", "d"}, "--dump-captures"},
      {{"analyze", "--model", "m", "--out", "r"}, "--text"},
      {{"analyze", "--capture", "c", "--text", "t.txt", "--out", "r"}, "--text"},
      {{"plan", "--model", "m", "--text", "t.txt", "--bos", "maybe"}, "maybe"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--bos", "yes"}, "--text"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--start", "3"}, "--text"},
      {{"plan", "--model", "m", "--text", "t.txt", "--start", "-1"}, "--start"},
      {{"plan", "--model", "m", "--text", "t.txt", "--num-tokens", "1"}, "--num-tokens"},
      {{"plan", "--model-shape", "8B", "", "more"}, "empty"},
      {{"report"}, "RUN"},
      {{"validate"}, "RUN"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--config"}, "--config"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--config", "/none"}, "/none"},
      {{"plan", "--model", "m", "--tokens", "t.npy", "--config", "/dev/zero"}, "/dev/zero: is a"}};
  for (const auto& [arguments, named] : cases) {
    try {
      parse(arguments);
      ADD_FAILURE() << "accepted, though it should name " << named;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  }
}

TEST(Options, ATypoGetsTheNearestName) {
  const std::vector<std::pair<std::vector<const char*>, const char*>> cases = {
      {{"analyze", "--modle", "m", "--out", "r"}, "'analyze' has no option --modle (did you mean --model?)"},
      {{"analyze", "--model", "m", "--text", "t", "--contxts", "64", "--out", "r"},
       "--contxts (did you mean --contexts?)"},
      {{"analyze", "--capture", "m", "--contxts=64", "--out", "r"}, "--contxts (did you mean --contexts?)"},
      {{"monitor", "--checkpoint", "m", "--out", "r"}, "--checkpoint (did you mean --checkpoints?)"},
      {{"report", "r", "--weights", "stream"}, "'report' has no option --weights; see logitfield report --help"},
      {{"anlyze"}, "'anlyze' is not a command (did you mean analyze?)"},
      {{"frobnicate"}, "'frobnicate' is not a command; the commands are"}};
  for (const auto& [arguments, wanted] : cases) {
    try {
      parse(arguments);
      ADD_FAILURE() << "accepted, though it should say " << wanted;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(wanted), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(parse({"analyze", "--capture", "c", "--out", "--odd"}).out, "--odd") << "a value may look like an option";
}

TEST(Options, ValuesOutOfRangeAreRefusedInAFewWords) {
  const std::vector<std::tuple<const char*, const char*, const char*>> cases{
      {"--null", "-1", "--null: -1 is out of range: at least 0"},
      {"--seed", "-3", "--seed: -3 is out of range: at least 0"},
      {"--components", "1", "--components: 1 is out of range: 2 to 100000"},
      {"--components", "x", "--components: 'x' is not a number"},
      {"--node-memory", "64XB", "--node-memory: '64XB' is not a size; write it as 512GiB"},
      {"--node-memory", "-5", "--node-memory: '-5' is not a size"},
      {"--node-memory", "99999999999999TB", "--node-memory: '99999999999999TB' is not a size"},
      {"--verify-dense", "nan", "--verify-dense: nan is out of range: at least 0"}};
  for (const auto& [option, value, expected] : cases) {
    try {
      parse({"plan", "--capture", "c", option, value});
      FAIL() << option << " " << value;
    } catch (const InputError& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(expected)) << error.what();
      EXPECT_LT(std::string(error.what()).size(), 130u);
    }
  }
}

TEST(Options, CompletionIsAskedForBeforeAnyCommand) {
  std::string message;
  for (const char* shell : {"bash", "zsh"}) {
    EXPECT_EQ(parse({"--completion", shell}, message), std::nullopt);
    EXPECT_NE(message.find("--gpus-per-node"), std::string::npos);
    message.clear();
  }
  EXPECT_THROW(parse({"--completion", "fish"}, message), InputError);
}

TEST(Options, HelpAndVersionAreNotErrors) {
  for (const char* flag : {"--help", "--version"}) {
    std::string message;
    EXPECT_FALSE(parse({flag}, message));
    EXPECT_NE(message.find("logitfield"), std::string::npos);
  }
  std::string manual;
  EXPECT_FALSE(parse({"--help-all"}, manual));
  for (const char* option : {"--verify-dense", "--model-shape", "--scaling", "--tolerance"}) {
    EXPECT_NE(manual.find(option), std::string::npos) << option;
  }
}

TEST(Options, ConfigFilesAreReadAndUnknownKeysRefused) {
  const testing::TemporaryFolder folder;
  const std::string path = (folder.path() / "run.toml").string();
  const auto write = [&](const char* text) { std::ofstream(path) << text; };
  write("contexts=[64,128]\nweights=\"resident\"\n");
  const Options o = parse({"plan", "--config", path.c_str(), "--model", "m", "--tokens", "t.npy"});
  EXPECT_EQ(o.contexts, (std::vector<std::int64_t>{64, 128}));
  EXPECT_EQ(o.weights, WeightsChoice::resident);
  write("scopes=[\"causal\",\"full\"]\nnull=4\nverify-dense=2\n");
  const Options routes = parse({"plan", "--config", path.c_str(), "--capture", "c"});
  EXPECT_EQ(routes.scopes, (std::vector{Scope::causal, Scope::full}));
  EXPECT_EQ(routes.null_draws, 4);
  EXPECT_EQ(routes.verify_dense, 2);
  write("contexts=[64,128]\nweights=\"resident\"\n");
  const Options given =
      parse({"plan", "--model", "m", "--tokens", "t.npy", "--weights=stream", "--config", path.c_str()});
  EXPECT_EQ(given.weights, WeightsChoice::stream) << "the command line goes first";
  write("resume=true\n");
  EXPECT_TRUE(parse({"analyze", "--config", path.c_str(), "--capture", "c", "--out", "r"}).resume);
  write("resume=false\n");
  EXPECT_FALSE(parse({"analyze", "--config", path.c_str(), "--capture", "c", "--out", "r"}).resume);
  write("wieghts=\"resident\"\n");
  try {
    parse({"plan", "--model", "m", "--tokens", "t.npy", "--config", path.c_str()});
    FAIL() << "an unknown key was ignored";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("'wieghts' (did you mean --weights?)"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace logitfield
