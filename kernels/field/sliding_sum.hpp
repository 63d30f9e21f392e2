#pragma once
#include <utility>
#include <vector>

namespace logitfield::kernels {

/// Keeps the sum over a queue by additions alone. Elements that leave are never subtracted, so no digits are lost. It
/// takes two additions per element. One stack holds the sums from each older element on, another the newer elements.
template <class S>
class SlidingSum {
 public:
  bool empty() const { return older_.empty() && newer_.empty(); }
  void clear() {
    older_.clear();
    newer_.clear();
  }
  void push(S part) {
    if (newer_.empty()) {
      newer_sum_ = part;
    } else {
      newer_sum_ += part;
    }
    newer_.push_back(std::move(part));
  }
  /// Drops the oldest element.
  void pop() {
    if (older_.empty()) turn();
    older_.pop_back();
  }
  /// Returns the sum of a nonempty queue; `work` is scratch that may hold the result.
  const S& sum(S& work) const {
    if (older_.empty()) return newer_sum_;
    if (newer_.empty()) return older_.back();
    work = older_.back();
    work += newer_sum_;
    return work;
  }

 private:
  void turn() {
    for (; !newer_.empty(); newer_.pop_back()) {
      if (!older_.empty()) newer_.back() += older_.back();
      older_.push_back(std::move(newer_.back()));
    }
  }

  std::vector<S> older_, newer_;
  S newer_sum_;
};

}  // namespace logitfield::kernels
