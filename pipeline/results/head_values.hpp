#pragma once
#include <vector>

#include "pipeline/results/reading.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {

/// The statistics that pictures show: all but certificates and bounds, in column order.
std::vector<StatisticInfo> shown_statistics();

/// Indexed by shown statistic, then by head, layers outermost. Undefined also where the head is not certified or not
/// measured yet.
using HeadValues = std::vector<std::vector<Reading>>;
HeadValues head_values(const Results& results, std::size_t text, std::size_t field);
/// For each head, the median over the texts that define the value.
HeadValues medians_over_texts(const std::vector<HeadValues>& by_text);

/// Calls visit(layer * num_heads + head, statistics) for the heads of a text that the journal holds, layers counted
/// from the first that was measured.
template <class Visit>
void for_each_head(const Results& r, std::size_t text, std::size_t field, Visit&& visit) {
  for (std::int64_t l = 0; l < r.num_layers; ++l) {
    const auto found = r.layers.find({static_cast<std::int64_t>(text), r.first_layer + l});
    if (found == r.layers.end()) continue;
    for (const HeadRecord& head : found->second.heads) {
      visit(static_cast<std::size_t>(l * r.num_heads + head.head), head.fields[field]);
    }
  }
}

}  // namespace logitfield
