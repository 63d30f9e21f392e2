#include "emulation/language.hpp"

#include <algorithm>
#include <atomic>
#include <boost/context/fiber.hpp>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace emulation {
namespace {

namespace context = boost::context;

constexpr std::size_t kStackBytes = 64 * 1024, kWarp = 32;

struct Copy {
  char* to;
  const char* from;
  std::size_t bytes, valid;
};

/// A barrier for threads; it does not wait for threads that have ended.
struct Barrier {
  unsigned members = 0, arrived = 0, passed = 0;

  bool complete() {
    if (arrived == 0 || arrived < members) return false;
    arrived = 0;
    ++passed;
    return true;
  }
};

struct Warp {
  Barrier barrier;
  unsigned exchanges[kWarp] = {};
  std::byte values[2][kWarp * kLaneBytes];
};

struct Thread {
  Place place;
  unsigned number = 0;
  bool ended = false;
  context::fiber fiber;
  std::deque<std::vector<Copy>> committed;
  std::vector<Copy> open;
};

/// Memory of the fibers' stacks, reused by every block.
struct Stack {
  using traits_type = context::fixedsize_stack::traits_type;
  char* memory;
  context::stack_context allocate() {
    context::stack_context out;
    out.size = kStackBytes;
    out.sp = memory + kStackBytes;
    return out;
  }
  void deallocate(context::stack_context&) {}
};

std::atomic<unsigned> thread_order = 0;
std::atomic<std::size_t> most_shared_bytes = kSharedBytes;

struct Machine {
  const char* name = "";
  std::vector<char> stacks;
  std::vector<char> shared;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  Barrier block;
  Thread* current = nullptr;
  context::fiber scheduler;
  std::exception_ptr error;
  bool progress = false;
};

Machine& machine() {
  static thread_local Machine m;  // host threads start kernels concurrently
  return m;
}

void give_way() {
  Machine& m = machine();
  m.scheduler = std::move(m.scheduler).resume();
}

void meet(Barrier& barrier) {
  Machine& m = machine();
  const unsigned before = barrier.passed;
  ++barrier.arrived;
  m.progress = true;
  barrier.complete();
  while (barrier.passed == before) give_way();
}

Warp& warp_of(const Thread& thread) { return machine().warps[thread.number / kWarp]; }

void start(Thread& thread, char* stack, const std::function<void()>& body) {
  thread.fiber = context::fiber(std::allocator_arg, Stack{stack}, [&thread, &body](context::fiber&& scheduler) {
    Machine& m = machine();
    m.scheduler = std::move(scheduler);
    try {
      body();
      if (!thread.open.empty() || !thread.committed.empty()) wait_copies(0);
    } catch (const context::detail::forced_unwind&) {
      throw;
    } catch (...) {
      m.error = std::current_exception();
    }
    thread.ended = true;
    m.progress = true;
    --m.block.members;
    m.block.complete();
    --warp_of(thread).barrier.members;
    warp_of(thread).barrier.complete();
    return std::move(m.scheduler);
  });
}

void run_block(dim3 blocks, dim3 threads, dim3 index, std::size_t shared_bytes, const std::vector<unsigned>& order,
               const std::function<void()>& body) {
  Machine& m = machine();
  const unsigned count = threads.x * threads.y * threads.z;
  m.shared.assign(shared_bytes + 16, static_cast<char>(fresh_byte()));
  m.threads.clear();
  m.threads.resize(count);
  m.warps.assign((count + kWarp - 1) / kWarp, {});
  m.block = {count, 0, 0};
  for (unsigned t = 0; t < count; ++t) {
    Thread& thread = m.threads[t];
    thread.number = t;
    thread.place = {blocks, threads, index, {t % threads.x, t / threads.x % threads.y, t / (threads.x * threads.y)}};
    ++m.warps[t / kWarp].barrier.members;
    start(thread, &m.stacks[t * kStackBytes], body);
  }
  for (std::size_t left = count; left > 0;) {
    m.progress = false;
    for (const unsigned t : order) {
      Thread& thread = m.threads[t];
      if (thread.ended) continue;
      m.current = &thread;
      thread.fiber = std::move(thread.fiber).resume();
      if (m.error) {
        m.threads.clear();
        std::rethrow_exception(std::exchange(m.error, nullptr));
      }
      if (thread.ended) --left;
    }
    if (!m.progress) {
      m.threads.clear();
      throw std::logic_error(std::string("kernel ") + m.name + ": threads wait for each other for ever");
    }
  }
}

}  // namespace

int fresh_byte() {
  static const char* fill = std::getenv("LOGITFIELD_EMULATED_MEMORY_FILL");
  if (!fill) return 0xff;
  if (std::string_view(fill) != "finite") throw std::logic_error("LOGITFIELD_EMULATED_MEMORY_FILL is not 'finite'");
  return 0x5b;
}

const Place& place() { return machine().current->place; }
int lane() { return static_cast<int>(machine().current->number % kWarp); }
void set_seed(unsigned seed) { thread_order = seed; }
void set_shared_bytes(std::size_t bytes) { most_shared_bytes = bytes; }
std::size_t shared_bytes() { return most_shared_bytes; }

char* shared_memory() {
  char* memory = machine().shared.data();
  return memory + (16 - reinterpret_cast<std::uintptr_t>(memory) % 16) % 16;
}

void run(const char* name, dim3 blocks, dim3 threads, std::size_t shared_bytes, const std::function<void()>& thread) {
  Machine& m = machine();
  const unsigned count = threads.x * threads.y * threads.z;
  if (count == 0 || count > 1024) throw std::logic_error(std::string(name) + ": no such block");
  if (shared_bytes > most_shared_bytes)
    throw std::logic_error(std::string(name) + ": more shared memory than a GPU has");
  if (blocks.y > 65535 || blocks.z > 65535) throw std::logic_error(std::string(name) + ": no such grid");
  m.name = name;
  m.stacks.resize(std::max(m.stacks.size(), count * kStackBytes));
  std::vector<unsigned> order(count);
  std::iota(order.begin(), order.end(), 0U);
  if (const unsigned seed = thread_order; seed != 0) std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  for (unsigned z = 0; z < blocks.z; ++z) {
    for (unsigned y = 0; y < blocks.y; ++y) {
      for (unsigned x = 0; x < blocks.x; ++x) run_block(blocks, threads, {x, y, z}, shared_bytes, order, thread);
    }
  }
}

void block_barrier() { meet(machine().block); }
void warp_barrier() { meet(warp_of(*machine().current).barrier); }

const std::byte* exchange(const void* value, std::size_t bytes) {
  Thread& thread = *machine().current;
  Warp& warp = warp_of(thread);
  const std::size_t own = thread.number % kWarp;
  std::byte* values = warp.values[warp.exchanges[own]++ % 2];
  std::memcpy(values + own * kLaneBytes, value, bytes);
  meet(warp.barrier);
  return values;
}

void copy_later(void* to, const void* from, std::size_t bytes, std::size_t valid) {
  machine().current->open.push_back({static_cast<char*>(to), static_cast<const char*>(from), bytes, valid});
}
void commit_copies() {
  Thread& thread = *machine().current;
  thread.committed.push_back(std::move(thread.open));
  thread.open.clear();
}
void wait_copies(std::size_t groups_left) {
  Thread& thread = *machine().current;
  while (thread.committed.size() > groups_left) {
    for (const Copy& c : thread.committed.front()) {
      std::memcpy(c.to, c.from, c.valid);
      std::memset(c.to + c.valid, 0, c.bytes - c.valid);
    }
    thread.committed.pop_front();
  }
}

}  // namespace emulation
