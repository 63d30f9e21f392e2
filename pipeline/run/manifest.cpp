#include "pipeline/run/manifest.hpp"

#include "io/hash.hpp"
#include "io/printable.hpp"
#include "io/run/clock_text.hpp"
#include "pipeline/job/windows.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

json describe_texts(const Job& job) {
  json texts = json::array();
  for (const io::TokenText& text : job.texts()) {
    json entry{{"name", text.name}};
    if (!job.is_capture()) {
      const std::span<const std::int32_t> used = std::span(text.tokens).first(job.length());
      entry["tokens"] = text.tokens.size();
      entry["tokens_used"] = used.size();
      entry["hash_of_used"] = io::hash_text(io::hash_bytes(std::as_bytes(used)));
      if (text.text_hash) entry["text_hash"] = io::hash_text(*text.text_hash);
    }
    texts.push_back(std::move(entry));
  }
  return texts;
}

json describe_model(const Job& job, std::uint64_t input_hash) {
  json model{
      {"name", job.model_name()},
      {"kind", job.is_capture() ? "capture" : "checkpoint"},
      {"path", std::filesystem::absolute(job.is_capture() ? job.capture().folder() : job.checkpoint().path()).string()},
      {"hash", io::hash_text(input_hash)},
      {"num_layers", job.num_layers},
      {"num_heads", job.extents.num_heads},
      {"num_kv_heads", job.extents.num_kv_heads},
      {"head_dim", job.head_dim},
      {"scale", job.forms.front().scale}};
  if (job.forms.front().softcap) model["logit_softcap"] = *job.forms.front().softcap;
  for (const kernels::LogitForm& form : job.forms) {
    if (form.alibi_slope != 0) model["alibi_slopes"].push_back(form.alibi_slope);
  }
  describe_visible(job.visible, model);
  if (job.is_capture()) {
    model["source"] = job.capture().info().source;
    // They are in capture.json, which the hash does not cover.
    if (!job.sinks.empty()) model["sinks"] = job.sinks;
  } else {
    model["model_type"] = job.checkpoint().config().model_type;
    // Written only if there are some: manifests of runs that older versions began do not have it.
    if (const std::vector<std::string> notices = job.notices(); !notices.empty()) model["notices"] = notices;
    model["learned_interaction"] =
        "W_Q^T W_K with the gains of the norms before and behind the projections folded in, before rotary positions, "
        "without biases";
  }
  return model;
}

/// How texts were tokenized; null if token ids were given.
json describe_tokenization(const Job& job) {
  if (!job.tokenization) return nullptr;
  const Tokenization& how = *job.tokenization;
  return {{"tokenizer", std::filesystem::absolute(how.tokenizer).string()},
          {"tokenizer_hash", io::hash_text(how.tokenizer_hash)},
          {"bos", how.bos ? json(*how.bos) : json(nullptr)},
          {"start", how.start}};
}

json scope_names(const Job& job) {
  json names = json::array();
  for (const kernels::Scope scope : job.scopes) names.push_back(kernels::scope_name(scope));
  return names;
}

json describe_routes(const Plan& plan) {
  json routes = json::array();
  for (const FieldPlan& field : plan.fields) {
    json route{{"context", field.request.context},
               {"scope", kernels::scope_name(field.request.scope)},
               {"route", kernels::route_name(field.request.route)},
               {"shared", field.shared}};
    if (field.request.route == kernels::Route::krylov) route["components"] = field.request.components;
    routes.push_back(std::move(route));
  }
  return routes;
}

/// Makes all strings printable. Names of files may hold bytes that are not UTF-8, which JSON cannot hold. So the
/// manifest, and with it tables and pages, holds strings in the form in which they are printed.
void make_printable(json& value) {
  if (value.is_string()) value = io::printable_line(value.get_ref<const std::string&>());
  if (!value.is_structured()) return;
  for (json& part : value) make_printable(part);
}

}  // namespace

json make_manifest(const Job& job, const Plan& plan, const kernels::Backend& backend, std::uint64_t input_hash,
                   const std::vector<std::string>& hosts) {
  json out{
      {"format", kRunFormat},
      {"version", kRunVersion},
      {"program", "logitfield " LOGITFIELD_VERSION},
      {"started", io::utc_now()},
      {"model", describe_model(job, input_hash)},
      {"texts", describe_texts(job)},
      {"tokenization", describe_tokenization(job)},
      {"contexts", job.contexts},
      {"scopes", scope_names(job)},
      {"routes", describe_routes(plan)},
      {"verify_dense", plan.verified_heads},
      {"null_draws", plan.null_draws},
      {"seed", plan.seed},
      {"layers", {job.measured_layers.begin, job.measured_layers.end}},
      {"precision",
       {{"forward", job.is_capture() ? "none" : kernels::precision_name(backend.precision())}, {"field", "float64"}}},
      {"grid", grid_text(plan.partition.grid)},
      {"weights", plan.residency == Residency::stream ? "stream" : "resident"},
      {"backend", backend.description()},
      {"mpi", mpi::library_version()},
      {"hosts", hosts}};
  // Written only if used: manifests of runs that older versions began do not have it.
  if (plan.head_null.draws > 0) {
    out["head_null"] = {{"draws", plan.head_null.draws}, {"kind", plan.head_null.shuffled ? "shuffled" : "gaussian"}};
  }
  make_printable(out);
  return out;
}

}  // namespace logitfield
