#include "pipeline/run/capture_dump.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/capture/capture_format.hpp"

namespace logitfield {
namespace {

/// ALiBi slopes by query head; empty if no head has one.
std::vector<double> slopes_of(const Job& job) {
  std::vector<double> out;
  for (const kernels::LogitForm& form : job.forms) out.push_back(form.alibi_slope);
  const bool none = std::ranges::all_of(out, [](double slope) { return slope == 0; });
  return none ? std::vector<double>{} : out;
}

/// One value (window or chunk length) per layer; empty if no layer has one.
std::vector<std::int64_t> of_layers(const Job& job, std::int64_t kernels::Visible::*member) {
  std::vector<std::int64_t> out;
  for (std::int64_t layer = 0; layer < job.extents.num_layers; ++layer) out.push_back(job.visible_at(layer).*member);
  const bool none = std::ranges::all_of(out, [](std::int64_t value) { return value == 0; });
  return none ? std::vector<std::int64_t>{} : out;
}

/// Logits of sinks by layer and query head; empty if there are none.
std::vector<std::vector<double>> sinks_of(const Job& job) {
  const std::size_t layers = std::min(job.sinks.size(), static_cast<std::size_t>(job.extents.num_layers));
  return {job.sinks.begin(), job.sinks.begin() + static_cast<std::ptrdiff_t>(layers)};
}

/// One writer per text; none if no captures are wanted.
std::vector<io::CaptureWriter> capture_writers(const Job& job) {
  std::vector<io::CaptureWriter> out;
  if (job.dump_captures.empty()) return out;
  const std::int64_t changes = job.config->rotation_changes_after();
  for (const io::TokenText& text : job.texts()) {
    const io::CaptureInfo info{.model = job.model_name(),
                               .num_layers = job.extents.num_layers,
                               .num_heads = job.extents.num_heads,
                               .num_kv_heads = job.extents.num_kv_heads,
                               .head_dim = job.head_dim,
                               .num_tokens = job.length(),
                               .scale = job.forms.front().scale,
                               .source = fmt::format("logitfield {}, {} forward pass", LOGITFIELD_VERSION,
                                                     kernels::precision_name(job.precision)),
                               .alibi_slopes = slopes_of(job),
                               .logit_softcap = job.forms.front().softcap,
                               .rotation_changes_after = changes < job.length() ? changes : 0,
                               .windows = of_layers(job, &kernels::Visible::window),
                               .chunks = of_layers(job, &kernels::Visible::chunk),
                               .sinks = sinks_of(job)};
    out.emplace_back(job.dump_captures / text.name, info);
  }
  return out;
}

}  // namespace

CaptureDump::CaptureDump(const Job& job, const mpi::Communicator& stage)
    : job_(job), stage_(stage), writers_(capture_writers(job)) {}

void CaptureDump::write(const UnitPlace& unit, Slice kv_heads, const kernels::Heads& heads) {
  if (writers_.empty()) return;
  io::CaptureWriter& writer = writers_[unit.text];
  const std::int64_t group = job_.group_size();
  const auto span_of = [](const kernels::MatrixF& rows) {
    return std::span<const float>(rows.data(), static_cast<std::size_t>(rows.size()));
  };
  if (stage_.rank() == 0) writer.create_layer(unit.layer);
  stage_.barrier();
  for (std::int64_t h = 0; h < kv_heads.size() * group; ++h) {
    writer.write_queries(unit.layer, kv_heads.begin * group + h, 0, span_of(heads.queries(h, 0, job_.length())));
  }
  for (std::int64_t kv = 0; kv < kv_heads.size(); ++kv) {
    writer.write_keys(unit.layer, kv_heads.begin + kv, 0, span_of(heads.keys(kv, 0, job_.length())));
  }
  stage_.barrier();
  if (stage_.rank() == 0) writer.finish_layer(unit.layer);
}

void start_captures(const Job& job) {
  const std::vector<io::CaptureWriter> writers = capture_writers(job);
  for (const io::CaptureWriter& writer : writers) writer.check();  // check all before creating any
  for (const io::CaptureWriter& writer : writers) writer.create();
}

void resume_captures(const Job& job) {
  for (const io::CaptureWriter& writer : capture_writers(job)) {
    if (!writer.has_folder()) writer.create();
  }
}

bool is_dumped(const Job& job, const UnitPlace& unit) {
  return job.dump_captures.empty() ||
         std::filesystem::exists(io::capture_layer_path(job.dump_captures / job.texts()[unit.text].name, unit.layer));
}

void finish_captures(const Job& job) {
  const std::vector<io::CaptureWriter> writers = capture_writers(job);
  for (std::size_t text = 0; text < writers.size(); ++text) {
    writers[text].write_tokens(std::span(job.texts()[text].tokens).first(static_cast<std::size_t>(job.length())));
    writers[text].finish();
  }
}

}  // namespace logitfield
