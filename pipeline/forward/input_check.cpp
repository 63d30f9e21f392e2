#include "pipeline/forward/input_check.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "io/hash.hpp"
#include "io/weights/tensor_check.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/mpi/agreement.hpp"

namespace logitfield {
namespace {

/// Hashes of the numbered parts of the input, each by one rank; `bytes[i]` is part i's size.
template <class HashPart>
std::uint64_t hash_parts(const mpi::Communicator& world, const std::vector<std::uint64_t>& bytes, HashPart hash_part) {
  std::vector<std::uint64_t> load(world.size(), 0), mine;  // mine: (part, hash) pairs
  Activity checking("reading and checking the numbers", std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0}));
  mpi::agree(world, [&] {
    for (std::size_t part = 0; part < bytes.size(); ++part) {
      const auto least = std::min_element(load.begin(), load.end());
      *least += bytes[part];
      if (least - load.begin() == world.rank()) mine.insert(mine.end(), {part, hash_part(part)});
      checking.advance(bytes[part]);
    }
  });
  std::vector<std::uint64_t> all(bytes.size());
  for (const auto& from_rank : world.gather(std::as_bytes(std::span(mine)))) {
    std::vector<std::uint64_t> pairs(from_rank.size() / sizeof(std::uint64_t));
    if (!pairs.empty()) std::memcpy(pairs.data(), from_rank.data(), from_rank.size());
    for (std::size_t i = 0; i < pairs.size(); i += 2) all[pairs[i]] = pairs[i + 1];
  }
  const std::uint64_t hash = io::hash_bytes(std::as_bytes(std::span(all)));
  std::string text(sizeof hash, '\0');
  std::memcpy(text.data(), &hash, sizeof hash);
  text = world.broadcast(std::move(text), 0);
  std::uint64_t agreed;
  std::memcpy(&agreed, text.data(), sizeof agreed);
  return agreed;
}

}  // namespace

std::uint64_t check_and_hash_input(const Job& job, const mpi::Communicator& world, std::vector<NotFinite>* not_finite) {
  if (job.is_capture()) {
    const std::vector<std::uint64_t> bytes(job.num_layers, 1);
    return hash_parts(world, bytes,
                      [&](std::size_t layer) { return job.capture().check_and_hash(std::int64_t(layer)); });
  }
  const std::vector<const io::StoredWeight*> weights = job.checkpoint().weights();
  std::vector<std::uint64_t> bytes;
  for (const io::StoredWeight* weight : weights) bytes.push_back(weight->num_bytes());
  std::vector<NotFinite> mine;
  const std::uint64_t hash = hash_parts(world, bytes, [&](std::size_t i) -> std::uint64_t {
    try {
      return weights[i]->check_and_hash();
    } catch (const io::NotFiniteError& error) {
      if (!not_finite) throw;
      mine.push_back(locate(job.checkpoint(), error));
      return 0;
    }
  });
  if (not_finite) *not_finite = all_of(mine, world);
  return hash;
}

}  // namespace logitfield
