#include "pipeline/measure/field_meter.hpp"

#include <algorithm>

#include "kernels/field/spectrum.hpp"
#include "kernels/random.hpp"
#include "pipeline/measure/dense_check.hpp"
#include "pipeline/scalapack/distributed_field.hpp"

namespace logitfield {
namespace {

using kernels::as_span;
using kernels::FieldRequest;
using kernels::HeadStatistics;
using kernels::MatrixF;
using kernels::Route;

/// Longest context of the fields that `wanted` picks; 0 if there is none.
template <class Wanted>
std::int64_t longest(const std::vector<FieldPlan>& fields, Wanted&& wanted) {
  std::int64_t length = 0;
  for (const FieldPlan& field : fields) {
    if (wanted(field)) length = std::max(length, field.request.context);
  }
  return length;
}

}  // namespace

/// Results by (own KV head, query head of its group, field).
class FieldMeter::Sheet {
 public:
  Sheet(Slice kv_heads, std::int64_t group, std::size_t fields) : kv_heads_(kv_heads), group_(group) {
    for (std::int64_t kv = kv_heads.begin; kv < kv_heads.end; ++kv) {
      for (std::int64_t m = 0; m < group; ++m) {
        heads.push_back({kv * group + m, kv, std::vector<HeadStatistics>(fields)});
      }
    }
  }
  bool owns(std::int64_t kv_head) const { return kv_heads_.begin <= kv_head && kv_head < kv_heads_.end; }
  HeadStatistics& at(std::int64_t kv_head, std::int64_t member, std::size_t field) {
    return heads[(kv_head - kv_heads_.begin) * group_ + member].fields[field];
  }

  std::vector<HeadRecord> heads;

 private:
  Slice kv_heads_;
  std::int64_t group_;
};

FieldMeter::FieldMeter(const RunContext& context, const mpi::Communicator& stage)
    : c_(context),
      stage_(stage),
      kv_heads_(context.plan.partition.kv_heads),
      team_(stage),
      grid_(stage, scalapack::near_square(stage.size())),
      verified_(draw_verified(context.job, context.plan)) {}

std::vector<HeadRecord> FieldMeter::measure(const UnitPlace& unit, const HeadSource& source) const {
  Sheet sheet(own_kv_heads(), c_.job.group_size(), c_.plan.fields.size());
  measure_alone(unit.layer, source, sheet);
  measure_shared(unit.layer, source, sheet);
  measure_scalapack(unit.layer, source, sheet);
  verify(unit, source, sheet);
  return std::move(sheet.heads);
}

int FieldMeter::owner_of(std::int64_t kv_head) const {
  const auto holds = [&](const Slice& s) { return s.begin <= kv_head && kv_head < s.end; };
  return static_cast<int>(std::ranges::find_if(kv_heads_, holds) - kv_heads_.begin());
}

std::vector<kernels::LogitForm> FieldMeter::forms_of(std::int64_t layer, Slice kv_heads) const {
  const std::int64_t group = c_.job.group_size();
  return c_.job.forms_at(layer, {kv_heads.begin * group, kv_heads.end * group});
}

void FieldMeter::measure_alone(std::int64_t layer, const HeadSource& source, Sheet& sheet) const {
  const std::vector<FieldPlan>& fields = c_.plan.fields;
  const auto alone = [](const FieldPlan& field) { return !field.collective(); };
  const std::int64_t length = longest(fields, alone);
  if (length == 0) return;
  std::vector<FieldRequest> requests;
  std::vector<std::size_t> places;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    if (!alone(fields[f])) continue;
    requests.push_back(fields[f].request);
    places.push_back(f);
  }
  const auto take = [&](Slice kv_heads, const std::vector<std::vector<HeadStatistics>>& statistics) {
    for (std::size_t h = 0; h < statistics.size(); ++h) {
      const std::int64_t head = kv_heads.begin * c_.job.group_size() + static_cast<std::int64_t>(h);
      for (std::size_t r = 0; r < places.size(); ++r) {
        sheet.at(head / c_.job.group_size(), head % c_.job.group_size(), places[r]) = statistics[h][r];
      }
    }
  };
  const Slice own = own_kv_heads();
  if (const kernels::Heads* heads = source.computed()) {
    const std::vector<kernels::LogitForm> forms = forms_of(layer, own);
    take(own, c_.clock.time(Phase::field, [&] { return c_.backend.field_statistics(*heads, forms, requests); }));
    return;
  }
  for (std::int64_t kv = own.begin; kv < own.end; ++kv) {
    const Slice one{kv, kv + 1};
    const GroupRows rows = c_.clock.time(Phase::read, [&] { return source.rows(kv, {0, length}); });
    take(one, c_.clock.time(Phase::field, [&] {
      return c_.backend.field_statistics(rows.view(length, forms_of(layer, one)), requests);
    }));
  }
}

void FieldMeter::measure_shared(std::int64_t layer, const HeadSource& source, Sheet& sheet) const {
  const std::vector<FieldPlan>& fields = c_.plan.fields;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    if (!fields[f].shared) continue;
    const std::int64_t context = fields[f].request.context;
    const Slice own = divide(context, stage_.size())[stage_.rank()];
    for (std::int64_t kv = 0; kv < c_.job.extents.num_kv_heads; ++kv) {
      const GroupRows rows = c_.clock.time(Phase::read, [&] { return source.rows(kv, own); });
      const auto statistics = c_.clock.time(Phase::field, [&] {
        return c_.backend.shared_field_statistics(team_, rows.view(own.size(), forms_of(layer, {kv, kv + 1})),
                                                  {own.begin, context}, {&fields[f].request, 1});
      });
      if (!sheet.owns(kv)) continue;
      for (std::int64_t m = 0; m < c_.job.group_size(); ++m) sheet.at(kv, m, f) = statistics[m][0];
    }
  }
}

GroupRows FieldMeter::spread(const HeadSource& source, std::int64_t kv_head, std::int64_t length) const {
  const int owner = owner_of(kv_head);
  GroupRows rows;
  if (owner == stage_.rank()) {
    rows = c_.clock.time(Phase::read, [&] { return source.rows(kv_head, {0, length}); });
  } else {
    rows.queries.assign(c_.job.group_size(), MatrixF(length, c_.job.head_dim));
    rows.keys.resize(length, c_.job.head_dim);
  }
  c_.clock.time(Phase::communicate, [&] {
    stage_.broadcast(as_span(rows.keys), owner);
    for (MatrixF& q : rows.queries) stage_.broadcast(as_span(q), owner);
  });
  return rows;
}

/// Leaves non-finite rows to the certificate; ScaLAPACK would fail on them.
kernels::RouteResult FieldMeter::decompose(const GroupRows& rows, const kernels::LogitForm& form, std::int64_t member,
                                           const FieldRequest& request) const {
  const auto q = rows.queries[member].topRows(request.context), k = rows.keys.topRows(request.context);
  kernels::RouteResult out;
  out.route = Route::scalapack;
  out.ranks = stage_.size();
  if (!q.allFinite() || !k.allFinite()) return out;
  const kernels::Rounding rounding = kernels::rounding_of(q, k, form);
  DenseField field(grid_, q.cast<double>(), k.cast<double>(), form, request.scope);
  out.key_energy = field.key_energies();
  out.query_energy = field.query_energies();
  out.products = field.times(kernels::probe_rows(0, request.context));
  out.row_sums = field.row_sums(request.scope).norm();
  const double energy = field.energy();
  if (!(energy > rounding.noise * rounding.noise)) {
    out.spectrum = kernels::zero_spectrum();
    return out;
  }
  out.sigma = std::move(field).singular_values();
  out.spectrum = kernels::spectrum_statistics(out.sigma, request.context, rounding.noise, rounding.unresolved);
  out.energy_bound = rounding.energy / energy;
  return out;
}

void FieldMeter::measure_scalapack(std::int64_t layer, const HeadSource& source, Sheet& sheet) const {
  const std::vector<FieldPlan>& fields = c_.plan.fields;
  const auto spread_out = [](const FieldPlan& field) { return field.request.route == Route::scalapack; };
  const std::int64_t length = longest(fields, spread_out);
  if (length == 0) return;
  for (std::int64_t kv = 0; kv < c_.job.extents.num_kv_heads; ++kv) {
    const GroupRows rows = spread(source, kv, length);
    const std::vector<kernels::LogitForm> forms = forms_of(layer, {kv, kv + 1});
    for (std::int64_t m = 0; m < c_.job.group_size(); ++m) {
      for (std::size_t f = 0; f < fields.size(); ++f) {
        if (!spread_out(fields[f])) continue;
        const FieldRequest& request = fields[f].request;
        c_.clock.time(Phase::field, [&] {
          kernels::RouteResult result = decompose(rows, forms[m], m, request);
          if (!sheet.owns(kv)) return;
          sheet.at(kv, m, f) = c_.backend.complete_statistics(
              rows.view(request.context, forms), static_cast<std::size_t>(m), request.scope, std::move(result));
        });
      }
    }
  }
}

void FieldMeter::verify(const UnitPlace& unit, const HeadSource& source, Sheet& sheet) const {
  const std::vector<FieldPlan>& fields = c_.plan.fields;
  const std::int64_t length = longest(fields, is_verifiable);
  if (length == 0) return;
  for (std::int64_t head = 0; head < c_.job.extents.num_heads; ++head) {
    if (!verified_.contains({unit.text, unit.layer, head})) continue;
    const std::int64_t kv = head / c_.job.group_size(), m = head % c_.job.group_size();
    const GroupRows rows = spread(source, kv, length);
    for (std::size_t f = 0; f < fields.size(); ++f) {
      if (!is_verifiable(fields[f])) continue;
      c_.clock.time(Phase::field, [&] {
        const kernels::RouteResult dense = decompose(rows, forms_of(unit.layer, {kv, kv + 1})[m], m, fields[f].request);
        if (!sheet.owns(kv)) return;
        HeadStatistics& found = sheet.at(kv, m, f);
        found.certificate.dense_difference = difference_from_dense(found, dense);
      });
    }
  }
}

}  // namespace logitfield
