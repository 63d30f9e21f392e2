#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/mapped_file.hpp"
#include "io/slice.hpp"
#include "io/weights/block_check.hpp"

namespace logitfield::io {

/// A tensor as stored in a file: a whole weight, or one part of a weight that is stored in several tensors.
struct StoredPart {
  const MappedFile* file = nullptr;
  /// The type of the elements, used in hashes and messages.
  std::string type;
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  /// The number of this expert's matrix, or head's vector, where a tensor stacks them.
  std::optional<std::int64_t> place = {};

  /// Returns "model.safetensors: tensor NAME".
  std::string origin() const;
};

/// A weight of the model: rows x columns of numbers in any file format (a vector has one column). Each format is a
/// class derived from this one, or from QuantisedWeight.
class StoredWeight {
 public:
  virtual ~StoredWeight() = default;
  StoredWeight(const StoredWeight&) = delete;
  StoredWeight& operator=(const StoredWeight&) = delete;

  /// Returns the name of the tensor that holds the numbers.
  const std::string& name() const { return parts_.front().name; }
  /// Returns the shape of the numbers: [rows, columns] or [rows].
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t num_rows() const { return shape_.front(); }
  std::int64_t num_columns() const { return shape_.size() == 2 ? shape_[1] : 1; }
  /// Returns the tensors that make up the weight: first the numbers, then scales and similar tensors.
  const std::vector<StoredPart>& parts() const { return parts_; }
  /// Returns the bytes of all parts.
  std::uint64_t num_bytes() const;

  /// Reads the block rows x columns as float32, row-major, and releases the pages it touched. target.size() must be
  /// rows.size() * columns.size(). After expect(), throws InputError naming file, tensor and bytes if they differ from
  /// the first reading.
  virtual void read(Slice rows, Slice columns, std::span<float> target) const = 0;
  /// Reads the block as the bits of bfloat16 numbers, rounded to nearest.
  virtual void read(Slice rows, Slice columns, std::span<std::uint16_t> target) const = 0;
  /// Asks the system to start reading the block now.
  virtual void prefetch(Slice rows, Slice columns) const = 0;
  /// Releases the memory of the mapped pages of all parts; a later read maps them again.
  void release() const;

  /// Throws NotFiniteError naming file, tensor, index and value at the first NaN or infinity. Returns the XXH3 hash of
  /// name, type, shape and bytes of all parts, and of the blocks of each part, in the order of parts(). Reads in pieces
  /// and releases the pages.
  virtual Fingerprint check_and_hash() const = 0;
  /// Makes later reads compare the bytes that they use with these blocks of all parts.
  void expect(BlockHashes blocks);

 protected:
  /// Requires at least one part, and one or two sizes.
  StoredWeight(std::vector<StoredPart> parts, std::vector<std::int64_t> shape);

  /// Throws std::invalid_argument unless the block lies inside and has `size` numbers.
  void require_inside(Slice rows, Slice columns, std::size_t size) const;
  /// Returns the hashes of part i; empty if there was no first reading.
  std::span<const std::uint64_t> blocks_of(std::size_t i) const;
  /// Releases the pages of these bytes of the first part, if they are enough to be worth the call.
  void release_pages(std::span<const std::byte> bytes) const;

 private:
  std::vector<StoredPart> parts_;
  std::vector<std::int64_t> shape_;
  /// The hashes of all parts; empty if there was no first reading.
  BlockHashes blocks_;
};

}  // namespace logitfield::io
