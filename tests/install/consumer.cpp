#include <cstdio>

#include "kernels/backend.hpp"

/// Measures a field of rank one with the installed library: one component carries all of its energy.
int main() {
  using namespace logitfield::kernels;
  const MatrixF queries = MatrixF::Ones(16, 4);
  MatrixF keys = MatrixF::Zero(16, 4);
  for (Index i = 0; i < keys.rows(); ++i) keys(i, 0) = static_cast<float>(i);
  const HeadGroup group{{queries}, keys, {{.scale = 0.5}}};
  const FieldRequest request{.context = 16};
  const auto statistics = make_backend(BackendKind::cpu)->field_statistics(group, std::span(&request, 1));
  const HeadStatistics& s = statistics.at(0).at(0);
  std::printf("k90 %ld, rank %ld, energy %g\n", long{s.spectrum.k90}, long{s.spectrum.rank}, s.spectrum.energy);
  // 16 rows of ((i - 7.5) / 2)^2 summed over i = 16 * 340 / 4
  const bool as_expected = s.spectrum.k90 == 1 && s.spectrum.rank == 1 && s.spectrum.energy > 1359.999 &&
                           s.spectrum.energy < 1360.001 && s.certificate.certified();
  return as_expected ? 0 : 1;
}
