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
  std::vector<HeadForm> host_forms;
  for (const LogitForm& form : forms) {
    host_forms.push_back({static_cast<float>(form.scale), static_cast<float>(form.alibi_slope),
                          static_cast<float>(form.softcap.value_or(0))});
  }
  const Index count = std::ssize(forms), kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Buffer<HeadForm> device_forms{std::span<const HeadForm>(host_forms), worker.stream};
  Buffer<double> rows(count * longest * 3, worker.stream);
  softmax_rows({count, kv_heads, heads.length, longest, static_cast<int>(heads.head_dim)}, device_forms.data(),
               heads.all_queries.data(), heads.all_keys.data(), rows.data(), worker.stream);
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
  const auto attended = attention(*workers_[0], heads, forms, contexts);
  const Index kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Index members = std::ssize(forms) / kv_heads;
  std::vector<std::vector<HeadStatistics>> out(forms.size(), std::vector<HeadStatistics>(requests.size()));

  struct Task {
    Index kv_head, context;
  };
  std::vector<Task> tasks;  // long contexts first
  for (auto c = contexts.rbegin(); c != contexts.rend(); ++c) {
    for (Index kv = 0; kv < kv_heads; ++kv) tasks.push_back({kv, c->first});
  }
  const auto measure_task = [&](const Worker& worker, const Task& task) {
    const Index first = task.kv_head * members;
    FieldContext fields(worker, heads, task.kv_head, {forms.begin() + first, forms.begin() + first + members},
                        task.context);
    for (Index m = 0; m < members; ++m) {
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
