#pragma once
#include <chrono>

#include "pipeline/plan/plan.hpp"
#include "pipeline/run/assembler.hpp"
#include "pipeline/run/open_run.hpp"
#include "pipeline/run/progress.hpp"

namespace logitfield {

/// Rank 0's side of a session: assembles the records that the ranks send, writes them to the journal, shows progress,
/// and removes saved states that are no longer needed.
class JournalWriter {
 public:
  /// `run` must outlive it.
  JournalWriter(const Job& job, const Plan& plan, OpenRun& run);
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// Throws InputError if the journal cannot be written (a full disk).
  void add(Record record) { assembler_.add(std::move(record)); }

 private:
  using Clock = std::chrono::steady_clock;
  void write(const Record& record);
  void prune();

  OpenRun& run_;
  Assembler assembler_;
  Progress progress_;
  Clock::time_point pruned_ = Clock::now();
};

}  // namespace logitfield
