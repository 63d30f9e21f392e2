#pragma once
#include "kernels/team.hpp"
#include "pipeline/mpi/communicator.hpp"

namespace logitfield::mpi {

/// The ranks of a communicator, which must outlive it, as a team that shares heads. Collective.
class Team final : public kernels::Team {
 public:
  explicit Team(const Communicator& ranks) : ranks_(ranks), reversed_(ranks.reversed()) {}

  int rank() const override { return ranks_.rank(); }
  int size() const override { return ranks_.size(); }
  void sum(std::span<double> values) const override { ranks_.sum_alike(values); }
  void max(std::span<double> values) const override;
  void sum_before(std::span<double> values) const override { ranks_.sum_before(values); }
  void sum_after(std::span<double> values) const override { reversed_.sum_before(values); }
  void take_from_before(std::span<double> values) const override { ranks_.take_from_before(values); }
  kernels::Matrix stack(const kernels::Matrix& part) const override;

 private:
  const Communicator& ranks_;
  Communicator reversed_;
};

}  // namespace logitfield::mpi
