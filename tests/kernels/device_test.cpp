#include "kernels/device.hpp"

#include <gtest/gtest.h>

#include "kernels/backend.hpp"

namespace logitfield::kernels {
namespace {

TEST(Device, AListedDeviceIsComplete) {
  const DeviceList list = list_devices();
  if (list.devices.empty()) GTEST_SKIP() << list.reason;
  for (const Device& device : list.devices) {
    EXPECT_FALSE(device.name.empty());
    EXPECT_GT(device.capability, 0);
    EXPECT_GT(device.memory_bytes, 0u);
  }
}

TEST(Device, WithoutOneTheReasonIsGiven) {
  const DeviceList list = list_devices();
  if (!list.devices.empty()) GTEST_SKIP() << "this machine has " << list.devices[0].name;
  EXPECT_FALSE(list.reason.empty());
  try {
    make_backend(BackendKind::cuda);
    FAIL() << "a back end without a device";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find(list.reason), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace logitfield::kernels
