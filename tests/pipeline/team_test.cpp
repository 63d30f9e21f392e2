#include "pipeline/mpi/team.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace logitfield::mpi {
namespace {

constexpr std::size_t kValues = 1003;

/// Values of such different sizes that the order of a sum decides its last bits.
std::vector<double> values_of(int rank) {
  std::vector<double> out(kValues);
  for (std::size_t i = 0; i < kValues; ++i) {
    out[i] = std::sin(static_cast<double>(i + 1) * (rank + 1)) * std::pow(10.0, (rank * 7 + static_cast<int>(i)) % 13);
  }
  return out;
}

/// Sums of the values, and of their absolute values, over ranks first ... end - 1.
std::pair<double, double> sum_of(int first, int end, std::size_t i) {
  double sum = 0, size = 0;
  for (int r = first; r < end; ++r) {
    sum += values_of(r)[i];
    size += std::abs(values_of(r)[i]);
  }
  return {sum, size};
}

void expect_sums(const std::vector<double>& found, int first, int end) {
  for (std::size_t i = 0; i < kValues; i += 17) {
    const auto [sum, size] = sum_of(first, end, i);
    ASSERT_LE(std::abs(found[i] - sum), 1e-14 * size) << i;
  }
}

TEST(Team, SumsHaveTheSameBitsOnAllRanks) {
  const Communicator world = Communicator::world();
  const Team team(world);
  EXPECT_EQ(team.rank(), world.rank());
  EXPECT_EQ(team.size(), world.size());
  std::vector<double> sum = values_of(team.rank());
  team.sum(sum);
  expect_sums(sum, 0, team.size());
  std::vector<double> all(kValues * static_cast<std::size_t>(team.size()));
  world.all_gather(sum, all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint64_t>(all[i]), std::bit_cast<std::uint64_t>(all[i % kValues])) << i;
  }
}

TEST(Team, SumsOfTheRanksBeforeAndAfter) {
  const Communicator world = Communicator::world();
  const Team team(world);
  std::vector<double> before = values_of(team.rank()), after = before;
  team.sum_before(before);
  team.sum_after(after);
  expect_sums(before, 0, team.rank());
  expect_sums(after, team.rank() + 1, team.size());
  const std::vector<double> zeros(kValues, 0.0);
  if (team.rank() == 0) {
    EXPECT_EQ(before, zeros);
  }
  if (team.rank() + 1 == team.size()) {
    EXPECT_EQ(after, zeros);
  }
}

TEST(Team, LargestOfAllRanks) {
  const Communicator world = Communicator::world();
  const Team team(world);
  std::vector<double> values{static_cast<double>(team.rank()), -static_cast<double>(team.rank()) - 1};
  team.max(values);
  EXPECT_EQ(values[0], team.size() - 1);
  EXPECT_EQ(values[1], -1);
  EXPECT_EQ(kernels::max_over(team, -std::numeric_limits<double>::infinity()),
            -std::numeric_limits<double>::infinity());
}

TEST(Team, ANanOnAnyRankIsANanOnAll) {
  const Communicator world = Communicator::world();
  const Team team(world);
  for (int bad = 0; bad < team.size(); ++bad) {
    const double mine = team.rank() == bad ? std::numeric_limits<double>::quiet_NaN() : 7.0;
    EXPECT_TRUE(std::isnan(kernels::max_over(team, mine))) << bad;
    EXPECT_TRUE(std::isnan(kernels::sum_over(team, mine))) << bad;
  }
  EXPECT_EQ(kernels::max_over(team, 7.0), 7.0) << "and the ranks are still in step";
}

TEST(Team, StacksInTheOrderOfRanks) {
  const Communicator world = Communicator::world();
  const Team team(world);
  kernels::Matrix part(3, 2);
  for (int i = 0; i < 6; ++i) part(i / 2, i % 2) = 100 * team.rank() + i;
  const kernels::Matrix all = team.stack(part);
  ASSERT_EQ(all.rows(), 3 * team.size());
  ASSERT_EQ(all.cols(), 2);
  for (int r = 0; r < team.size(); ++r) {
    for (int i = 0; i < 6; ++i) EXPECT_EQ(all(3 * r + i / 2, i % 2), 100 * r + i);
  }
  const kernels::Matrix none = team.stack(kernels::Matrix(0, 2));
  EXPECT_EQ(none.rows(), 0);
  EXPECT_EQ(none.cols(), 2);
}

TEST(Team, ReversedRanksCountFromTheLast) {
  const Communicator world = Communicator::world();
  EXPECT_EQ(world.reversed().rank(), world.size() - 1 - world.rank());
}

}  // namespace
}  // namespace logitfield::mpi
