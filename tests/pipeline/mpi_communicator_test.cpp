#include <gtest/gtest.h>

#include <string>

#include "io/error.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/run/result_channel.hpp"

namespace logitfield::mpi {
namespace {

TEST(Communicator, ReductionsGatherAndBroadcast) {
  const Communicator world = Communicator::world();
  const int n = world.size();
  std::vector<float> values(1000, static_cast<float>(world.rank() + 1));
  world.sum(std::span(values));
  for (const float v : values) EXPECT_EQ(v, static_cast<float>(n * (n + 1) / 2));
  std::vector<double> largest{static_cast<double>(world.rank()), -1.0};
  world.max(largest);
  EXPECT_EQ(largest[0], n - 1);
  EXPECT_EQ(largest[1], -1);
  EXPECT_EQ(world.min(world.rank() + 5), 5);

  const std::string mine(static_cast<std::size_t>(world.rank()), 'x');  // rank 0 sends nothing
  const auto all = world.gather(std::as_bytes(std::span(mine)));
  ASSERT_EQ(std::ssize(all), world.rank() == 0 ? n : 0);
  for (std::size_t r = 0; r < all.size(); ++r) EXPECT_EQ(all[r].size(), r);
  EXPECT_EQ(world.broadcast(world.rank() == n - 1 ? "last" : "", n - 1), "last");
}

TEST(Communicator, SplitKeepsTheOrderOfRanks) {
  const Communicator world = Communicator::world();
  const Communicator part = world.split(world.rank() % 2);
  EXPECT_EQ(part.rank(), world.rank() / 2);
  EXPECT_EQ(part.size(), (world.size() + 1 - world.rank() % 2) / 2);
  EXPECT_EQ(world.split_by_host().size(), world.size());
}

TEST(Communicator, SendsHiddenStatesAlongTheStages) {
  const Communicator world = Communicator::world();
  std::vector<float> states(4096, static_cast<float>(world.rank()));
  if (world.rank() > 0) {
    world.receive(states, world.rank() - 1);
    EXPECT_EQ(states[4095], static_cast<float>(world.rank() - 1));
    states.assign(states.size(), static_cast<float>(world.rank()));
  }
  if (world.rank() + 1 < world.size()) world.send(states, world.rank() + 1);
}

// As when an error unwinds the stack: the message of a megabyte waits for its receiver, and its bytes have to as well.
TEST(Communicator, BytesOutliveASendingThatIsDestroyed) {
  const Communicator world = Communicator::world();
  constexpr int kTag = 9;
  const auto filled = [](int value) { return std::vector<std::byte>(1 << 20, static_cast<std::byte>(value)); };
  { const Sending lost = world.start_send(filled(world.rank() + 1), (world.rank() + 1) % world.size(), kTag); }
  const std::vector<std::byte> others = filled(0);  // takes the memory, if it is free
  std::vector<std::byte> received;
  world.wait_receive(kTag, received);
  EXPECT_EQ(received, filled((world.rank() + world.size() - 1) % world.size() + 1));
  EXPECT_EQ(others, filled(0));
  world.barrier();
}

TEST(Agree, OneRanksFailureIsEveryRanksFailure) {
  const Communicator world = Communicator::world();
  const int failing = world.size() - 1;
  try {
    agree(world, [&] {
      if (world.rank() == failing) throw InputError("{} is broken", "file");
    });
    FAIL() << "no rank learned of it";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.rank, failing);
    EXPECT_EQ(error.code, 2);
    EXPECT_STREQ(error.what(), "file is broken");
  }
}

TEST(Agree, TheFirstOfSeveralFailuresIsTold) {
  const Communicator world = Communicator::world();
  try {
    agree(world, [&] { throw std::runtime_error("rank " + std::to_string(world.rank())); });
    FAIL();
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.rank, 0);
    EXPECT_EQ(error.code, 1);
    EXPECT_STREQ(error.what(), "rank 0");
  }
  agree(world, [] {});  // the ranks are still in step
}

TEST(ResultChannel, BringsEveryRecordToRankZeroOnce) {
  const Communicator world = Communicator::world();
  std::vector<int> seen(static_cast<std::size_t>(world.size()) * 10, 0);
  ResultChannel channel(world, [&](Record record) { ++seen.at(std::get<LossRecord>(record).text); });
  for (int i = 0; i < 10; ++i) {
    channel.submit(LossRecord{world.rank() * 10 + i, 1, 0.5});
    channel.poll();
  }
  channel.finish();
  const int expected = world.rank() == 0 ? 1 : 0;
  for (const int count : seen) EXPECT_EQ(count, expected);
}

}  // namespace
}  // namespace logitfield::mpi
