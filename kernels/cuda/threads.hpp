#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace logitfield::kernels::cuda {

/// Threads that wait for work, all on the device that was current when they were made.
class Threads {
 public:
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return static_cast<int>(threads_.size()); }
  /// Calls work(0), work(1) ... work(count() - 1), each on its own thread, and waits for all of them. Rethrows the
  /// first exception. For one caller at a time.
  void run(const std::function<void(int)>& work);

 private:
  void serve(int worker, int device);

  std::mutex mutex_;
  std::condition_variable begin_, end_;
  const std::function<void(int)>* work_ = nullptr;
  std::exception_ptr failure_;
  long round_ = 0;
  int busy_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace logitfield::kernels::cuda
