#include "io/run/run_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "io/descriptor.hpp"
#include "io/error.hpp"
#include "io/file.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

/// Returns an absolute path, whose parents lead up to the root folder.
fs::path absolute_path(const fs::path& root) {
  if (root.empty()) throw InputError("the run folder's path is empty; give a folder's name");
  return fs::absolute(root);
}

/// A link with a missing target counts as existing: nothing can be created in its place. A path inside a folder that
/// may not be searched counts as missing: the folder itself is then refused as not writable.
bool is_taken(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(fs::symlink_status(path, unknown));
}

void refuse_existing(const fs::path& root) {
  if (is_taken(root)) {
    throw FolderExists("{}: already exists; choose another run folder, or remove this one", root.string());
  }
}

fs::path nearest_existing_parent(const fs::path& root) {
  fs::path parent = root.parent_path();
  while (!is_taken(parent)) parent = parent.parent_path();
  return parent;
}

void require_file(const fs::path& root, const fs::path& file) {
  std::error_code unknown;
  if (!fs::is_regular_file(file, unknown)) {
    throw InputError("{}: holds no {}; give the folder of a run", root.string(), file.filename().string());
  }
}

}  // namespace

void check_new_run_folder(const fs::path& root, std::uint64_t needed_bytes) {
  const fs::path path = absolute_path(root);
  refuse_existing(path);
  const fs::path parent = nearest_existing_parent(path);
  if (!fs::is_directory(parent)) throw_system_error(parent, Access::write, ENOTDIR);
  if (::faccessat(AT_FDCWD, parent.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    throw_system_error(parent, Access::write, errno);
  }
  const auto available = fs::space(parent).available;
  if (available < needed_bytes) {
    throw InputError("{}: the run needs {} bytes, but only {} are free there; free space, or choose another disk",
                     path.string(), needed_bytes, available);
  }
}

RunFolder create_run_folder(const fs::path& root) {
  const fs::path path = absolute_path(root);
  refuse_existing(path);
  make_folder(path);
  return {path};
}

RunFolder open_run_folder(const fs::path& root) {
  RunFolder folder{root};
  require_file(root, folder.manifest());
  require_file(root, folder.journal());
  return folder;
}

}  // namespace logitfield::io
