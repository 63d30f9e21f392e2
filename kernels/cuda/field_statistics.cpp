#include "kernels/cuda/field_statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>

#include "kernels/cpu/attention_statistics.hpp"
#include "kernels/cuda/heads.hpp"

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

/// By (head, context), of contexts up to kLongestAttention: one pass for all.
std::map<std::pair<Index, Index>, AttentionStatistics> attention(const Worker& worker, const DeviceHeads& heads,
                                                                 std::span<const LogitForm> forms,
                                                                 const ByContext& contexts) {
  std::map<std::pair<Index, Index>, AttentionStatistics> out;
  Index longest = 0;
  for (const auto& [context, which] : contexts) {
    if (context <= cpu::kLongestAttention) longest = context;
  }
  if (longest == 0) return out;
  const std::vector<HeadForm> host_forms = head_forms(forms);
  const Index count = std::ssize(forms), kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Buffer<HeadForm> device_forms{std::span<const HeadForm>(host_forms), worker.stream};
  Buffer<double> rows(count * longest * 3, worker.stream);
  const SoftmaxSizes sizes{count, kv_heads, heads.length, longest, static_cast<int>(heads.head_dim)};
  if (heads.narrow_queries.size() > 0) {
    softmax_rows(sizes, device_forms.data(), heads.narrow_queries.data(), heads.narrow_keys.data(), rows.data(),
                 worker.stream);
  } else {
    softmax_rows(sizes, device_forms.data(), heads.all_queries.data(), heads.all_keys.data(), rows.data(),
                 worker.stream);
  }
  const Matrix found = download(rows, count * longest, 3);
  for (Index h = 0; h < count; ++h) {
    const auto own = found.middleRows(h * longest, longest);
    for (const auto& [context, which] : contexts) {
      if (context > longest) break;
      const auto seen = own.topRows(context);
      out[{h, context}] = {seen.col(0).maxCoeff(), seen.col(1).mean(), seen.col(2).mean()};
    }
  }
  return out;
}

}  // namespace

FieldMeasurer::FieldMeasurer(int number) : number_(number) {
  for (int t = 0; t < host_threads(); ++t) workers_.push_back(std::make_unique<Worker>());
}

std::vector<std::vector<HeadStatistics>> FieldMeasurer::measure(const DeviceHeads& heads,
                                                                std::span<const LogitForm> forms,
                                                                std::span<const FieldRequest> requests) const {
  const ByContext contexts = by_context(heads.length, requests);
  for (const auto& worker : workers_) heads.ready->hold_back(worker->stream);
  const auto attended = attention(*workers_[0], heads, forms, contexts);
  const Index kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Index members = std::ssize(forms) / kv_heads;
  std::vector<std::vector<HeadStatistics>> out(forms.size(), std::vector<HeadStatistics>(requests.size()));

  struct Task {
    Index context, first_head, heads;
  };
  // Query heads share the factored keys of their KV head; where that would leave host threads idle, whose SVDs take
  // longer than the keys' products on the device, each is a task of its own.
  const bool apart = kv_heads * std::ssize(contexts) < std::ssize(workers_);
  const Index together = apart ? 1 : members;
  std::vector<Task> tasks;  // long contexts first
  for (auto c = contexts.rbegin(); c != contexts.rend(); ++c) {
    for (Index h = 0; h < std::ssize(forms); h += together) tasks.push_back({c->first, h, together});
  }
  const auto measure_task = [&](const Worker& worker, const Task& task) {
    const Index first = task.first_head;
    FieldContext fields(worker, heads, first / members, first,
                        {forms.begin() + first, forms.begin() + first + task.heads}, task.context);
    for (Index m = 0; m < task.heads; ++m) {
      for (const std::size_t r : contexts.at(task.context)) {
        HeadStatistics& statistics = out[static_cast<std::size_t>(first + m)][r];
        statistics = fields.measure(static_cast<std::size_t>(m), requests[r]);
        const auto found = attended.find({first + m, task.context});
        if (found != attended.end() && statistics.certificate.finite) statistics.attention = found->second;
      }
    }
  };
  std::atomic<std::size_t> next = 0;
  const auto work = [&](const Worker& worker) {
    use_device(number_);
    for (std::size_t t = next++; t < tasks.size(); t = next++) measure_task(worker, tasks[t]);
  };
  std::vector<std::future<void>> others;
  for (std::size_t t = 1; t < std::min(workers_.size(), tasks.size()); ++t) {
    others.push_back(std::async(std::launch::async, [&, t] { work(*workers_[t]); }));
  }
  work(*workers_[0]);
  for (std::future<void>& other : others) other.get();
  return out;
}

}  // namespace logitfield::kernels::cuda
