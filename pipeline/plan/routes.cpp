#include "pipeline/plan/routes.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/spectral_integrals.hpp"
#include "kernels/spectra/krylov.hpp"
#include "kernels/spectra/spectral_sums.hpp"
#include "pipeline/scalapack/distributed_field.hpp"

namespace logitfield {
namespace {

using kernels::Route;
using kernels::Scope;

/// Up to here the whole spectrum of a masked field costs no more than its leading components and estimates.
constexpr std::int64_t kLongestDense = 2048;
/// A dense check of a longer field would cost more than the run.
constexpr std::int64_t kLongestVerified = 4096;

bool has_factors(const Job& job) {
  return std::ranges::all_of(job.forms, [](const kernels::LogitForm& form) { return form.has_factors(); });
}

Route choose_route(const Job& job, const Options& options, std::int64_t context, Scope scope) {
  if (options.spectrum == "dense") return Route::scalapack;
  if (!has_factors(job)) {
    if (options.spectrum == "krylov") {
      throw InputError(
          "--spectrum krylov: {} has capped logits, which have no factor form; use --spectrum auto or dense",
          job.model_name());
    }
    return context <= kLongestDense ? Route::dense : Route::scalapack;
  }
  if (!is_masked(scope)) return Route::factored;
  return options.spectrum == "auto" && context <= kLongestDense ? Route::dense : Route::krylov;
}

/// Number of columns of the factors: head dimension, ALiBi's positions, and row means.
double width_of(const Job& job, Scope scope) {
  const bool slopes = std::ranges::any_of(job.forms, [](const auto& form) { return form.alibi_slope != 0; });
  return static_cast<double>(job.head_dim + slopes + (scope == Scope::full ? 0 : 1));
}

/// `explicitly`: logits per row that products form or have stored besides the factors.
double products_flops(double length, double width, double columns, double explicitly) {
  return 2 * columns * length * (4 * width + 2 * explicitly);
}

double krylov_flops(double length, double width, double columns) {
  // Products with vectors of the subspace and its restarts; its bases; then integrals and a count.
  const double shifts = static_cast<double>(kernels::cpu::integral_shifts() + 1);
  return products_flops(length, width, 2 * columns, 32) + 8 * length * columns * columns +
         shifts * kernels::cpu::determinant_flops(length, width);
}

double windowed_flops(double length, double width, double columns, double explicitly) {
  // The same, with steps of random vectors in place of the integrals.
  const double vectors = 2 * columns + static_cast<double>(kernels::cpu::kQuadratureVectors);
  return products_flops(length, width, vectors, explicitly) + 8 * length * columns * columns;
}

/// Of kernels/field/windowed_field.cpp: logits a row at the two edges of a window, in energies and in the operator.
constexpr double kEnergyEdges = 3 * 48, kOperatorEdges = 3 * 32;

/// The window or chunks that mask a field in this layer.
kernels::Visible mask_in(const Job& job, std::int64_t layer, const kernels::FieldRequest& request) {
  return mask_of({.visible = job.visible_at(layer)}, request.scope, request.context);
}

/// Flops of one head in a layer whose field has this mask.
double flops_of(const Job& job, const kernels::FieldRequest& request, const kernels::Visible& mask) {
  const double length = static_cast<double>(request.context), width = width_of(job, request.scope);
  const double columns = static_cast<double>(kernels::cpu::krylov_columns(request.context, request.components));
  switch (request.route) {
    case Route::factored:
      return 7 * length * width * width + 22 * width * width * width;
    case Route::krylov:
      if (mask != kernels::Visible{}) {
        return 6 * length * width * width + 4 * length * width * kEnergyEdges +
               windowed_flops(length, width, columns, kOperatorEdges);
      }
      return 6 * length * width * width + krylov_flops(length, width, columns);
    case Route::dense:
    case Route::scalapack:
      return 2 * length * length * width + 8.0 / 3 * length * length * length;
  }
  return 0;
}

/// Mean flops over the measured layers.
double flops_of(const Job& job, const kernels::FieldRequest& request) {
  double sum = 0;
  for (std::int64_t layer = job.measured_layers.begin; layer < job.measured_layers.end; ++layer) {
    sum += flops_of(job, request, mask_in(job, layer, request));
  }
  return sum / static_cast<double>(job.measured_layers.size());
}

/// Bytes that a windowed field needs on a rank beyond an unwindowed one, in the layer that needs most: logits at both
/// edges, and sums over the tiles of a window.
double window_bytes(const Job& job, const kernels::FieldRequest& request, double rows, double width) {
  double most = 0;
  for (std::int64_t layer = job.measured_layers.begin; layer < job.measured_layers.end; ++layer) {
    const kernels::Visible mask = mask_in(job, layer, request);
    if (mask == kernels::Visible{}) continue;
    const double keys = static_cast<double>(mask.keys(request.context));
    most = std::max(most, 2 * kOperatorEdges * rows + keys * width * std::max(width / 48, 1.0));
  }
  return kDouble * most;
}

/// Bytes on one rank that holds `rows` of the context's rows.
double bytes_of(const Job& job, const kernels::FieldRequest& request, double rows, int ranks) {
  const double length = static_cast<double>(request.context), width = width_of(job, request.scope);
  const double group = static_cast<double>(job.group_size());
  const double inputs = kFloat * (group + 1) * rows * static_cast<double>(job.head_dim) + kDouble * 12 * length;
  switch (request.route) {
    case Route::factored:  // both bases, where they must be kept, and their QR
      return inputs + kDouble * 6 * rows * width;
    case Route::krylov:
      return inputs + window_bytes(job, request, rows, width) +
             kDouble * rows *
                 (2 * static_cast<double>(kernels::cpu::krylov_columns(request.context, request.components)) + 9 * 32);
    case Route::dense:
      return inputs + kDouble * length * length;
    case Route::scalapack:
      return inputs + 3 * kDouble * length * static_cast<double>(job.head_dim) +
             static_cast<double>(dense_field_bytes(request.context, ranks));
  }
  return 0;
}

bool share_rows(const Job& job, const Options& options, const kernels::FieldRequest& request, const TeamSize& team,
                double whole_bytes) {
  const bool can = job.capture && (request.route == Route::factored || request.route == Route::krylov);
  if (!can || options.rows == "whole") return false;
  if (options.rows == "sharded") return true;
  const std::int64_t heads = job.extents.num_kv_heads * job.measured_layers.size();
  return team.ranks > 1 && request.context > kernels::cpu::kLongestAttention &&
         (heads < team.ranks || whole_bytes > team.bytes);
}

}  // namespace

std::vector<FieldPlan> plan_fields(const Job& job, const Options& options, const TeamSize& team) {
  std::vector<FieldPlan> out;
  for (const std::int64_t context : job.contexts) {
    for (const Scope scope : job.scopes) {
      FieldPlan field;
      field.request = {context, scope, choose_route(job, options, context, scope), options.components};
      field.flops = flops_of(job, field.request);
      double bytes = bytes_of(job, field.request, static_cast<double>(context), team.ranks);
      field.shared = share_rows(job, options, field.request, team, bytes);
      if (field.shared) {
        const std::int64_t rows = (context + team.ranks - 1) / team.ranks;
        bytes = bytes_of(job, field.request, static_cast<double>(rows), team.ranks);
      }
      field.bytes = static_cast<std::uint64_t>(bytes);
      out.push_back(field);
    }
  }
  return out;
}

bool is_verifiable(const FieldPlan& field) {
  return field.request.route != Route::scalapack && !field.shared && field.request.context <= kLongestVerified;
}

}  // namespace logitfield
