#include "io/checkpoint/checkpoint.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "io/checkpoint/layer_tensors.hpp"
#include "io/checkpoint/tensor_check.hpp"
#include "io/checkpoint/weight_files.hpp"
#include "io/error.hpp"
#include "io/json.hpp"

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

std::size_t num_columns(const Tensor& tensor) {
  return tensor.shape.size() == 2 ? static_cast<std::size_t>(tensor.shape[1]) : 1;
}

void require_inside(const Tensor& tensor, Slice rows, Slice columns, std::size_t target_size) {
  const auto fits = [](Slice s, std::int64_t size) { return 0 <= s.begin && s.begin <= s.end && s.end <= size; };
  const std::int64_t num_rows = tensor.shape.empty() ? 0 : tensor.shape[0];
  if (tensor.shape.size() > 2 || !fits(rows, num_rows) ||
      !fits(columns, static_cast<std::int64_t>(num_columns(tensor))) ||
      static_cast<std::size_t>(rows.size() * columns.size()) != target_size) {
    throw std::invalid_argument("Checkpoint: block and target do not fit tensor " + tensor.name + " " +
                                shape_text(tensor.shape));
  }
}

/// The bytes of whole rows.
std::span<const std::byte> row_bytes(const Tensor& tensor, Slice rows) {
  const std::size_t width = num_columns(tensor) * dtype_size(tensor.dtype);
  return tensor.data.subspan(static_cast<std::size_t>(rows.begin) * width,
                             static_cast<std::size_t>(rows.size()) * width);
}

void convert(DType type, const std::byte* source, std::span<float> target) { to_float32(type, source, target); }
void convert(DType type, const std::byte* source, std::span<std::uint16_t> target) {
  to_bfloat16(type, source, target);
}

/// Converts some columns of whole rows.
template <class Number>
void convert(const Tensor& tensor, std::span<const std::byte> bytes, Slice columns, std::span<Number> target) {
  const std::size_t width = dtype_size(tensor.dtype), stride = num_columns(tensor) * width;
  const auto length = static_cast<std::size_t>(columns.size());
  if (length == num_columns(tensor)) return convert(tensor.dtype, bytes.data(), target);
  const std::byte* source = bytes.data() + static_cast<std::size_t>(columns.begin) * width;
  for (std::size_t begin = 0; begin < target.size(); begin += length, source += stride) {
    convert(tensor.dtype, source, target.subspan(begin, length));
  }
}

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& folder)
    : folder_(folder), config_(read_model_config(config_of_checkpoint(folder))) {
  const WeightFiles weights = find_weight_files(folder);
  unused_index_ = weights.unused_index;
  for (const auto& path : weights.paths) add_file(path);
  check_index(weights.index);
  for (const auto& expected : expected_tensors(config_)) check(tensor(expected.name), expected.shape);
  check(input_embedding(), input_embedding_tensor(config_).shape);
  if (has_output()) check(output_embedding(), output_embedding_tensor(config_).shape);
  refuse_unused_layer_tensors();
}

void Checkpoint::refuse_unused_layer_tensors() const {
  const std::vector<const Tensor*> used = model_tensors();
  const std::set<const Tensor*> known(used.begin(), used.end());
  for (const auto& [name, place] : tensors_) {
    const auto is_derived = [&name = name](const std::string& ending) { return name.ends_with(ending); };
    if (known.contains(place.first) || std::ranges::any_of(config_.names.derived, is_derived)) continue;
    const std::optional<std::int64_t> layer = layer_of(config_, name);
    const bool is_extra = layer && *layer >= config_.num_layers && *layer < config_.num_layers + config_.extra_layers;
    if (!layer || is_extra) continue;
    throw InputError(
        "{}: tensor {} has no place in the model that config.json describes, so its numbers would be wrong; "
        "use the config.json of these weights",
        place.second->path().string(), excerpt(name));
  }
}

void Checkpoint::add_file(const std::filesystem::path& path) {
  const auto& file = *files_.emplace_back(std::make_unique<SafetensorsFile>(path));
  for (const auto& [name, tensor] : file.tensors()) {
    if (const auto [place, added] = tensors_.emplace(name, std::pair(&tensor, &file)); !added) {
      throw InputError("{}: tensor {} lies in {} too; remove one of them", path.string(), excerpt(name),
                       place->second.second->path().string());
    }
  }
}

void Checkpoint::check_index(const std::map<std::string, std::string>& index) const {
  for (const auto& [name, file] : index) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || file_of(*found->second.first).filename() != file) {
      throw InputError("{}: tensor {} is not there, though the index says so; copy or download the checkpoint again",
                       (folder_ / file).string(), excerpt(name));
    }
  }
}

void Checkpoint::check(const Tensor& tensor, const std::vector<std::int64_t>& shape) const {
  const std::string origin = file_of(tensor).string() + ": tensor " + excerpt(tensor.name);
  if (tensor.data.empty() && tensor.shape != shape) {
    throw InputError(
        "{} is empty; DeepSpeed ZeRO-3 saves such files: gather the weights "
        "(stage3_gather_16bit_weights_on_model_save, or zero_to_fp32.py) and save again",
        origin);
  }
  if (tensor.shape != shape) {
    throw InputError("{} has shape {}, but config.json asks for {}; use the config.json of these weights", origin,
                     shape_text(tensor.shape), shape_text(shape));
  }
  if (!is_float_weight(tensor.dtype)) {
    throw InputError("{} is {}, but weights must be F32, F16 or BF16; convert the checkpoint", origin,
                     dtype_name(tensor.dtype));
  }
}

const Tensor& Checkpoint::input_embedding() const {
  const std::string name = input_embedding_tensor(config_).name;
  const bool only_output = config_.tied_embeddings && !find(name);
  return tensor(only_output ? output_embedding_tensor(config_).name : name);
}

const Tensor& Checkpoint::output_embedding() const {
  const std::string name = output_embedding_tensor(config_).name;
  return config_.tied_embeddings && !find(name) ? input_embedding() : tensor(name);
}

bool Checkpoint::has_output() const { return config_.tied_embeddings || find(output_embedding_tensor(config_).name); }

std::vector<std::string> Checkpoint::notices() const {
  std::vector<std::string> out = config_.notices();
  const std::string output = output_embedding_tensor(config_).name;
  if (!unused_index_.empty()) out.push_back(fmt::format("{} is not used, since a single file is there", unused_index_));
  if (config_.tied_embeddings && &input_embedding() != &output_embedding()) {
    out.push_back(
        fmt::format("config.json ties the output matrix to the embedding, but the files hold {}: it is used, "
                    "as by transformers 5",
                    output));
  }
  if (!has_output()) out.push_back(fmt::format("no file holds {}: the next-token loss is left out", output));
  return out;
}

const Tensor* Checkpoint::find(const std::string& name) const {
  const std::string& base = config_.names.base;
  auto found = tensors_.find(name);
  if (found == tensors_.end() && name.starts_with(base)) found = tensors_.find(name.substr(base.size()));
  return found == tensors_.end() ? nullptr : found->second.first;
}

const Tensor& Checkpoint::tensor(const std::string& name) const {
  const Tensor* found = find(name);
  if (!found) refuse_missing(name);
  return *found;
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
      throw InputError("{}: tensor {} begins with {}; {}", tensors_.at(prefix + inner).second->path().string(),
                       excerpt(prefix + inner), prefix, remedy);
    }
  }
  throw InputError("{}: no file holds tensor {}; complete the checkpoint, or use the config.json of these weights",
                   folder_.string(), excerpt(name));
}

std::vector<const Tensor*> Checkpoint::model_tensors() const {
  std::vector<const Tensor*> all = {&input_embedding()};
  if (has_output()) all.push_back(&output_embedding());
  for (const auto& expected : expected_tensors(config_)) all.push_back(&tensor(expected.name));
  std::sort(all.begin(), all.end(), [](const Tensor* a, const Tensor* b) { return a->name < b->name; });
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

const std::filesystem::path& Checkpoint::file_of(const Tensor& tensor) const { return holder(tensor).path(); }

const SafetensorsFile& Checkpoint::holder(const Tensor& tensor) const { return *tensors_.at(tensor.name).second; }

template <class Number>
void Checkpoint::read_pieces(const Tensor& tensor, Slice rows, Slice columns, std::span<Number> target) const {
  // Piece by piece, so that no more than a piece is mapped.
  constexpr std::int64_t kPieceBytes = 4 << 20;
  constexpr std::size_t kWorthReleasing = 64 << 10;
  require_inside(tensor, rows, columns, target.size());
  const auto row_size = static_cast<std::int64_t>(num_columns(tensor) * dtype_size(tensor.dtype));
  const std::int64_t piece_rows = std::max<std::int64_t>(1, kPieceBytes / std::max<std::int64_t>(1, row_size));
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += piece_rows) {
    const Slice piece{begin, std::min(begin + piece_rows, rows.end)};
    const auto first = static_cast<std::size_t>((begin - rows.begin) * columns.size());
    const auto bytes = row_bytes(tensor, piece);
    convert(tensor, bytes, columns, target.subspan(first, static_cast<std::size_t>(piece.size() * columns.size())));
    if (bytes.size() > kWorthReleasing) holder(tensor).file().release(bytes);
  }
}

void Checkpoint::read(const Tensor& tensor, Slice rows, Slice columns, std::span<float> target) const {
  read_pieces(tensor, rows, columns, target);
}

void Checkpoint::read(const Tensor& tensor, Slice rows, Slice columns, std::span<std::uint16_t> target) const {
  read_pieces(tensor, rows, columns, target);
}

void Checkpoint::prefetch(const Tensor& tensor, Slice rows) const {
  holder(tensor).file().prefetch(row_bytes(tensor, rows));
}

void Checkpoint::release(const Tensor& tensor) const { holder(tensor).file().release(tensor.data); }

std::uint64_t Checkpoint::check_and_hash(const Tensor& tensor) const {
  Hasher hasher;
  io::check_and_hash(holder(tensor), tensor, "row, column", Finite::required, hasher);
  return hasher.digest();
}

}  // namespace logitfield::io
