#include "io/checkpoint/checkpoint.hpp"

#include <algorithm>
#include <set>

#include "io/checkpoint/gguf_layout.hpp"
#include "io/checkpoint/weight_files.hpp"
#include "io/error.hpp"
#include "io/json.hpp"
#include "io/weights/gguf_weight.hpp"

namespace logitfield::io {
namespace {

/// All tensors except the embeddings, which may be tied.
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config) {
  std::vector<ExpectedTensor> all = tensors_around_layers(config);
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::vector<ExpectedTensor> own = tensors_of(layer_tensors(config, layer));
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

/// Whether the tensor is a bias that changes nothing: AutoGPTQ writes one for every quantised matrix.
bool is_bias_of_zeros(const std::map<std::string, FileTensor>& tensors, const std::string& name) {
  constexpr std::string_view kEnding = "bias";
  return name.ends_with(kEnding) && tensors.contains(name.substr(0, name.size() - kEnding.size()) + "qweight") &&
         std::ranges::all_of(tensors.at(name).tensor->data, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& path) : path_(path) {
  if (is_gguf_name(path)) {
    gguf_ = std::make_unique<GgufModel>(path);
    config_ = gguf_model_config(*gguf_);
    gguf_->forget_tokenizer();
  } else {
    open_folder();
  }
  for (const auto& expected : expected_tensors(config_)) open(expected);
  open_embeddings();
  refuse_unused_layer_tensors();
}

void Checkpoint::open_folder() {
  config_ = read_model_config(config_of_checkpoint(path_));
  const WeightFiles weights = find_weight_files(path_);
  unused_index_ = weights.unused_index;
  for (const auto& path : weights.paths) add_file(path);
  check_index(weights.index);
}

std::filesystem::path Checkpoint::config_path() const { return gguf_ ? path_ : path_ / "config.json"; }

const StoredWeight* Checkpoint::find(const ExpectedTensor& expected) {
  const auto find_tensor = [this](const std::string& name) { return this->find_tensor(name); };
  std::unique_ptr<StoredWeight> opened =
      gguf_ ? open_gguf_weight(*gguf_, expected.name, expected.shape)
            : open_weight({expected.name, expected.shape, config_.quantisation, find_tensor});
  return opened ? weights_.emplace(expected.name, std::move(opened)).first->second.get() : nullptr;
}

const StoredWeight& Checkpoint::open(const ExpectedTensor& expected) {
  const StoredWeight* found = find(expected);
  if (!found) refuse_missing(expected.name);
  return *found;
}

void Checkpoint::open_embeddings() {
  const ExpectedTensor input = input_embedding_tensor(config_), output = output_embedding_tensor(config_);
  output_embedding_ = find(output);
  if (!config_.tied_embeddings) {
    input_embedding_ = &open(input);
    return;
  }
  input_embedding_ = find(input);
  if (!input_embedding_) input_embedding_ = output_embedding_ ? output_embedding_ : &open(output);
  if (!output_embedding_) output_embedding_ = input_embedding_;
}

void Checkpoint::refuse_unused_layer_tensors() const {
  std::set<std::string> used;
  for (const auto& [name, weight] : weights_) {
    for (const StoredPart& part : weight->parts()) used.insert(part.name);
  }
  const auto check = [&](const std::string& name, const std::filesystem::path& file) {
    const auto is_derived = [&](const std::string& ending) { return name.ends_with(ending); };
    if (used.contains(name) || std::ranges::any_of(config_.names.derived, is_derived)) return;
    if (is_bias_of_zeros(tensors_, name)) return;
    const std::optional<std::int64_t> layer = layer_of(config_, name);
    const bool is_extra = layer && *layer >= config_.num_layers && *layer < config_.num_layers + config_.extra_layers;
    if (!layer || is_extra) return;
    throw InputError("{}: tensor {} does not belong to the model that {} describes, so results would be wrong; {}",
                     file.string(), excerpt(name), gguf_ ? "the metadata" : "config.json", remedy_for_weights());
  };
  for (const auto& [name, place] : tensors_) check(name, place.file->path());
  if (!gguf_) return;
  for (const auto& [name, place] : gguf_->tensors()) check(name, place.file->path());
}

const char* Checkpoint::remedy_for_weights() const {
  return gguf_ ? "use a file that the current tools of llama.cpp wrote" : "use the config.json of these weights";
}

void Checkpoint::add_file(const std::filesystem::path& path) {
  const auto& file = *files_.emplace_back(std::make_unique<SafetensorsFile>(path));
  for (const auto& [name, tensor] : file.tensors()) {
    if (const auto [place, added] = tensors_.emplace(name, FileTensor{&file, &tensor}); !added) {
      throw InputError("{}: tensor {} is also in {}; remove one of them", path.string(), excerpt(name),
                       place->second.file->path().string());
    }
  }
}

void Checkpoint::check_index(const std::map<std::string, std::string>& index) const {
  for (const auto& [name, file] : index) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || found->second.file->path().filename() != file) {
      throw InputError("{}: tensor {} is missing, although the index lists it; copy or download the checkpoint again",
                       (path_ / file).string(), excerpt(name));
    }
  }
}

std::vector<std::string> Checkpoint::notices() const {
  std::vector<std::string> out = config_.notices();
  const std::string output = output_embedding_tensor(config_).name;
  if (!unused_index_.empty())
    out.push_back(fmt::format("{} is not used, because a single file holds the weights", unused_index_));
  if (config_.tied_embeddings && input_embedding_ != output_embedding_) {
    out.push_back(
        fmt::format("config.json ties the output matrix to the embedding, but the files hold {}: that tensor is used, "
                    "as in transformers 5",
                    output));
  }
  if (!has_output()) out.push_back(fmt::format("no file holds {}: the next-token loss is left out", output));
  return out;
}

std::optional<FileTensor> Checkpoint::find_tensor(const std::string& name) const {
  const std::string& base = config_.names.base;
  auto found = tensors_.find(name);
  if (found == tensors_.end() && name.starts_with(base)) found = tensors_.find(name.substr(base.size()));
  for (const auto& [other, own] : config_.names.other_prefixes) {
    if (found == tensors_.end() && name.starts_with(own)) found = tensors_.find(other + name.substr(own.size()));
  }
  if (found == tensors_.end()) return std::nullopt;
  return found->second;
}

void Checkpoint::refuse_missing(const std::string& name) const {
  struct Wrapper {
    const char *prefix, *remedy;
  };
  constexpr Wrapper kWrappers[] = {
      {"_orig_mod.", "torch.compile adds it: save model._orig_mod, or rename the tensors"},
      {"module.", "data parallel training adds it: save model.module, or rename the tensors"},
      {"base_model.model.", "PEFT adds it: merge the adapter (merge_and_unload) and save the result"}};
  for (const auto& [prefix, remedy] : kWrappers) {
    for (const std::string& inner :
         {name, name.substr(name.starts_with(config_.names.base) ? config_.names.base.size() : 0)}) {
      if (!tensors_.contains(prefix + inner)) continue;
      throw InputError("{}: tensor {} begins with {}; {}", tensors_.at(prefix + inner).file->path().string(),
                       excerpt(prefix + inner), prefix, remedy);
    }
  }
  throw InputError("{}: no file holds tensor {}; complete the checkpoint, or {}", path_.string(), excerpt(name),
                   remedy_for_weights());
}

const StoredWeight& Checkpoint::output_embedding() const {
  if (!output_embedding_) refuse_missing(output_embedding_tensor(config_).name);
  return *output_embedding_;
}

const StoredWeight& Checkpoint::weight(const std::string& name) const { return *weights_.at(name); }

std::vector<const StoredWeight*> Checkpoint::weights() const {
  const std::vector<StoredWeight*> all = sorted_weights();
  return {all.begin(), all.end()};
}

void Checkpoint::expect(std::vector<Fingerprint> first_reading) {
  const std::vector<StoredWeight*> all = sorted_weights();
  for (std::size_t i = 0; i < all.size(); ++i) all[i]->expect(std::move(first_reading.at(i).blocks));
}

std::vector<StoredWeight*> Checkpoint::sorted_weights() const {
  std::vector<StoredWeight*> all;
  for (const auto& [name, weight] : weights_) all.push_back(weight.get());
  std::ranges::stable_sort(all, {}, &StoredWeight::name);
  return all;
}

}  // namespace logitfield::io
