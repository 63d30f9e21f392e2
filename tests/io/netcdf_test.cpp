#include "io/netcdf.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <netcdf>
#include <stdexcept>

#include "tests/io/refusal.hpp"
#include "tests/io/small_disk.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;
using testing::TemporaryFolder;

const std::vector<NetcdfDimension> dimensions = {{"layer", 2}, {"head", 3}};
const std::vector<std::pair<std::string, std::string>> attributes = {{"model", "tiny"}, {"program", "logitfield"}};

std::vector<NetcdfVariable> variables() {
  const double missing = std::numeric_limits<double>::quiet_NaN();
  return {{.name = "energy",
           .dimensions = {"layer", "head"},
           .units = "1",
           .description = "sum of the squared field",
           .doubles = {1.5, -2, missing, 1e300, 0, 7}},
          {.name = "k90", .dimensions = {"layer"}, .integers = {kMissingInteger, 1'000'000'000'000}},
          {.name = "head", .dimensions = {"head"}, .integers = {0, 1, 2}},
          {.name = "text", .dimensions = {"layer"}, .strings = {"alice", "na\u00efve \u2713"}},
          {.name = "scale", .doubles = {0.25}}};
}

std::string attribute(const netCDF::NcVar& variable, const std::string& name) {
  std::string value;
  variable.getAtt(name).getValues(value);
  return value;
}

TEST(Netcdf, ValuesAndNamesAreReadBack) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.nc";
  write_netcdf(path, dimensions, variables(), attributes);
  const netCDF::NcFile file(path.string(), netCDF::NcFile::read);
  EXPECT_EQ(file.getDim("layer").getSize(), 2U);
  EXPECT_EQ(file.getDim("head").getSize(), 3U);
  std::string model;
  file.getAtt("model").getValues(model);
  EXPECT_EQ(model, "tiny");

  const auto energy = file.getVar("energy");
  std::vector<double> doubles(6);
  energy.getVar(doubles.data());
  EXPECT_EQ(doubles[3], 1e300);
  EXPECT_TRUE(std::isnan(doubles[2]));
  EXPECT_EQ(energy.getDim(0).getName(), "layer");
  EXPECT_EQ(attribute(energy, "units"), "1");
  EXPECT_EQ(attribute(energy, "description"), "sum of the squared field");
  EXPECT_EQ(attribute(energy, "long_name"), "sum of the squared field");

  std::vector<std::int64_t> integers(2);
  file.getVar("k90").getVar(integers.data());
  EXPECT_EQ(integers, (std::vector<std::int64_t>{kMissingInteger, 1'000'000'000'000}));
  std::vector<char*> strings(2);
  file.getVar("text").getVar(strings.data());
  EXPECT_STREQ(strings[1], "na\u00efve \u2713");
  for (char* text : strings) std::free(text);
  double scale = 0;
  file.getVar("scale").getVar(&scale);
  EXPECT_EQ(scale, 0.25);
}

TEST(Netcdf, DoublesAreCompressedAndMissingValuesDeclared) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.nc";
  write_netcdf(path, dimensions, variables(), attributes);
  const netCDF::NcFile file(path.string(), netCDF::NcFile::read);
  bool shuffle = false;
  bool deflate = false;
  int level = 0;
  file.getVar("energy").getCompressionParameters(shuffle, deflate, level);
  EXPECT_TRUE(shuffle && deflate);
  EXPECT_EQ(level, 4);
  double missing_double = 0;
  file.getVar("energy").getAtt("_FillValue").getValues(&missing_double);
  EXPECT_TRUE(std::isnan(missing_double));
  std::int64_t missing_integer = 0;
  file.getVar("k90").getAtt("_FillValue").getValues(&missing_integer);
  EXPECT_EQ(missing_integer, kMissingInteger);
  // A coordinate with a fill value would turn into floating-point labels in xarray.
  EXPECT_EQ(file.getVar("head").getAtts().count("_FillValue"), 0U);
}

TEST(Netcdf, AnOlderFileIsReplaced) {
  const TemporaryFolder folder;
  const auto path = folder.write("x.nc", "something old");
  write_netcdf(path, dimensions, variables(), attributes);
  EXPECT_EQ(netCDF::NcFile(path.string(), netCDF::NcFile::read).getVarCount(), 5);
}

TEST(Netcdf, ValuesThatDoNotFillTheirDimensionsAreProgrammingErrors) {
  const TemporaryFolder folder;
  const auto write = [&](const NetcdfVariable& variable) {
    write_netcdf(folder.path() / "x.nc", dimensions, std::vector{variable}, attributes);
  };
  EXPECT_THROW(write({.name = "x", .dimensions = {"head"}, .doubles = {1, 2}}), std::invalid_argument);
  EXPECT_THROW(write({.name = "x", .dimensions = {"head"}, .doubles = {1, 2, 3, 4}}), std::invalid_argument);
  EXPECT_THROW(write({.name = "x", .dimensions = {"head"}}), std::invalid_argument);
  EXPECT_THROW(write({.name = "x", .dimensions = {"none"}, .doubles = {1}}), std::invalid_argument);
  EXPECT_THROW(write({.name = "x", .dimensions = {"head"}, .doubles = {1}, .integers = {1, 2}}), std::invalid_argument);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Netcdf, NamesAFileThatCannotBeWritten) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "none" / "x.nc";
  EXPECT_TRUE(
      refuses([&] { write_netcdf(path, dimensions, variables(), attributes); }, {path.string(), "cannot write"}));
}

TEST(Netcdf, NamesAFullDisk) {
  const testing::SmallDisk disk;
  if (!disk.available()) GTEST_SKIP() << "mounting a small disk needs root";
  NetcdfVariable noise{.name = "noise", .dimensions = {"sample"}};
  for (int i = 0; i < 100'000; ++i) noise.doubles.push_back(std::sin(1e6 * i));
  const std::vector<NetcdfDimension> samples = {{"sample", noise.doubles.size()}};
  EXPECT_TRUE(refuses([&] { write_netcdf(disk.path() / "x.nc", samples, std::vector{noise}, attributes); },
                      {"x.nc", "cannot write", "free space"}));
  EXPECT_TRUE(std::filesystem::is_empty(disk.path()));
}

}  // namespace
}  // namespace logitfield::io
