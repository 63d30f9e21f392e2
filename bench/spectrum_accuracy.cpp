// Prints the differences of the Krylov route's statistics from those of a dense decomposition, and the route's own
// error estimates:
//   spectrum_accuracy --kinds gaussian,power --lengths 2048 --heads 200
// "within" is the share of heads whose effective rank differs by at most the reported error: a bound, or with --window
// two standard errors.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "io/capture/capture.hpp"
#include "kernels/field/field_statistics.hpp"
#include "kernels/random.hpp"

using namespace logitfield;
using namespace logitfield::kernels;

namespace {

struct Head {
  MatrixF q, k;
  LogitForm form;
};

/// Random numbers of one head: Gaussian rows and a uniform number, from seeds that no two heads share.
class Draws {
 public:
  Draws(std::uint64_t seed, Index length, Index width) : seed_(seed), length_(length), width_(width) {}
  Matrix rows(Index columns) { return gaussian_rows(stream_seed(seed_, next_++), 0, length_, columns); }
  Matrix square(Index rows, Index columns) { return gaussian_rows(stream_seed(seed_, next_++), 0, rows, columns); }
  double uniform(double low, double high) {
    return low + (high - low) * (uniform_rows(stream_seed(seed_, next_++), 0, 1, 1)(0, 0) + 1) / 2;
  }
  Index length() const { return length_; }
  Index width() const { return width_; }

 private:
  std::uint64_t seed_, next_ = 0;
  Index length_, width_;
};

/// Mixed columns with power-law decay.
Matrix power_law(Draws& draws, double exponent) {
  Matrix out = draws.rows(draws.width());
  for (Index c = 0; c < out.cols(); ++c) out.col(c) *= std::pow(static_cast<double>(c + 1), -exponent);
  return out * draws.square(draws.width(), draws.width()) / std::sqrt(static_cast<double>(draws.width()));
}

/// One to three components, and noise of a thousandth of their size.
Matrix dominant(Draws& draws, Index components) {
  return draws.rows(components) * draws.square(components, draws.width()) + 1e-3 * draws.rows(draws.width());
}

/// A mean and noise, rotated by rotary angles.
Matrix rotated(Draws& draws) {
  Matrix out = 0.7 * draws.rows(draws.width());
  out.rowwise() += 2 * draws.square(1, draws.width()).row(0);
  for (Index i = 0; i < out.rows(); ++i) {
    for (Index c = 0; c + 1 < out.cols(); c += 2) {
      const double angle =
          static_cast<double>(i) * std::pow(1e4, -static_cast<double>(c) / static_cast<double>(out.cols()));
      const double x = out(i, c), y = out(i, c + 1);
      out(i, c) = x * std::cos(angle) - y * std::sin(angle);
      out(i, c + 1) = y * std::cos(angle) + x * std::sin(angle);
    }
  }
  return out;
}

Head drawn(const std::string& kind, Draws draws) {
  Matrix q, k;
  if (kind == "gaussian") {
    q = draws.rows(draws.width()), k = draws.rows(draws.width());
  } else if (kind == "power") {
    const double exponent = draws.uniform(0.3, 2);
    q = power_law(draws, exponent), k = power_law(draws, exponent);
  } else if (kind == "dominant") {
    const auto components = static_cast<Index>(draws.uniform(1, 4));
    q = dominant(draws, components), k = dominant(draws, components);
  } else if (kind == "rotated") {
    q = rotated(draws), k = rotated(draws);
  } else {
    throw std::invalid_argument("no kind is named " + kind);
  }
  return {q.cast<float>(), k.cast<float>(), {.scale = 1 / std::sqrt(static_cast<double>(draws.width()))}};
}

/// The first rows of a capture's head, by the head's number over layers.
Head captured(const io::Capture& capture, Index number, Index length) {
  const io::CaptureInfo& info = capture.info();
  const Index layer = number / info.num_heads % info.num_layers, head = number % info.num_heads;
  Head out{MatrixF(length, info.head_dim), MatrixF(length, info.head_dim), {.scale = info.scale}};
  capture.read_queries(layer, head, {0, length}, as_span(out.q));
  capture.read_keys(layer, head * info.num_kv_heads / info.num_heads, {0, length}, as_span(out.k));
  if (!info.alibi_slopes.empty()) out.form.alibi_slope = info.alibi_slopes[static_cast<std::size_t>(head)];
  return out;
}

struct Timed {
  HeadStatistics statistics;
  double seconds = 0;
};

Timed measure(const Head& head, Route route) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<FieldRequest> request{{head.q.rows(), Scope::causal, route, 256}};
  Timed out{kernels::field_statistics({{head.q}, head.k, {head.form}}, request)[0][0]};
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

/// Accuracy of one statistic over many heads: relative errors, estimated errors, and how often these held.
struct Accuracy {
  double worst = 0, said = 0;
  Index held = 0;
  void add(double value, double error, double exact) {
    worst = std::max(worst, std::abs(value / exact - 1));
    said = std::max(said, error / exact);
    held += std::abs(value - exact) <= error + 1e-12 * exact;
  }
};

void print_row(const std::string& kind, Index length, Index window, Index heads,
               const std::function<Head(Index)>& head) {
  Accuracy rank, energy_rank, ratio;
  Index wrong_counts = 0, missing_counts = 0, uncertified = 0;
  double krylov_seconds = 0, dense_seconds = 0;
  for (Index h = 0; h < heads; ++h) {
    Head given = head(h);
    given.form.visible.window = window;
    const Timed found = measure(given, Route::krylov), exact = measure(given, Route::dense);
    const SpectrumStatistics &f = found.statistics.spectrum, &e = exact.statistics.spectrum;
    const double errors = window > 0 ? 2 : 1;
    rank.add(f.effective_rank, errors * f.effective_rank_se, e.effective_rank);
    energy_rank.add(f.energy_effective_rank, errors * f.energy_effective_rank_se, e.energy_effective_rank);
    ratio.add(f.participation_ratio, errors * f.participation_ratio_se, e.participation_ratio);
    for (const auto& [a, b] : {std::pair{f.k50, e.k50}, {f.k90, e.k90}, {f.k95, e.k95}, {f.k99, e.k99}}) {
      wrong_counts += a != -1 && a != b;
      missing_counts += a == -1;
    }
    uncertified += !found.statistics.certificate.certified();
    krylov_seconds += found.seconds, dense_seconds += exact.seconds;
  }
  const double n = static_cast<double>(heads);
  fmt::print("| {} | {} | {} | {:.1e} | {:.1e} | {:.0f} % | {:.1e} | {:.1e} | {} of {} | {} | {:.2f} | {:.2f} |\n",
             kind, length, heads, rank.worst, rank.said, 100 * static_cast<double>(rank.held) / n, energy_rank.worst,
             ratio.worst, wrong_counts, 4 * heads - missing_counts, uncertified, krylov_seconds / n, dense_seconds / n);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> kinds{"gaussian", "power", "dominant", "rotated"};
  std::vector<Index> lengths{2048};
  std::string capture;
  Index heads = 200, width = 64, window = 0;
  CLI::App app("Krylov statistics beside dense ones");
  app.add_option("--kinds", kinds, "gaussian, power, dominant, rotated")->delimiter(',');
  app.add_option("--lengths", lengths)->delimiter(',');
  app.add_option("--heads", heads, "of each kind");
  app.add_option("--width", width, "head dimension of drawn heads");
  app.add_option("--window", window, "keys that a query sees; 0: all before it");
  app.add_option("--capture", capture, "heads of this capture too");
  CLI11_PARSE(app, argc, argv);
  fmt::print(
      "| heads | L | n | effective rank off by | said | within | energy rank | participation | wrong counts | not "
      "certified | s | dense s |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  std::optional<io::Capture> real;
  if (!capture.empty()) real.emplace(capture);
  for (const Index length : lengths) {
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      print_row(kinds[kind], length, window, heads, [&](Index h) {
        return drawn(kinds[kind], Draws(stream_seed(kind, static_cast<std::uint64_t>(h)), length, width));
      });
    }
    if (!real) continue;
    const Index all = real->info().num_layers * real->info().num_heads, some = std::min(heads, all);
    // Heads of all layers, evenly spaced.
    print_row(real->info().model, length, window, some,
              [&](Index h) { return captured(*real, h * all / some, length); });
  }
}
