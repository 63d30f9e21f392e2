#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace logitfield::io {

/// A named axis of variables.
struct NetcdfDimension {
  std::string name;
  std::size_t size = 0;
};

/// Stands for missing integers: NetCDF's own fill value, so that no reader takes it for a value.
inline constexpr std::int64_t kMissingInteger = -9223372036854775806;

/// A variable of doubles, integers or strings over named dimensions, row-major; exactly one of the value vectors is
/// filled. Missing doubles are NaN, missing integers kMissingInteger; each is its variable's _FillValue.
struct NetcdfVariable {
  std::string name;
  std::vector<std::string> dimensions = {};
  std::string units = {};
  std::string description = {};
  std::vector<double> doubles = {};
  std::vector<std::int64_t> integers = {};
  std::vector<std::string> strings = {};
};

/// Writes a NetCDF-4 file atomically, with `attributes` as its global attributes. It is made in memory first; doubles
/// are compressed. A variable with the name of a dimension becomes its coordinate (as xarray reads it). Throws
/// InputError if the file cannot be written, and std::invalid_argument if a variable's values do not fill its
/// dimensions.
void write_netcdf(const std::filesystem::path& path, std::span<const NetcdfDimension> dimensions,
                  std::span<const NetcdfVariable> variables,
                  std::span<const std::pair<std::string, std::string>> attributes);

}  // namespace logitfield::io
