#pragma once
#include <unistd.h>

namespace logitfield::testing {

/// While it lives, root acts as nobody, whom permissions bind; anyone else stays who they are.
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

  /// False where root could not become nobody: skip.
  bool available() const { return ::geteuid() != 0; }

 private:
  static constexpr uid_t nobody = 65534;
  bool changed_ = false;
};

}  // namespace logitfield::testing
