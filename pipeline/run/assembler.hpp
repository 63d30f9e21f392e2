#pragma once
#include <cstdint>
#include <functional>
#include <map>

#include "pipeline/results/record.hpp"

namespace logitfield {

/// Puts the shards' parts of each (text, layer) together. Once all shards are in, passes the layer on with its heads in
/// order.
class Assembler {
 public:
  Assembler(int shards, std::function<void(Record)> complete);
  void add(Record record);

 private:
  struct Waiting {
    LayerRecord record;
    int parts = 0;
  };
  int shards_;
  std::function<void(Record)> complete_;
  std::map<std::pair<std::int64_t, std::int64_t>, Waiting> waiting_;
};

}  // namespace logitfield
