#include "kernels/cuda/field/field_statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "kernels/cuda/field/attention_statistics.hpp"
#include "kernels/field/attention_statistics.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Requests by context.
using ByContext = std::map<Index, std::vector<std::size_t>>;

ByContext by_context(Index length, std::span<const FieldRequest> requests) {
  ByContext out;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const Index context = requests[r].context;
    if (context < 2 || context > length) {
      throw std::invalid_argument(fmt::format("a context of {} is outside 2 ... {}", context, length));
    }
    out[context].push_back(r);
  }
  return out;
}

/// The longest context in which attention is measured; 0 if there is none.
Index longest_attended(const ByContext& contexts) {
  Index longest = 0;
  for (const auto& [context, which] : contexts) {
    if (context <= kernels::kLongestAttention) longest = context;
  }
  return longest;
}

/// Attention statistics of the first `context` of the softmax rows [n, 3].
AttentionStatistics attention_of(const HostRows& rows, Index context) {
  const auto seen = rows.matrix().topRows(context);
  return {seen.col(0).maxCoeff<Eigen::PropagateNaN>(), seen.col(1).mean(), seen.col(2).mean()};
}

/// The fields of all heads in a context, as far as their memory depends on it.
DeviceFields device_fields(const DeviceHeads& heads, Index members, Index context,
                           std::span<const FieldRequest> requests) {
  const auto asks = [&](Route route) {
    return std::ranges::any_of(requests, [=](auto& r) { return r.route == route; });
  };
  return {.context = context,
          .head_dim = heads.head_dim,
          .kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim),
          .members = members,
          .factored = asks(Route::factored),
          .dense = asks(Route::dense)};
}

}  // namespace

FieldMeasurer::FieldMeasurer() : threads_(host_threads()) {
  for (int t = 0; t < threads_.count(); ++t) workers_.push_back(std::make_unique<Worker>());
}

void FieldMeasurer::begin(const DeviceHeads& heads) const {
  const auto take = [&](const Worker& worker) {
    heads.ready->hold_back(worker.stream);
    worker.room.clear();
  };
  for (const auto& worker : workers_) take(*worker);
  for (const Worker* lane : lanes_.all()) take(*lane);
  take(attention_);
}

void FieldMeasurer::share(std::size_t count, const std::function<void(const Worker&, std::size_t)>& run) const {
  std::atomic<std::size_t> next = 0;
  threads_.run([&](int thread) {
    for (std::size_t t = next++; t < count; t = next++) run(*workers_[static_cast<std::size_t>(thread)], t);
  });
}

std::vector<HostRows> FieldMeasurer::softmax(const DeviceHeads& heads, std::span<const LogitForm> forms,
                                             Index length) const {
  if (length == 0) return {};
  if (heads.narrow_queries.size() > 0) return narrow_softmax_rows(attention_, heads, forms, length);
  const Index kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Index members = std::ssize(forms) / kv_heads;
  std::vector<HostRows> out(forms.size());
  share(forms.size(), [&](const Worker& worker, std::size_t h) {
    const auto head = static_cast<Index>(h);
    out[h] = softmax_rows(worker, heads, head, head / members, forms[h], length);
    worker.stream.wait();
  });
  return out;
}

std::vector<std::vector<HeadStatistics>> FieldMeasurer::measure(const DeviceHeads& heads,
                                                                std::span<const LogitForm> forms,
                                                                std::span<const FieldRequest> requests) const {
  const ByContext contexts = by_context(heads.length, requests);
  begin(heads);
  const Index attended = longest_attended(contexts);
  const std::vector<HostRows> attention = softmax(heads, forms, attended);
  const Index kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Index members = std::ssize(forms) / kv_heads;
  std::vector<std::vector<HeadStatistics>> out(forms.size(), std::vector<HeadStatistics>(requests.size()));
  for (const auto& [context, which] : contexts) {
    std::vector<FieldRequest> here;
    for (const std::size_t r : which) here.push_back(requests[r]);
    const Index together = kv_heads_together(device_fields(heads, members, context, here));
    for (Index first = 0; first < kv_heads; first += together) {
      const Index some = std::min(together, kv_heads - first), first_head = first * members;
      for (const Worker* lane : lanes_.all()) lane->room.clear();
      HeadBatch batch(lanes_, heads, first, some,
                      {forms.begin() + first_head, forms.begin() + first_head + some * members}, context);
      batch.prepare(here);
      attention_.stream.wait();
      share(static_cast<std::size_t>(some * members), [&](const Worker& worker, std::size_t h) {
        const auto head = static_cast<Index>(h);
        FieldContext fields(worker, batch, head / members, head, 1);
        const std::size_t place = static_cast<std::size_t>(first_head) + h;
        for (const std::size_t r : which) {
          out[place][r] = fields.measure(0, requests[r]);
          if (context <= attended) kernels::attach(attention_of(attention[place], context), kUndefined, out[place][r]);
        }
      });
    }
  }
  return out;
}

}  // namespace logitfield::kernels::cuda
