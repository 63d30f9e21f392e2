#include "kernels/field/windowed_field.hpp"

#include "kernels/field/routes.hpp"
#include "kernels/field/summed_rows.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

Range own_range(const Placement& placement, Index rows) { return {placement.first_row, placement.first_row + rows}; }

/// The part of `rest` (times) that row `position` meets, as column numbers.
Range columns_met(const WindowPass& pass, Index position, Range rest) {
  const Range positions = pass.turned(rest), met = pass.met(position);
  const auto place = [&](Index j) { return std::clamp<Index>(j, positions.begin, positions.end) - positions.begin; };
  return {place(met.begin), place(met.end)};
}

/// Forms the logits of rows x [count, w] with those at the rest of their tile [count, both sizes].
void form_rest(const WindowPass& pass, const WindowTile& tile, const Surroundings& around, const FactorRows& others,
               const Matrix& halo, const Matrix& x, Matrix& work, Matrix& logits) {
  logits.resize(x.rows(), tile.rest[0].size() + tile.rest[1].size());
  Index column = 0;
  for (const Range rest : tile.rest) {
    if (rest.size() == 0) continue;
    around.rows(others, halo, pass.turned(rest), work);
    logits.middleCols(column, rest.size()).noalias() = x * work.transpose();
    column += rest.size();
  }
}

/// Calls visit(r, column in logits, position, count) for the run of columns that row r of the tile meets in each rest.
template <class Visit>
void for_met(const WindowPass& pass, const WindowTile& tile, Visit&& visit) {
  const Range at = pass.turned(tile.rows);
  Index column = 0;
  for (const Range rest : tile.rest) {
    const Index first = pass.turned(rest).begin;
    for (Index r = 0; r < at.size(); ++r) {
      const Range met = columns_met(pass, at.begin + r, rest);
      if (met.size() > 0) visit(r, column + met.begin, first + met.begin, met.size());
    }
    column += rest.size();
  }
}

/// Computes row means and energies of this rank's queries.
void measure_queries(const Team& team, const FactorRows& a, const FactorRows& b, const WindowPass& pass, Range own,
                     CausalEnergies& out) {
  const Surroundings around(team, pass, own);
  const Matrix halo = around.fetch(b);
  Matrix x, logits, work;
  const auto sum_of = [&](Range times) {
    around.rows(b, halo, pass.turned(times), work);
    SummedRows sums(b.width());
    sums.add(work, Vector::Ones(times.size()));
    return sums;
  };
  slide<SummedRows>(window_tiles(pass, pass.turned(own), kEnergyTile), kEnergyTile, sum_of,
                    [&](const WindowTile& tile, const SummedRows* inside) {
                      const Range at = pass.turned(tile.rows);
                      a.tile(at.begin - own.begin, at.size(), x);
                      form_rest(pass, tile, around, b, halo, x, work, logits);
                      const Vector along = inside ? inside->along(x) : Vector::Zero(at.size());
                      Vector means = along;
                      for_met(pass, tile, [&](Index r, Index column, Index, Index count) {
                        means[r] += logits.row(r).segment(column, count).sum();
                      });
                      for (Index r = 0; r < at.size(); ++r) means[r] /= double(pass.met(at.begin + r).size());
                      Vector energies =
                          inside ? inside->energies(x, means, along, work) : Vector(Vector::Zero(at.size()));
                      for_met(pass, tile, [&](Index r, Index column, Index, Index count) {
                        energies[r] += (logits.row(r).segment(column, count).array() - means[r]).square().sum();
                      });
                      out.means.segment(at.begin - own.begin, at.size()) = means;
                      out.queries.segment(at.begin - own.begin, at.size()) = energies;
                    });
}

/// Computes energies of the keys, once the means of all queries are known.
void measure_keys(const Team& team, const FactorRows& a, const FactorRows& b, const WindowPass& pass, Range own,
                  CausalEnergies& out) {
  const Surroundings around(team, pass, own);
  const Matrix halo = around.fetch(a);
  Matrix around_work;
  const Vector means = around.around(out.means, around_work).col(0);
  const auto means_at = [&](Index position, Index count) { return means.segment(position - around.begin(), count); };
  Matrix x, logits, work;
  const auto sum_of = [&](Range times) {
    const Range at = pass.turned(times);
    around.rows(a, halo, at, work);
    SummedRows sums(a.width());
    sums.add(work, means_at(at.begin, at.size()));
    return sums;
  };
  slide<SummedRows>(
      window_tiles(pass, pass.turned(own), kEnergyTile), kEnergyTile, sum_of,
      [&](const WindowTile& tile, const SummedRows* inside) {
        const Range at = pass.turned(tile.rows);
        b.tile(at.begin - own.begin, at.size(), x);
        form_rest(pass, tile, around, a, halo, x, work, logits);
        Vector energies = inside ? inside->energies(x, Vector::Ones(at.size()), inside->along(x), work)
                                 : Vector(Vector::Zero(at.size()));
        for_met(pass, tile, [&](Index r, Index column, Index position, Index count) {
          energies[r] += (logits.row(r).segment(column, count).transpose() - means_at(position, count)).squaredNorm();
        });
        out.keys.segment(at.begin - own.begin, at.size()) = energies;
      });
}

}  // namespace

CausalEnergies windowed_energies(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement,
                                 const Visible& visible) {
  const Index n = a.rows();
  const Range own = own_range(placement, n);
  CausalEnergies out{Vector(n), Vector(n), Vector(n)};
  measure_queries(team, a, b, {true, visible, placement.length}, own, out);
  measure_keys(team, a, b, {false, visible, placement.length}, own, out);
  // Sums of squares are negative only by rounding.
  out.keys = out.keys.cwiseMax(0.0);
  out.queries = out.queries.cwiseMax(0.0);
  return out;
}

WindowedOperator::WindowedOperator(const Team& team, const CausalField& field, const Placement& placement,
                                   const Visible& visible)
    : team_(team),
      field_(field),
      own_(own_range(placement, field.a.rows())),
      of_queries_(side(true, placement, visible)),
      of_keys_(side(false, placement, visible)) {}

WindowedOperator::Side WindowedOperator::side(bool forwards, const Placement& placement, const Visible& visible) const {
  const WindowPass pass{forwards, visible, placement.length};
  Side out{.pass = pass,
           .own = forwards ? &field_.a : &field_.b,
           .others = forwards ? &field_.b : &field_.a,
           .surroundings = Surroundings(team_, pass, own_),
           .halo = {},
           .tiles = window_tiles(pass, pass.turned(own_), kOperatorTile),
           .logits = {}};
  out.halo = out.surroundings.fetch(*out.others);
  Matrix x, work, logits;
  for (const WindowTile& tile : out.tiles) {
    const Range at = pass.turned(tile.rows);
    out.own->tile(at.begin - own_.begin, at.size(), x);
    form_rest(pass, tile, out.surroundings, *out.others, out.halo, x, work, logits);
    Matrix& kept = out.logits.emplace_back(Matrix::Zero(logits.rows(), logits.cols()));
    for_met(pass, tile, [&](Index r, Index column, Index, Index count) {
      kept.row(r).segment(column, count) = logits.row(r).segment(column, count);
    });
  }
  return out;
}

void WindowedOperator::multiply(const Side& side, const Matrix& x, Matrix& y) const {
  Matrix around_work, factor;
  const Matrix& values = side.surroundings.around(x, around_work);
  const auto values_at = [&](Range times) {
    const Range at = side.pass.turned(times);
    return values.middleRows(at.begin - side.surroundings.begin(), at.size());
  };
  y.resize(rows(), x.cols());
  const auto sum_of = [&](Range times) {
    side.surroundings.rows(*side.others, side.halo, side.pass.turned(times), factor);
    return Matrix(factor.transpose() * values_at(times));
  };
  auto logits = side.logits.begin();
  slide<Matrix>(side.tiles, kOperatorTile, sum_of, [&](const WindowTile& tile, const Matrix* inside) {
    const Range at = side.pass.turned(tile.rows);
    auto out = y.middleRows(at.begin - own_.begin, at.size());
    const auto [before, after] = tile.rest;
    out.noalias() = logits->leftCols(before.size()) * values_at(before);
    if (after.size() > 0) out.noalias() += logits->rightCols(after.size()) * values_at(after);
    if (inside) {
      side.own->tile(at.begin - own_.begin, at.size(), factor);
      out.noalias() += factor * *inside;
    }
    ++logits;
  });
}

RouteResult windowed_route(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement,
                           const Visible& visible, Index components, const Rounding& rounding) {
  CausalEnergies energies = windowed_energies(team, a, b, placement, visible);
  const CausalField field = causal_field(a, b, energies.means);
  return krylov_route(team, std::move(energies), WindowedOperator(team, field, placement, visible), nullptr, placement,
                      components, rounding);
}

}  // namespace logitfield::kernels
