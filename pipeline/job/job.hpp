#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "io/capture/capture.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "io/text/tokens.hpp"
#include "pipeline/job/job_sizes.hpp"
#include "pipeline/job/options.hpp"
#include "pipeline/job/texts.hpp"

namespace logitfield {

/// The input of a job: a model with its weights, recorded Q and K, or the configuration of a model without weights,
/// which can be planned but not run.
using JobInput = std::variant<std::monostate, std::unique_ptr<io::Checkpoint>, std::unique_ptr<io::Capture>,
                              std::unique_ptr<const io::ModelConfig>>;

/// The input of a run, opened and checked as far as headers go, with every default filled in.
struct Job : JobSizes {
  JobInput input;
  /// Set if some texts came from --text.
  std::optional<Tokenization> tokenization;
  std::vector<std::string> text_notices;
  /// Folder to write Q and K to; empty: they are not written.
  std::filesystem::path dump_captures;

  /// Return the input as this kind. Throw std::bad_variant_access if it is of another kind.
  io::Checkpoint& checkpoint() const { return *std::get<std::unique_ptr<io::Checkpoint>>(input); }
  io::Capture& capture() const { return *std::get<std::unique_ptr<io::Capture>>(input); }
  bool is_imagined() const { return std::holds_alternative<std::unique_ptr<const io::ModelConfig>>(input); }

  /// With a checkpoint: token texts with unique names. With a capture: one text named after its folder, without tokens.
  const std::vector<io::TokenText>& texts() const { return texts_; }
  /// Sets the texts and num_texts.
  void set_texts(std::vector<io::TokenText> texts) {
    texts_ = std::move(texts);
    num_texts = std::ssize(texts_);
  }

  std::string model_name() const;
  /// Notices about the checkpoint and its texts, for people: one sentence each.
  std::vector<std::string> notices() const;

 private:
  std::vector<io::TokenText> texts_;
};

/// Opens and checks the input. Throws InputError for everything that Checkpoint, Capture and read_tokens refuse; for
/// contexts longer than a text or than the model's positions; for contexts on both sides of a length at which the
/// model's rotation changes; and for --layers outside the model.
Job open_job(const Options& options);

/// Opens only the model or capture: no texts, contexts or layers are chosen.
Job open_input(const Options& options);

}  // namespace logitfield
