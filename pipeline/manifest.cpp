#include "pipeline/manifest.hpp"

#include <cstring>
#include <numeric>

#include "io/clock_text.hpp"
#include "io/hash.hpp"
#include "io/tensor_check.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/results.hpp"
#include "pipeline/windows.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

/// Hashes the numbered parts of the input, each on one rank; `bytes[i]` is part i's size.
template <class HashPart>
std::uint64_t hash_parts(const mpi::Communicator& world, const std::vector<std::uint64_t>& bytes, HashPart hash_part) {
  std::vector<std::uint64_t> load(world.size(), 0), mine;  // mine: (part, hash) pairs
  mpi::agree(world, [&] {
    for (std::size_t part = 0; part < bytes.size(); ++part) {
      const auto least = std::min_element(load.begin(), load.end());
      *least += bytes[part];
      if (least - load.begin() == world.rank()) mine.insert(mine.end(), {part, hash_part(part)});
    }
  });
  std::vector<std::uint64_t> all(bytes.size());
  for (const auto& from_rank : world.gather(std::as_bytes(std::span(mine)))) {
    std::vector<std::uint64_t> pairs(from_rank.size() / sizeof(std::uint64_t));
    if (!pairs.empty()) std::memcpy(pairs.data(), from_rank.data(), from_rank.size());
    for (std::size_t i = 0; i < pairs.size(); i += 2) all[pairs[i]] = pairs[i + 1];
  }
  const std::uint64_t hash = io::hash_bytes(std::as_bytes(std::span(all)));
  std::string text(sizeof hash, '\0');
  std::memcpy(text.data(), &hash, sizeof hash);
  text = world.broadcast(std::move(text), 0);
  std::uint64_t agreed;
  std::memcpy(&agreed, text.data(), sizeof agreed);
  return agreed;
}

json describe_texts(const Job& job) {
  json texts = json::array();
  for (const io::TokenText& text : job.texts) {
    json entry{{"name", text.name}};
    if (job.checkpoint) {
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
      {"kind", job.capture ? "capture" : "checkpoint"},
      {"path", std::filesystem::absolute(job.capture ? job.capture->folder() : job.checkpoint->folder()).string()},
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
  if (job.capture) {
    model["source"] = job.capture->info().source;
  } else {
    model["model_type"] = job.checkpoint->config().model_type;
    model["learned_interaction"] =
        "W_Q^T W_K with the gains of the norms before and behind the projections folded in, before rotary positions, "
        "without biases";
  }
  return model;
}

/// How texts were tokenized; null where token ids were given.
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

}  // namespace

std::uint64_t check_and_hash_input(const Job& job, const mpi::Communicator& world, std::vector<NotFinite>* not_finite) {
  if (job.capture) {
    const std::vector<std::uint64_t> bytes(job.num_layers, 1);
    return hash_parts(world, bytes,
                      [&](std::size_t layer) { return job.capture->check_and_hash(std::int64_t(layer)); });
  }
  const std::vector<const io::Tensor*> tensors = job.checkpoint->model_tensors();
  std::vector<std::uint64_t> bytes;
  for (const io::Tensor* tensor : tensors) bytes.push_back(tensor->data.size());
  std::vector<NotFinite> mine;
  const std::uint64_t hash = hash_parts(world, bytes, [&](std::size_t i) -> std::uint64_t {
    try {
      return job.checkpoint->check_and_hash(*tensors[i]);
    } catch (const io::NotFiniteError& error) {
      if (!not_finite) throw;
      mine.push_back(locate(*job.checkpoint, error));
      return 0;
    }
  });
  if (not_finite) *not_finite = all_of(mine, world);
  return hash;
}

json make_manifest(const Job& job, const Plan& plan, const kernels::Backend& backend, std::uint64_t input_hash,
                   const std::vector<std::string>& hosts) {
  json out{{"format", kRunFormat},
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
            {{"forward", job.capture ? "none" : kernels::precision_name(backend.precision())}, {"field", "float64"}}},
           {"grid", grid_text(plan.partition.grid)},
           {"weights", plan.residency == Residency::stream ? "stream" : "resident"},
           {"backend", backend.description()},
           {"mpi", mpi::library_version()},
           {"hosts", hosts}};
  // Written only if used: manifests of runs that older versions began do not have it.
  if (plan.head_null.draws > 0) {
    out["head_null"] = {{"draws", plan.head_null.draws}, {"kind", plan.head_null.shuffled ? "shuffled" : "gaussian"}};
  }
  return out;
}

}  // namespace logitfield
