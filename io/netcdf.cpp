#include "io/netcdf.hpp"

#include <netcdf.h>
#include <netcdf_mem.h>

#include <ncCheck.h>
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <netcdf>
#include <stdexcept>

#include "io/error.hpp"
#include "io/file.hpp"

namespace logitfield::io {
namespace {

constexpr int kDeflateLevel = 4;
constexpr double kMissingDouble = std::numeric_limits<double>::quiet_NaN();

std::size_t size_of(const std::string& dimension, std::span<const NetcdfDimension> dimensions) {
  const auto found =
      std::find_if(dimensions.begin(), dimensions.end(), [&](const auto& d) { return d.name == dimension; });
  if (found == dimensions.end()) throw std::invalid_argument("write_netcdf: there is no dimension " + dimension);
  return found->size;
}

/// Checks that the values are of one kind and fill the dimensions: the library would read past the end of a short
/// vector.
void check_values(const NetcdfVariable& variable, std::span<const NetcdfDimension> dimensions) {
  std::size_t expected = 1;
  for (const auto& name : variable.dimensions) expected *= size_of(name, dimensions);
  const std::size_t sizes[] = {variable.doubles.size(), variable.integers.size(), variable.strings.size()};
  if (std::count(std::begin(sizes), std::end(sizes), 0U) != 2 || sizes[0] + sizes[1] + sizes[2] != expected) {
    throw std::invalid_argument("write_netcdf: the values of " + variable.name + " do not fill its dimensions");
  }
}

netCDF::NcType type_of(const NetcdfVariable& variable) {
  if (!variable.doubles.empty()) return netCDF::ncDouble;
  if (!variable.integers.empty()) return netCDF::ncInt64;
  return netCDF::ncString;
}

/// A coordinate has no missing values, so it needs no fill value; with one, xarray would make its labels
/// floating-point.
bool is_coordinate(const NetcdfVariable& variable) {
  return variable.dimensions == std::vector<std::string>{variable.name};
}

netCDF::NcVar define(netCDF::NcGroup& file, const NetcdfVariable& variable) {
  netCDF::NcVar defined = file.addVar(variable.name, type_of(variable).getName(), variable.dimensions);
  if (!variable.doubles.empty() && !variable.dimensions.empty()) defined.setCompression(true, true, kDeflateLevel);
  if (!variable.doubles.empty() && !is_coordinate(variable)) defined.setFill(true, kMissingDouble);
  if (!variable.integers.empty() && !is_coordinate(variable)) defined.setFill(true, kMissingInteger);
  if (!variable.units.empty()) defined.putAtt("units", variable.units);
  if (!variable.description.empty()) {
    defined.putAtt("long_name", variable.description);
    defined.putAtt("description", variable.description);
  }
  return defined;
}

void put_values(const netCDF::NcVar& defined, const NetcdfVariable& variable) {
  if (!variable.doubles.empty()) return defined.putVar(variable.doubles.data());
  if (!variable.integers.empty()) return defined.putVar(variable.integers.data());
  std::vector<const char*> pointers;
  for (const auto& text : variable.strings) pointers.push_back(text.c_str());
  defined.putVar(pointers.data());
}

/// A NetCDF-4 file in memory. The library must not write to the disk itself: once HDF5 has met a full one, it crashes
/// when the program ends.
class MemoryFile {
 public:
  explicit MemoryFile(std::size_t expected_bytes) {
    netCDF::ncCheck(::nc_create_mem("in memory", NC_NETCDF4 | NC_CLOBBER, expected_bytes, &id_), __FILE__, __LINE__);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() {
    if (!closed_) ::nc_close(id_);
    std::free(content_.memory);
  }

  netCDF::NcGroup root() const { return {id_}; }
  /// Completes the file; valid as long as this object.
  std::span<const std::byte> close() {
    closed_ = true;
    netCDF::ncCheck(::nc_close_memio(id_, &content_), __FILE__, __LINE__);
    return {static_cast<const std::byte*>(content_.memory), content_.size};
  }

 private:
  int id_ = 0;
  bool closed_ = false;
  NC_memio content_{};
};

std::span<const std::byte> fill(MemoryFile& memory, std::span<const NetcdfDimension> dimensions,
                                std::span<const NetcdfVariable> variables,
                                std::span<const std::pair<std::string, std::string>> attributes) {
  netCDF::NcGroup root = memory.root();
  for (const auto& dimension : dimensions) root.addDim(dimension.name, dimension.size);
  for (const auto& [name, value] : attributes) root.putAtt(name, value);
  for (const auto& variable : variables) put_values(define(root, variable), variable);
  return memory.close();
}

}  // namespace

void write_netcdf(const std::filesystem::path& path, std::span<const NetcdfDimension> dimensions,
                  std::span<const NetcdfVariable> variables,
                  std::span<const std::pair<std::string, std::string>> attributes) {
  for (const auto& variable : variables) check_values(variable, dimensions);
  constexpr std::size_t kExpectedBytes = 1 << 20;
  try {
    MemoryFile memory(kExpectedBytes);
    const std::span<const std::byte> content = fill(memory, dimensions, variables, attributes);
    write_atomically(path, std::string_view(reinterpret_cast<const char*>(content.data()), content.size()));
  } catch (const netCDF::exceptions::NcException& error) {
    throw std::runtime_error(fmt::format("{}: cannot write NetCDF: {}", path.string(), error.what()));
  }
}

}  // namespace logitfield::io
