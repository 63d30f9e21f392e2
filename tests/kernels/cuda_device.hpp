#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "kernels/device.hpp"

namespace logitfield::testing {

/// Runs a test of device code in several orders of a block's threads, where the order can be chosen (on the emulation).
void for_thread_orders(const std::function<void()>& test);
/// Runs it on a device with so much shared memory for a block, where that can be chosen.
void with_shared_memory(std::size_t bytes, const std::function<void()>& test);

}  // namespace logitfield::testing

/// First line of a test that needs a device.
#define REQUIRE_DEVICE() \
  if (const auto list_ = logitfield::kernels::list_devices(); list_.devices.empty()) GTEST_SKIP() << list_.reason
