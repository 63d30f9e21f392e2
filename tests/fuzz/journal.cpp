// Fuzzes the journal of a run.
#include "io/run/journal.hpp"

#include "tests/fuzz/input.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::fuzz {

void check(std::string_view input) {
  static const testing::TemporaryFolder folder;
  const auto path = folder.write("journal", input), copy_path = folder.path() / "copy";
  io::JournalContent content;
  if (!accepts([&] { content = io::read_journal(path); })) return;
  require(content.valid_bytes + content.torn_bytes == input.size(), "every byte is valid or torn");

  std::filesystem::remove(copy_path);
  {
    auto copy = io::Journal::create(copy_path);
    for (const auto& record : content.records) copy.append(record);
  }
  if (content.damage.empty() && content.valid_bytes > 0) {
    require(testing::content_of(copy_path) == input.substr(0, content.valid_bytes), "records are written as they were");
  }

  io::Journal::extend(path, content).append(std::as_bytes(std::span("more")));
  content.records.emplace_back(5);
  const auto again = io::read_journal(path);
  require(again.torn_bytes == 0 && again.damage.empty(), "a resumed journal is sound");
  require(again.records.size() == content.records.size(), "a torn or damaged journal resumes");
}

}  // namespace logitfield::fuzz
