#include "pipeline/mpi/team.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace logitfield::mpi {

void Team::max(std::span<double> values) const {
  // MPI_MAX may drop a NaN. So a separate flag is set for a NaN, and all values then become NaN.
  double nan = 0;
  for (double& v : values) {
    if (std::isnan(v)) nan = 1, v = -std::numeric_limits<double>::infinity();
  }
  ranks_.max(values);
  ranks_.max({&nan, 1});
  if (nan > 0) std::ranges::fill(values, std::numeric_limits<double>::quiet_NaN());
}

kernels::Matrix Team::stack(const kernels::Matrix& part) const {
  kernels::Matrix out(part.rows() * size(), part.cols());
  ranks_.all_gather(kernels::as_span(part), kernels::as_span(out));
  return out;
}

}  // namespace logitfield::mpi
