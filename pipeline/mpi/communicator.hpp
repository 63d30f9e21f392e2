#pragma once
#include <mpi.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace logitfield::mpi {

/// MPI from construction to destruction; one per process.
class Environment {
 public:
  /// Asks for MPI_THREAD_FUNNELED, since other threads read layers and drive devices while this one communicates.
  /// Throws std::runtime_error if the library does not allow such threads.
  Environment(int& argc, char**& argv);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment();
};

/// A message being sent, with its bytes. Move-only. If it is destroyed before it has left, for example when an error
/// ends the run, its bytes stay in memory for MPI to read. Nothing then waits for a rank that may have ended.
class Sending {
 public:
  Sending(Sending&& other) noexcept;
  Sending& operator=(Sending&& other) noexcept;
  ~Sending();

  /// True once the message has left.
  bool left();
  void wait();

 private:
  friend class Communicator;
  explicit Sending(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}

  std::vector<std::byte> bytes_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

/// An owned communicator. Move-only. Every failing MPI call throws std::runtime_error naming call, rank and reason.
/// Messages longer than MPI's int counts allow are sent in pieces.
class Communicator {
 public:
  /// A duplicate of MPI_COMM_WORLD. Collective.
  static Communicator world();
  Communicator(Communicator&& other) noexcept;
  Communicator& operator=(Communicator&& other) noexcept;
  ~Communicator();

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// For libraries that use MPI themselves; remains owned here.
  MPI_Comm handle() const { return handle_; }

  /// The ranks of one `color`, in the order of their ranks here. Collective.
  Communicator split(int color) const;
  /// This communicator with its ranks in reverse order. Collective.
  Communicator reversed() const;
  /// The ranks that share this rank's host. Collective.
  Communicator split_by_host() const;

  void sum(std::span<float> values) const;
  void sum(std::span<double> values) const;
  void max(std::span<double> values) const;
  int min(int value) const;
  int max(int value) const;
  /// Whether the condition holds on some rank.
  bool any(bool condition) const;
  /// `sum_alike`: sums over all ranks, with the same bits on every rank. `sum_before`: sums over the ranks before this
  /// one; zero on the first.
  void sum_alike(std::span<double> values) const;
  void sum_before(std::span<double> values) const;
  /// The values of the rank before this one; zeros on the first.
  void take_from_before(std::span<double> values) const;
  /// Every rank's values, equally many on each, in rank order.
  void all_gather(std::span<const double> own, std::span<double> all) const;

  /// Waits until all ranks are here.
  void barrier() const;

  void send(std::span<const float> values, int target) const;
  void receive(std::span<float> values, int source) const;

  /// Every rank's bytes, in rank order, on rank 0; empty elsewhere. Collective.
  std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) const;
  /// Rank `root`'s bytes everywhere. Collective.
  std::string broadcast(std::string bytes, int root) const;
  void broadcast(std::span<float> values, int root) const;

  /// Starts sending `bytes` (at most INT_MAX of them) with a tag.
  [[nodiscard]] Sending start_send(std::vector<std::byte> bytes, int target, int tag) const;
  /// Takes the next message with this tag from any rank: try_receive only if one is there, wait_receive once one comes.
  bool try_receive(int tag, std::vector<std::byte>& bytes) const;
  void wait_receive(int tag, std::vector<std::byte>& bytes) const;

 private:
  explicit Communicator(MPI_Comm handle);
  void receive_matched(MPI_Message message, const MPI_Status& status, std::vector<std::byte>& bytes) const;

  MPI_Comm handle_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

/// Ends every rank of the job now with this exit code.
[[noreturn]] void abort_job(int exit_code);

/// Name of the host that this rank runs on.
std::string host_name();
/// "Open MPI v4.1.4", with ", CUDA-aware" if the library reports that it accepts device memory. This program always
/// passes host memory.
std::string library_version();

}  // namespace logitfield::mpi
