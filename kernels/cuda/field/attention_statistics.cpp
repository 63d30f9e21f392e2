#include "kernels/cuda/field/attention_statistics.hpp"

#include <algorithm>

#include "kernels/cuda/heads.hpp"

namespace logitfield::kernels::cuda {

HostRows softmax_rows(const Worker& worker, const DeviceHeads& heads, Index head, Index kv_head, const LogitForm& form,
                      Index length) {
  const Index d = heads.head_dim, strip_rows = std::min(kRowPadding, length);
  const int columns = static_cast<int>(d);
  FactorForm queries{.rows = {.columns = columns}, .factor = form.scale};
  const FactorForm keys{
      .rows = {.data = heads.all_keys.data() + kv_head * heads.length * d, .length = length, .columns = columns}};
  Buffer<double> of_keys(padded_rows(length) * d, worker.stream), of_queries(kRowPadding * d, worker.stream),
      products(strip_rows * length, worker.stream), rows(3 * length, worker.stream);
  make_factor(keys, of_keys.data(), worker.stream);
  for (Index first = 0; first < length; first += kRowPadding) {
    queries.rows.data = heads.all_queries.data() + (head * heads.length + first) * d;
    queries.rows.length = std::min(kRowPadding, length - first);
    const Index seen = first + queries.rows.length;
    make_factor(queries, of_queries.data(), worker.stream);
    worker.products.multiply_transposed({queries.rows.length, seen, d}, {of_queries.data(), d}, {of_keys.data(), d},
                                        {products.data(), seen});
    softmax_rows(
        {first, queries.rows.length, form.alibi_slope, form.softcap.value_or(0), key_mask(form.visible), form.sink},
        products.data(), rows.data() + 3 * first, worker.stream);
  }
  return start_download(rows, length, 3, worker);
}

std::vector<HostRows> narrow_softmax_rows(const Worker& worker, const DeviceHeads& heads,
                                          std::span<const LogitForm> forms, Index length) {
  const std::vector<HeadForm> host_forms = head_forms(forms);
  const Index count = std::ssize(forms), kv_heads = heads.all_keys.size() / (heads.length * heads.head_dim);
  const Buffer<HeadForm> device_forms = send<HeadForm>(host_forms, worker);
  Buffer<double> rows(count * length * 3, worker.stream);
  softmax_rows({count, kv_heads, heads.length, length, static_cast<int>(heads.head_dim)}, device_forms.data(),
               heads.narrow_queries.data(), heads.narrow_keys.data(), rows.data(), worker.stream);
  const HostRows found = start_download(rows, count * length, 3, worker);
  std::vector<HostRows> out;
  for (Index h = 0; h < count; ++h) out.push_back({found.data + 3 * h * length, length, 3});
  return out;
}

}  // namespace logitfield::kernels::cuda
