#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.hpp"

namespace logitfield::testing {

/// True if `action` throws InputError whose message contains all `parts`: file, tensor or key, value, remedy.
inline ::testing::AssertionResult refuses(const std::function<void()>& action,
                                          const std::vector<std::string_view>& parts) {
  try {
    action();
  } catch (const InputError& error) {
    const std::string_view message = error.what();
    for (const auto part : parts) {
      if (message.find(part) == std::string_view::npos) {
        return ::testing::AssertionFailure() << "\"" << part << "\" is not in: " << message;
      }
    }
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "nothing was refused";
}

}  // namespace logitfield::testing
