#include "pipeline/scalapack/svd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "pipeline/scalapack/declarations.hpp"

namespace logitfield::scalapack {
namespace {

constexpr int kOne = 1;  // first row or column

/// Rotating the rows of vt strides by its k entries; if that is a multiple of a large power of two, rows compete for
/// the same cache lines. Seconds with vectors on 1 rank, n = 512 / 520: 1.0 / 0.74; 1024 / 1032: 10.6 / 5.8 (on another
/// machine 11 / 1.5). Singular values alone gain nothing from padding, either of the matrix or of its leading
/// dimension.
constexpr int kBadStride = 256;
constexpr int kPadding = 8;

int smaller_side(const BlockCyclic& layout) { return std::min(layout.rows, layout.columns); }

/// Number of rows and columns to add before computing vectors.
int padding(const BlockCyclic& layout) {
  // Processes without a row of u and a column of vt would find the values by another algorithm than the others. pdgesvd
  // would then report the difference as an error.
  const int missing = layout.grid.rows * layout.grid.columns - std::max(layout.rows, layout.columns);
  if (missing > 0) return missing;
  return smaller_side(layout) % kBadStride == 0 ? kPadding : 0;
}

BlockCyclic padded(BlockCyclic layout) {
  const int added = padding(layout);
  layout.rows += added;
  layout.columns += added;
  return layout;
}

std::string describe(const DistributedMatrix& a) {
  const BlockCyclic& layout = a.layout();
  return fmt::format("a {} x {} matrix on a {} x {} grid", layout.rows, layout.columns, layout.grid.rows,
                     layout.grid.columns);
}

/// Checks first, since pdgesvd would attribute NaN to ranks that disagree.
void check_finite(const DistributedMatrix& a) {
  if (a.grid().team().min(a.local().allFinite() ? 1 : 0) == 0) {
    throw std::runtime_error(fmt::format("no singular values of {}: it is not finite", describe(a)));
  }
}

/// Throws on all ranks if INFO is not zero on any.
void check_info(int info, const DistributedMatrix& a) {
  const int lowest = a.grid().team().min(info), highest = -a.grid().team().min(-info);
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

/// Calls pdgesvd. u and vt are both given or both null.
std::vector<double> decompose(DistributedMatrix& a, DistributedMatrix* u, DistributedMatrix* vt) {
  const BlockCyclic& layout = a.layout();
  const int size = checked_svd_workspace(layout, u != nullptr);
  const char* job = u ? "V" : "N";
  std::vector<double> sigma(smaller_side(layout));
  const auto work = std::make_unique_for_overwrite<double[]>(size);
  int info = 0;
  pdgesvd_(job, job, &layout.rows, &layout.columns, a.data(), &kOne, &kOne, a.descriptor().data(), sigma.data(),
           u ? u->data() : nullptr, &kOne, &kOne, (u ? *u : a).descriptor().data(), vt ? vt->data() : nullptr, &kOne,
           &kOne, (vt ? *vt : a).descriptor().data(), work.get(), &size, &info, 1, 1);
  check_info(info, a);
  share(sigma, a.grid().team());
  return sigma;
}

DistributedSvd decompose(DistributedMatrix& a) {
  const BlockCyclic& layout = a.layout();
  const int k = smaller_side(layout);
  DistributedSvd out{{}, {a.grid(), layout.rows, k, layout.block}, {a.grid(), k, layout.columns, layout.block}};
  out.sigma = decompose(a, &out.u, &out.vt);
  return out;
}

/// A number above all singular values of `a`.
double above_all_singular_values(const DistributedMatrix& a) {
  double largest = a.local().size() > 0 ? a.local().cwiseAbs().maxCoeff() : 0;
  a.grid().team().max(std::span(&largest, 1));
  const double frobenius_bound = largest * std::sqrt(static_cast<double>(a.layout().rows) * a.layout().columns);
  return frobenius_bound > 0 ? 2 * frobenius_bound : 1;
}

/// Number of rows and columns before a part of a matrix.
struct Offset {
  int rows = 0, columns = 0;
};

/// Copies a rows x columns part. Collective.
void copy(const DistributedMatrix& source, Offset from, DistributedMatrix& target, Offset to, int rows, int columns) {
  const int ia = from.rows + 1, ja = from.columns + 1, ib = to.rows + 1, jb = to.columns + 1;
  const int context = source.grid().context();
  pdgemr2d_(&rows, &columns, source.data(), &ia, &ja, source.descriptor().data(), target.data(), &ib, &jb,
            target.descriptor().data(), &context);
}

/// diag(a, t I) with t above all singular values of a. The two blocks stay exactly separate throughout: t comes first,
/// and a's singular values and vectors are the same as alone.
DistributedMatrix embed(const DistributedMatrix& a) {
  const BlockCyclic& inner = a.layout();
  const BlockCyclic outer = padded(inner);
  DistributedMatrix out(a.grid(), outer.rows, outer.columns, outer.block);
  copy(a, {}, out, {}, inner.rows, inner.columns);
  const double t = above_all_singular_values(a);
  const std::vector<int> rows = out.layout().global_rows(), columns = out.layout().global_columns();
  for (std::size_t j = 0; j < columns.size(); ++j) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (columns[j] >= inner.columns && rows[i] - inner.rows == columns[j] - inner.columns) out.local()(i, j) = t;
    }
  }
  return out;
}

DistributedSvd svd_padded(DistributedMatrix& a) {
  const BlockCyclic& layout = a.layout();
  const int k = smaller_side(layout), added = padding(layout);
  DistributedMatrix outer = embed(a);
  const DistributedSvd all = decompose(outer);
  DistributedSvd out{{all.sigma.begin() + added, all.sigma.end()},
                     {a.grid(), layout.rows, k, layout.block},
                     {a.grid(), k, layout.columns, layout.block}};
  copy(all.u, {0, added}, out.u, {}, layout.rows, k);
  copy(all.vt, {added, 0}, out.vt, {}, k, layout.columns);
  return out;
}

std::uint64_t unsigned_of(int n) { return static_cast<std::uint64_t>(n); }

}  // namespace

std::uint64_t svd_workspace(const BlockCyclic& layout, bool vectors) {
  BlockCyclic a = vectors ? padded(layout) : layout;
  a.position = {0, 0};
  const int processes = a.grid.rows * a.grid.columns;
  const std::uint64_t m = unsigned_of(a.local_rows()), n = unsigned_of(a.local_columns()), block = unsigned_of(a.block);
  const std::uint64_t size = unsigned_of(smaller_side(a)), longer = unsigned_of(std::max(a.rows, a.columns));
  const std::uint64_t to_bidiagonal = std::max({block * (m + n + 1) + n, m, n});
  std::uint64_t from_bidiagonal = 4 * size;
  if (vectors) {
    // u and vt once more, distributed row by row and column by column over all processes.
    const BlockCyclic dealt{a.rows, a.columns, 1, {processes, processes}, {0, 0}};
    const BlockCyclic square{smaller_side(a), smaller_side(a), a.block, a.grid, {0, 0}};
    const std::uint64_t u_columns = unsigned_of(square.local_columns()), vt_rows = unsigned_of(square.local_rows());
    const std::uint64_t apply =
        std::max({block * (block - 1) / 2, (u_columns + m) * block, (vt_rows + n) * block}) + block * block;
    from_bidiagonal = size * (unsigned_of(dealt.local_rows()) + unsigned_of(dealt.local_columns())) +
                      std::max(from_bidiagonal, apply);
  }
  return 1 + 6 * longer + std::max(to_bidiagonal, from_bidiagonal);
}

int checked_svd_workspace(const BlockCyclic& layout, bool vectors) {
  const std::uint64_t size = svd_workspace(layout, vectors);
  if (size > unsigned_of(std::numeric_limits<int>::max())) {
    throw std::runtime_error(
        fmt::format("pdgesvd of a {} x {} matrix on a {} x {} grid needs a workspace of {} elements; ScaLAPACK counts "
                    "to {}: use more ranks{}",
                    layout.rows, layout.columns, layout.grid.rows, layout.grid.columns, size,
                    std::numeric_limits<int>::max(), vectors ? " or leave the vectors out" : ""));
  }
  return static_cast<int>(size);
}

std::vector<double> singular_values(DistributedMatrix& a) {
  check_finite(a);
  return decompose(a, nullptr, nullptr);
}

DistributedSvd svd(DistributedMatrix& a) {
  check_finite(a);
  return padding(a.layout()) > 0 ? svd_padded(a) : decompose(a);
}

}  // namespace logitfield::scalapack
