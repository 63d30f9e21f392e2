#include "pipeline/run/assembler.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace logitfield {

Assembler::Assembler(int shards, std::function<void(Record)> complete)
    : shards_(shards), complete_(std::move(complete)) {}

void Assembler::add(Record record) {
  auto* part = std::get_if<LayerRecord>(&record);
  if (!part) return complete_(std::move(record));
  const std::pair key{part->text, part->layer};
  Waiting& waiting = waiting_[key];
  waiting.record.text = part->text;
  waiting.record.layer = part->layer;
  std::vector<HeadRecord>& heads = waiting.record.heads;
  std::move(part->heads.begin(), part->heads.end(), std::back_inserter(heads));
  if (++waiting.parts < shards_) return;
  std::sort(heads.begin(), heads.end(), [](const HeadRecord& a, const HeadRecord& b) { return a.head < b.head; });
  complete_(std::move(waiting.record));
  waiting_.erase(key);
}

}  // namespace logitfield
