#include "kernels/cuda/threads.hpp"

#include <utility>

#include "kernels/cuda/runtime.hpp"

namespace logitfield::kernels::cuda {

Threads::Threads(int count) {
  const int device = current_device();
  for (int worker = 0; worker < count; ++worker) {
    threads_.emplace_back([this, worker, device] { serve(worker, device); });
  }
}

Threads::~Threads() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Threads::run(const std::function<void(int)>& work) {
  std::unique_lock lock(mutex_);
  work_ = &work;
  busy_ = count();
  ++round_;
  begin_.notify_all();
  end_.wait(lock, [this] { return busy_ == 0; });
  if (const auto failure = std::exchange(failure_, nullptr)) std::rethrow_exception(failure);
}

void Threads::serve(int worker, int device) {
  std::unique_lock lock(mutex_);
  for (long done = 0;; done = round_) {
    begin_.wait(lock, [&] { return stopping_ || round_ != done; });
    if (stopping_) return;
    const std::function<void(int)>& work = *work_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      use_device(device);
      work(worker);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !failure_) failure_ = failure;
    if (--busy_ == 0) end_.notify_all();
  }
}

}  // namespace logitfield::kernels::cuda
