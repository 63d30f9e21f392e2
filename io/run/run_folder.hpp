#pragma once
#include <cstdint>
#include <filesystem>

#include "io/error.hpp"

namespace logitfield::io {

/// The files of one run (see docs/run-folder.md).
struct RunFolder {
  std::filesystem::path root;

  std::filesystem::path manifest() const { return root / "manifest.json"; }
  std::filesystem::path journal() const { return root / "journal"; }
  std::filesystem::path lock() const { return root / "lock"; }
  /// Hidden states from which an unfinished run resumes.
  std::filesystem::path state() const { return root / "state"; }
  std::filesystem::path heads_csv() const { return root / "heads.csv"; }
  std::filesystem::path nulls_csv() const { return root / "nulls.csv"; }
  std::filesystem::path head_nulls_csv() const { return root / "head_nulls.csv"; }
  std::filesystem::path results_nc() const { return root / "results.nc"; }
  std::filesystem::path summary() const { return root / "summary.json"; }
  std::filesystem::path report() const { return root / "report.html"; }
};

/// Thrown if the path of a new run folder already exists.
class FolderExists : public InputError {
  using InputError::InputError;
};

/// Throws FolderExists if `root` exists, and InputError if its nearest existing parent is not a folder or cannot be
/// written, or if the file system has fewer than `needed_bytes` free. Changes nothing.
void check_new_run_folder(const std::filesystem::path& root, std::uint64_t needed_bytes);
/// Creates the folder and its missing parents; throws FolderExists, and InputError if it cannot be created.
RunFolder create_run_folder(const std::filesystem::path& root);
/// Throws InputError if `root` is not a folder that holds a manifest and a journal.
RunFolder open_run_folder(const std::filesystem::path& root);

}  // namespace logitfield::io
