#include "pipeline/scalapack/svd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "pipeline/scalapack/declarations.hpp"

namespace logitfield::scalapack {
namespace {

int smaller_side(const BlockCyclic& layout) { return std::min(layout.rows, layout.columns); }

std::string describe(const DistributedMatrix& a) {
  const BlockCyclic& layout = a.layout();
  return fmt::format("a {} x {} matrix on a {} x {} grid", layout.rows, layout.columns, layout.grid.rows,
                     layout.grid.columns);
}

/// Throws if the matrix is not finite, since pdgesvd would report a NaN as a disagreement of ranks.
void check_finite(const DistributedMatrix& a) {
  if (a.grid().team().any(!a.local().allFinite())) {
    throw std::runtime_error(fmt::format("cannot compute the singular values of {}: it is not finite", describe(a)));
  }
}

/// Throws on all ranks if INFO is not zero on any.
void check_info(int info, const DistributedMatrix& a) {
  const int lowest = a.grid().team().min(info), highest = a.grid().team().max(info);
  const int worst = lowest < 0 ? lowest : highest;
  if (worst == 0) return;
  std::string meaning = fmt::format("{} superdiagonals did not converge", worst);
  if (worst < 0) meaning = fmt::format("argument {} is illegal", -worst);
  if (worst > smaller_side(a.layout())) meaning = "ranks found different values";
  throw std::runtime_error(
      fmt::format("ScaLAPACK pdgesvd of {} failed with INFO = {}: {}", describe(a), worst, meaning));
}

/// Copies rank 0's values to all ranks: their bits may differ between processors.
void share(std::vector<double>& values, const mpi::Communicator& team) {
  const std::size_t bytes = values.size() * sizeof(double);
  const std::string sent = team.broadcast(
      team.rank() == 0 ? std::string(reinterpret_cast<const char*>(values.data()), bytes) : std::string(), 0);
  std::memcpy(values.data(), sent.data(), bytes);
}

std::uint64_t unsigned_of(int n) { return static_cast<std::uint64_t>(n); }

}  // namespace

std::uint64_t svd_workspace(BlockCyclic layout) {
  layout.position = {0, 0};
  const std::uint64_t m = unsigned_of(layout.local_rows()), n = unsigned_of(layout.local_columns());
  const std::uint64_t block = unsigned_of(layout.block), longer = unsigned_of(std::max(layout.rows, layout.columns));
  const std::uint64_t to_bidiagonal = std::max({block * (m + n + 1) + n, m, n});
  return 1 + 6 * longer + std::max(to_bidiagonal, 4 * unsigned_of(smaller_side(layout)));
}

int checked_svd_workspace(const BlockCyclic& layout) {
  const std::uint64_t size = svd_workspace(layout);
  if (size > unsigned_of(std::numeric_limits<int>::max())) {
    throw std::runtime_error(fmt::format(
        "pdgesvd of a {} x {} matrix on a {} x {} grid needs a workspace of {} elements; ScaLAPACK counts "
        "to {}: use more ranks",
        layout.rows, layout.columns, layout.grid.rows, layout.grid.columns, size, std::numeric_limits<int>::max()));
  }
  return static_cast<int>(size);
}

std::vector<double> singular_values(DistributedMatrix& a) {
  check_finite(a);
  const BlockCyclic& layout = a.layout();
  const int size = checked_svd_workspace(layout);
  std::vector<double> sigma(smaller_side(layout));
  const auto work = std::make_unique_for_overwrite<double[]>(size);
  const int first = 1;  // row or column
  int info = 0;
  // No vectors are computed, so their arguments are not read.
  pdgesvd_("N", "N", &layout.rows, &layout.columns, a.data(), &first, &first, a.descriptor().data(), sigma.data(),
           nullptr, &first, &first, a.descriptor().data(), nullptr, &first, &first, a.descriptor().data(), work.get(),
           &size, &info, 1, 1);
  check_info(info, a);
  share(sigma, a.grid().team());
  return sigma;
}

}  // namespace logitfield::scalapack
