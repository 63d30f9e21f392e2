#pragma once
#include <cstdint>

#include "pipeline/measure/head_source.hpp"

namespace logitfield {

/// One random draw from every head of a layer, in one context. It depends on all queries and keys of the context, so a
/// rank that asks for some rows of a KV head reads all of its rows, twice, in tiles.
class DrawnHeads final : public HeadSource {
 public:
  /// `source` must outlive it. The query heads of a group are drawn separately, their keys once.
  DrawnHeads(const HeadSource& source, std::int64_t context, bool shuffled, std::uint64_t seed)
      : source_(source), context_(context), shuffled_(shuffled), seed_(seed) {}

  GroupRows rows(std::int64_t kv_head, Slice rows) const override;

 private:
  GroupRows gaussian(std::int64_t kv_head, Slice rows) const;
  GroupRows shuffled(std::int64_t kv_head, Slice rows) const;
  /// Seed for the keys (member 0) or for one query head (from 1) of a group.
  std::uint64_t seed_of(std::int64_t kv_head, std::size_t member) const;

  const HeadSource& source_;
  std::int64_t context_;
  bool shuffled_;
  std::uint64_t seed_;
};

}  // namespace logitfield
