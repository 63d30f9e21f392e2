#pragma once
#include <barrier>
#include <functional>
#include <thread>
#include <vector>

#include "kernels/team.hpp"

namespace logitfield::testing {

/// A team whose ranks are threads of this process.
class ThreadTeam final : public kernels::Team {
 public:
  struct Shared {
    explicit Shared(int ranks) : parts(ranks), arrival(ranks) {}
    std::vector<std::span<double>> parts;
    std::barrier<> arrival;
  };
  ThreadTeam(Shared& shared, int rank) : shared_(shared), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(shared_.parts.size()); }
  void sum(std::span<double> values) const override { add(values, 0, size()); }
  void sum_before(std::span<double> values) const override { add(values, 0, rank_); }
  void sum_after(std::span<double> values) const override { add(values, rank_ + 1, size()); }
  void take_from_before(std::span<double> values) const override { add(values, std::max(rank_ - 1, 0), rank_); }
  void max(std::span<double> values) const override {
    combine(
        values, 0, size(), [](double a, double b) { return a > b || a != a ? a : b; }, -1e300);
  }
  kernels::Matrix stack(const kernels::Matrix& part) const override {
    kernels::Matrix own = part, out(part.rows() * size(), part.cols());
    shared_.parts[rank_] = {own.data(), static_cast<std::size_t>(own.size())};
    shared_.arrival.arrive_and_wait();
    for (int r = 0; r < size(); ++r) {
      out.middleRows(r * part.rows(), part.rows()) =
          Eigen::Map<const kernels::Matrix>(shared_.parts[r].data(), part.rows(), part.cols());
    }
    shared_.arrival.arrive_and_wait();
    return out;
  }

 private:
  void add(std::span<double> values, int first, int end) const {
    combine(
        values, first, end, [](double a, double b) { return a + b; }, 0);
  }
  template <class Combine>
  void combine(std::span<double> values, int first, int end, Combine operation, double start) const {
    shared_.parts[rank_] = values;
    shared_.arrival.arrive_and_wait();
    std::vector<double> result(values.size(), start);
    for (int r = first; r < end; ++r) {
      for (std::size_t i = 0; i < values.size(); ++i) result[i] = operation(result[i], shared_.parts[r][i]);
    }
    shared_.arrival.arrive_and_wait();
    std::ranges::copy(result, values.begin());
  }

  Shared& shared_;
  int rank_;
};

/// Runs body(team) on every rank of a team of threads.
inline void run_team(int ranks, const std::function<void(const kernels::Team&)>& body) {
  ThreadTeam::Shared shared(ranks);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] { body(ThreadTeam(shared, rank)); });
  }
}

}  // namespace logitfield::testing
