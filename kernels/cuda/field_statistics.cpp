#include "kernels/cuda/field_statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>

#include "kernels/cuda/attention_statistics.hpp"
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
    if (context <= cpu::kLongestAttention) longest = context;
  }
  return longest;
}

/// Attention statistics of the first `context` of the softmax rows [n, 3].
AttentionStatistics attention_of(const Matrix& rows, Index context) {
  const auto seen = rows.topRows(context);
  return {seen.col(0).maxCoeff<Eigen::PropagateNaN>(), seen.col(1).mean(), seen.col(2).mean()};
}

}  // namespace

FieldMeasurer::FieldMeasurer(int number) : number_(number) {
  for (int t = 0; t < host_threads(); ++t) workers_.push_back(std::make_unique<Worker>());
}

void FieldMeasurer::share(std::size_t count, const std::function<void(const Worker&, std::size_t)>& run) const {
  std::atomic<std::size_t> next = 0;
  const auto work = [&](const Worker& worker) {
    use_device(number_);
    for (std::size_t t = next++; t < count; t = next++) run(worker, t);
  };
  std::vector<std::future<void>> others;
  for (std::size_t t = 1; t < std::min(workers_.size(), count); ++t) {
    others.push_back(std::async(std::launch::async, [&, t] { work(*workers_[t]); }));
  }
  work(*workers_[0]);
  for (std::future<void>& other : others) other.get();
}

std::vector<Matrix> FieldMeasurer::softmax(const DeviceHeads& heads, std::span<const LogitForm> forms,
                                           Index length) const {
  if (length == 0) return {};
  if (heads.narrow_queries.size() > 0) return narrow_softmax_rows(*workers_[0], heads, forms, length);
  const Index kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Index members = std::ssize(forms) / kv_heads;
  std::vector<Matrix> out(forms.size());
  share(forms.size(), [&](const Worker& worker, std::size_t h) {
    const auto head = static_cast<Index>(h);
    out[h] = softmax_rows(worker, heads, head, head / members, forms[h], length);
  });
  return out;
}

std::vector<std::vector<HeadStatistics>> FieldMeasurer::measure(const DeviceHeads& heads,
                                                                std::span<const LogitForm> forms,
                                                                std::span<const FieldRequest> requests) const {
  const ByContext contexts = by_context(heads.length, requests);
  for (const auto& worker : workers_) heads.ready->hold_back(worker->stream);
  const Index attended = longest_attended(contexts);
  const std::vector<Matrix> attention = softmax(heads, forms, attended);
  const Index kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Index members = std::ssize(forms) / kv_heads;
  std::vector<std::vector<HeadStatistics>> out(forms.size(), std::vector<HeadStatistics>(requests.size()));

  struct Task {
    Index context, first_head, heads;
  };
  // Query heads share the factored keys of their KV head. But if that leaves host threads idle, each head is a task of
  // its own: its SVDs on the host take longer than the keys' products on the device.
  const bool apart = kv_heads * std::ssize(contexts) < std::ssize(workers_);
  const Index together = apart ? 1 : members;
  std::vector<Task> tasks;  // long contexts first
  for (auto c = contexts.rbegin(); c != contexts.rend(); ++c) {
    for (Index h = 0; h < std::ssize(forms); h += together) tasks.push_back({c->first, h, together});
  }
  share(tasks.size(), [&](const Worker& worker, std::size_t t) {
    const Task& task = tasks[t];
    const Index first = task.first_head;
    FieldContext fields(worker, heads, first / members, first,
                        {forms.begin() + first, forms.begin() + first + task.heads}, task.context);
    for (Index m = 0; m < task.heads; ++m) {
      const auto head = static_cast<std::size_t>(first + m);
      for (const std::size_t r : contexts.at(task.context)) {
        out[head][r] = fields.measure(static_cast<std::size_t>(m), requests[r]);
        if (task.context <= attended) cpu::attach(attention_of(attention[head], task.context), out[head][r]);
      }
    }
  });
  return out;
}

}  // namespace logitfield::kernels::cuda
