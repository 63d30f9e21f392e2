#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "kernels/cpu/product.hpp"
#include "pipeline/run/stop_notice.hpp"

namespace logitfield {
namespace {

/// Whether the signal that was caught last has arrived: its handler is taken away then.
bool arrived() {
  struct sigaction now {};
  sigaction(SIGUSR1, nullptr, &now);
  return now.sa_handler == SIG_DFL;
}

// A signal may come at any instruction of a product. On its normal stack, a handler changed the operands in about one
// of a hundred times.
TEST(StopSignal, ChangesNoProduct) {
  const kernels::MatrixF x = kernels::MatrixF::Random(128, 256), w = kernels::MatrixF::Random(256, 32);
  kernels::MatrixF expected, found;
  kernels::cpu::multiply(x, w, expected);
  const pthread_t multiplier = pthread_self();
  for (int signal = 0; signal < 500; ++signal) {
    catch_stop_signals();
    std::thread sender([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(signal % 100));
      pthread_kill(multiplier, SIGUSR1);
    });
    bool same = true;
    for (bool last = false; !last;) {
      last = arrived();
      kernels::cpu::multiply(x, w, found);
      same = same && found == expected;
    }
    sender.join();
    ASSERT_TRUE(same) << "signal " << signal;
  }
  signal(SIGUSR1, SIG_DFL);
}

TEST(StopSignalDeathTest, EndsAProcessThatHasNothingToSave) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto end = [](bool before) {
    catch_stop_signals();
    if (before) raise(SIGTERM);
    const NothingToSave while_reading;
    raise(SIGTERM);
  };
  for (const bool before : {false, true}) {
    EXPECT_EXIT(end(before), ::testing::ExitedWithCode(128 + SIGTERM), "stopped by a signal before anything");
  }
  const auto go_on = [] {
    catch_stop_signals();
    { const NothingToSave while_reading; }
    raise(SIGTERM);
    _exit(7);
  };
  EXPECT_EXIT(go_on(), ::testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace logitfield
