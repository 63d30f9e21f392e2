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

using io::Fingerprint;

/// Appends the reading of one part: its number, its hash, the number of its blocks, and the hash of each block.
void append(std::vector<std::uint64_t>& found, std::size_t part, const Fingerprint& fingerprint) {
  found.insert(found.end(), {part, fingerprint.hash, fingerprint.blocks.size()});
  found.insert(found.end(), fingerprint.blocks.begin(), fingerprint.blocks.end());
}

std::vector<Fingerprint> decode_found(const std::string& text, std::size_t parts) {
  std::vector<std::uint64_t> found(text.size() / sizeof(std::uint64_t));
  if (!found.empty()) std::memcpy(found.data(), text.data(), text.size());
  std::vector<Fingerprint> out(parts);
  for (auto entry = found.begin(); entry != found.end();) {
    const auto blocks = entry + 3, end = blocks + static_cast<std::ptrdiff_t>(entry[2]);
    out[entry[0]] = {entry[1], {blocks, end}};
    entry = end;
  }
  return out;
}

/// Reads each part of the input on one rank and returns all readings on every rank. `bytes[i]` is the size of part i.
template <class Read>
std::vector<Fingerprint> read_all(const mpi::Communicator& world, const std::vector<std::uint64_t>& bytes, Read read) {
  std::vector<std::uint64_t> load(world.size(), 0), mine;
  Activity checking("reading and checking all numbers", std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0}));
  mpi::agree(world, [&] {
    for (std::size_t part = 0; part < bytes.size(); ++part) {
      const auto least = std::min_element(load.begin(), load.end());
      *least += bytes[part];
      if (least - load.begin() == world.rank()) append(mine, part, read(part));
      checking.advance(bytes[part]);
    }
  });
  std::string all;
  for (const auto& found : world.gather(std::as_bytes(std::span(mine)))) {
    all.append(reinterpret_cast<const char*>(found.data()), found.size());
  }
  return decode_found(world.broadcast(std::move(all), 0), bytes.size());
}

std::uint64_t hash_of(const std::vector<Fingerprint>& parts) {
  std::vector<std::uint64_t> hashes;
  for (const Fingerprint& part : parts) hashes.push_back(part.hash);
  return io::hash_bytes(std::as_bytes(std::span(hashes)));
}

std::uint64_t check_and_hash_capture(io::Capture& capture, const mpi::Communicator& world) {
  const std::vector<std::uint64_t> bytes(static_cast<std::size_t>(capture.info().num_layers), 1);
  std::vector<Fingerprint> layers =
      read_all(world, bytes, [&](std::size_t layer) { return capture.check_and_hash(std::int64_t(layer)); });
  const std::uint64_t hash = hash_of(layers);
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    capture.expect(std::int64_t(layer), std::move(layers[layer].blocks));
  }
  return hash;
}

}  // namespace

std::uint64_t check_and_hash_input(const Job& job, const mpi::Communicator& world, std::vector<NotFinite>* not_finite) {
  if (job.is_capture()) return check_and_hash_capture(job.capture(), world);
  const std::vector<const io::StoredWeight*> weights = job.checkpoint().weights();
  std::vector<std::uint64_t> bytes;
  for (const io::StoredWeight* weight : weights) bytes.push_back(weight->num_bytes());
  std::vector<NotFinite> mine;
  std::vector<Fingerprint> found = read_all(world, bytes, [&](std::size_t i) -> Fingerprint {
    try {
      return weights[i]->check_and_hash();
    } catch (const io::NotFiniteError& error) {
      if (!not_finite) throw;
      mine.push_back(locate(job.checkpoint(), error));
      return {};
    }
  });
  if (not_finite) *not_finite = all_of(mine, world);
  const std::uint64_t hash = hash_of(found);
  if (!not_finite || not_finite->empty()) job.checkpoint().expect(std::move(found));
  return hash;
}

}  // namespace logitfield
