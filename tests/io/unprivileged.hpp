#pragma once
#include <unistd.h>

namespace logitfield::testing {

/// While it exists, root acts as nobody, to whom permissions apply; other users keep their identity.
class Unprivileged {
 public:
  Unprivileged() {
    if (::geteuid() == 0) changed_ = ::seteuid(nobody) == 0;
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;
  ~Unprivileged() {
    if (changed_ && ::seteuid(0) != 0) ::_exit(1);
  }

  /// False if root could not become nobody; then skip the test.
  bool available() const { return ::geteuid() != 0; }

 private:
  static constexpr uid_t nobody = 65534;
  bool changed_ = false;
};

}  // namespace logitfield::testing
