#include "io/run/step_folders.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "io/capture/capture_format.hpp"
#include "io/error.hpp"
#include "io/printable.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

/// A checkpoint whose name gives a step.
struct NamedFolder {
  StepFolder folder;
  StepName name;
  /// The path itself, or the folder that it links to.
  fs::path target;
  /// Whether it was measured before and no longer exists.
  bool is_gone = false;
};

/// Makes "folder/" name the folder itself.
fs::path whole_path(const fs::path& folder) { return fs::absolute(folder / "").lexically_normal().parent_path(); }

bool is_being_made(const std::string& name) {
  return name.starts_with('.') || name.starts_with("tmp") || name.ends_with(".tmp");
}

/// Finds checkpoints, then puts them in order.
class StepSearch {
 public:
  explicit StepSearch(const StepNames& names) : names_(names) {}

  void add(const fs::path& path) {
    const std::size_t before = named_.size();
    if (is_checkpoint(path)) {
      add_inside(path);
      const bool holds_checkpoints = named_.size() > before;
      if (holds_checkpoints) {
        leave_out(path, "it holds checkpoints, so it is their final model");
      } else {
        add_checkpoint(path);
      }
    } else {
      add_inside(path);
    }
  }

  /// Keeps the place of a checkpoint that was measured before and no longer exists, unless an existing one has that
  /// place.
  void keep_place(const fs::path& path) {
    const auto read = names_.read(path.filename().string());
    const auto* name = std::get_if<StepName>(&read);
    const auto has_it = [&](const NamedFolder& one) {
      return one.name.stage == name->stage && one.name.branch == name->branch && one.name.step == name->step;
    };
    if (!name || std::ranges::any_of(named_, has_it)) return;
    named_.push_back({{name->step, path, false}, *name, path, true});
  }

  StepFolders in_order() && {
    leave_out_repeated();
    leave_out_doubtful();
    leave_out_without_stage();
    leave_out_branches();
    leave_out_equal();
    std::ranges::sort(named_, {}, place);
    begin_stages_behind_each_other();
    std::int64_t last_stage = -1;
    for (const NamedFolder& one : named_) {
      if (!one.is_gone) last_stage = one.name.stage;
    }
    for (NamedFolder& one : named_) {
      if (!one.is_gone) {
        out_.found.push_back(std::move(one.folder));
      } else if (one.name.stage < last_stage) {
        out_.gone.push_back(std::move(one.folder.path));
      }
    }
    std::ranges::sort(out_.left_out, {}, &LeftOut::path);
    return std::move(out_);
  }

 private:
  static std::tuple<std::int64_t, std::int64_t, fs::path> place(const NamedFolder& one) {
    return {one.name.stage, one.name.step, one.folder.path};
  }

  static bool is_capture(const fs::path& path) { return fs::exists(capture_info_path(path)); }
  static bool is_checkpoint(const fs::path& path) { return is_capture(path) || fs::exists(path / "config.json"); }

  void add_checkpoint(const fs::path& path) {
    const auto name = names_.read(path.filename().string());
    if (const auto* reason = std::get_if<std::string>(&name)) {
      leave_out(path, *reason);
    } else {
      const auto& found = std::get<StepName>(name);
      named_.push_back({{found.step, path, is_capture(path)}, found, fs::weakly_canonical(path)});
    }
  }

  void add_inside(const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      std::error_code gone;
      if (!entry.is_directory(gone) || is_being_made(name) || !is_checkpoint(entry.path())) continue;
      if (entry.is_symlink(gone) && std::holds_alternative<std::string>(names_.read(name))) continue;
      add_checkpoint(entry.path());
    }
  }

  void leave_out(const fs::path& path, std::string reason) { out_.left_out.push_back({path, std::move(reason)}); }

  /// Leaves out the checkpoints for which `reason_of` gives a reason.
  template <class ReasonOf>
  void leave_out_where(const ReasonOf& reason_of) {
    std::vector<NamedFolder> kept;
    for (NamedFolder& one : named_) {
      std::string reason = reason_of(one);
      if (reason.empty()) {
        kept.push_back(std::move(one));
      } else if (!one.is_gone) {
        leave_out(one.folder.path, std::move(reason));
      }
    }
    named_ = std::move(kept);
  }

  /// A folder that was given twice, or has links, counts once: by its own name.
  void leave_out_repeated() {
    const auto place = [](const NamedFolder& one) { return std::tuple(one.target, fs::is_symlink(one.folder.path)); };
    std::ranges::sort(named_, {}, place);
    const auto same = [](const NamedFolder& a, const NamedFolder& b) { return a.target == b.target; };
    named_.erase(std::unique(named_.begin(), named_.end(), same), named_.end());
  }

  void leave_out_doubtful() {
    int least = 2;
    for (const NamedFolder& one : named_) least = std::min(least, one.name.doubt);
    leave_out_where([&](const NamedFolder& one) {
      return one.name.doubt > least
                 ? fmt::format("{} in its name is less surely a step than those in other names", one.name.step)
                 : "";
    });
  }

  void leave_out_without_stage() {
    if (std::ranges::all_of(named_, [](const NamedFolder& one) { return one.name.stage < 0; })) return;
    leave_out_where([](const NamedFolder& one) {
      return std::string(one.name.stage < 0 ? "its name has no stage, unlike other names" : "");
    });
  }

  /// Branches of one stage start from the same checkpoint: only the first belongs to the series.
  void leave_out_branches() {
    const std::vector<NamedFolder> all = named_;
    leave_out_where([&](const NamedFolder& one) {
      std::int64_t first = one.name.branch;
      for (const NamedFolder& other : all) {
        if (other.name.stage == one.name.stage) first = std::min(first, other.name.branch);
      }
      return first == one.name.branch
                 ? ""
                 : fmt::format("it belongs to another branch of its stage (ingredient {})", one.name.branch);
    });
  }

  /// If two have the same step, leaves out both. If only one of them is the copy of a chosen model, leaves out only
  /// that one.
  void leave_out_equal() {
    const std::vector<NamedFolder> all = named_;
    leave_out_where([&](const NamedFolder& one) {
      const auto same = std::ranges::find_if(all, [&](const NamedFolder& other) {
        return other.name.step == one.name.step && other.name.stage == one.name.stage &&
               other.folder.path != one.folder.path && (one.name.is_chosen || !other.name.is_chosen);
      });
      return same == all.end() ? ""
                               : fmt::format("it is at step {}, as is {}", one.name.step, same->folder.path.string());
    });
  }

  /// Requires the checkpoints in order.
  void begin_stages_behind_each_other() {
    std::int64_t last = 0, behind = 0, stage = named_.empty() ? 0 : named_.front().name.stage;
    for (NamedFolder& one : named_) {
      if (one.name.stage != stage) behind = one.name.step > last ? 0 : last;
      stage = one.name.stage;
      one.folder.step = one.name.step + behind;
      last = one.folder.step;
    }
  }

  const StepNames& names_;
  std::vector<NamedFolder> named_;
  StepFolders out_;
};

}  // namespace

StepFolders find_step_folders(const std::vector<fs::path>& folders, const StepNames& names,
                              const std::vector<fs::path>& measured) {
  StepSearch search(names);
  for (const fs::path& folder : folders) {
    const fs::path path = whole_path(folder);
    if (!fs::is_directory(path)) {
      throw InputError("{}: is not a folder; give checkpoints, or folders of checkpoints", path.string());
    }
    search.add(path);
  }
  for (const fs::path& path : measured) search.keep_place(path);
  return std::move(search).in_order();
}

nlohmann::json file_stamps(const fs::path& folder) {
  nlohmann::json out = nlohmann::json::object();
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(folder, gone)) {
    if (!entry.is_regular_file(gone)) continue;
    const auto changed = entry.last_write_time(gone).time_since_epoch();
    out[printable_line(entry.path().filename().string())] = {entry.file_size(gone), changed.count()};
  }
  return out;
}

}  // namespace logitfield::io
