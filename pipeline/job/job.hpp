#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/capture/capture.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/text/tokens.hpp"
#include "kernels/scope.hpp"
#include "pipeline/job/command_line.hpp"
#include "pipeline/job/extents.hpp"
#include "pipeline/job/texts.hpp"

namespace logitfield {

/// The input of a run, opened and checked as far as headers go, with every default filled in.
struct Job {
  /// Exactly one of the three is set; a shape alone can be planned, not run.
  std::unique_ptr<io::Checkpoint> checkpoint;
  std::unique_ptr<io::Capture> capture;
  std::unique_ptr<io::ModelConfig> shape;
  /// The configuration of the checkpoint or the shape.
  const io::ModelConfig* config = nullptr;
  /// With a checkpoint: token texts with unique names. With a capture: one text named after its folder, without tokens.
  std::vector<io::TokenText> texts;
  /// Set where some texts came from --text.
  std::optional<Tokenization> tokenization;
  std::vector<std::string> text_notices;
  /// Ascending; a run takes the first contexts.back() tokens of every text.
  std::vector<std::int64_t> contexts;
  std::int64_t num_layers = 0;
  Slice measured_layers;
  std::int64_t head_dim = 0;
  /// By query head; forms_at adds which keys a layer shows.
  std::vector<kernels::LogitForm> forms;
  /// By layer; empty: every layer shows all keys.
  std::vector<kernels::Visible> visible;
  std::vector<kernels::Scope> scopes;
  /// Folder for the Q and K to be written; empty: they are not written.
  std::filesystem::path dump_captures;
  /// Precision of the forward pass.
  std::string precision = "float32";
  /// The extents that a partition divides; num_layers counts only layers that must be computed.
  ModelExtents extents;

  std::int64_t length() const { return contexts.back(); }
  std::int64_t group_size() const { return extents.num_heads / extents.num_kv_heads; }
  std::int64_t num_texts() const { return static_cast<std::int64_t>(texts.size()); }
  kernels::Visible visible_at(std::int64_t layer) const {
    return visible.empty() ? kernels::Visible{} : visible[static_cast<std::size_t>(layer)];
  }
  /// Logit forms of a layer's query heads.
  std::vector<kernels::LogitForm> forms_at(std::int64_t layer, Slice heads) const;
  std::string model_name() const;
  /// What people should know of the checkpoint and of its texts, a sentence each.
  std::vector<std::string> notices() const;
  /// The loss needs the whole depth of a model, and its output matrix.
  bool has_loss() const {
    return config && (!checkpoint || checkpoint->has_output()) && measured_layers.end == num_layers;
  }
};

/// Opens and checks the input. Throws InputError for everything that Checkpoint, Capture and read_tokens refuse; for
/// contexts longer than a text or than the model's positions; for contexts on both sides of a length at which the
/// model's rotation changes; and for --layers outside the model.
Job open_job(const Options& options);

/// Opens only the model or capture: no texts, contexts or layers are chosen.
Job open_input(const Options& options);

}  // namespace logitfield
