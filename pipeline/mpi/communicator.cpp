#include "pipeline/mpi/communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <utility>

#ifdef OPEN_MPI
#include <mpi-ext.h>
#endif

namespace logitfield::mpi {
namespace {

bool is_cuda_aware() {
#ifdef MPIX_CUDA_AWARE_SUPPORT
  return MPIX_Query_cuda_support() == 1;
#else
  return false;
#endif
}

/// Largest number of elements per call: well within MPI's int counts.
constexpr std::size_t kPiece = std::size_t{1} << 28;
constexpr int kDataTag = 1;

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0, rank = -1;
  MPI_Error_string(code, text, &length);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  throw std::runtime_error(fmt::format("{} failed on rank {}: {}", call, rank, std::string_view(text, length)));
}

/// Calls f(part) for consecutive parts of at most kPiece elements.
template <class T, class F>
void in_pieces(std::span<T> values, F f) {
  for (std::size_t first = 0; first < values.size(); first += kPiece) {
    f(values.subspan(first, std::min(kPiece, values.size() - first)));
  }
}

int int_count(std::size_t n) {
  if (n > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw std::runtime_error(fmt::format("a message of {} bytes is too long for MPI", n));
  }
  return static_cast<int>(n);
}

template <class T>
void all_reduce(std::span<T> values, MPI_Datatype type, MPI_Op operation, MPI_Comm comm) {
  in_pieces(values, [&](std::span<T> part) {
    check(MPI_Allreduce(MPI_IN_PLACE, part.data(), static_cast<int>(part.size()), type, operation, comm),
          "MPI_Allreduce");
  });
}

}  // namespace

Environment::Environment(int& argc, char**& argv) {
  // Without a launcher, Open MPI would otherwise fork its own daemon, and fail if there is no ssh.
  setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED) {
    throw std::runtime_error(
        "this MPI library allows no threads besides the one that communicates "
        "(MPI_THREAD_FUNNELED); use a build of it that does");
  }
}
Environment::~Environment() { MPI_Finalize(); }

Communicator::Communicator(MPI_Comm handle) : handle_(handle) {
  check(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

Communicator Communicator::world() {
  MPI_Comm handle;
  check(MPI_Comm_dup(MPI_COMM_WORLD, &handle), "MPI_Comm_dup");
  return Communicator(handle);
}

Communicator::Communicator(Communicator&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(rank_, other.rank_);
  std::swap(size_, other.size_);
  return *this;
}

Communicator::~Communicator() {
  if (handle_ != MPI_COMM_NULL) MPI_Comm_free(&handle_);
}

Communicator Communicator::split(int color) const {
  MPI_Comm handle;
  check(MPI_Comm_split(handle_, color, rank_, &handle), "MPI_Comm_split");
  return Communicator(handle);
}

Communicator Communicator::reversed() const {
  MPI_Comm handle;
  check(MPI_Comm_split(handle_, 0, -rank_, &handle), "MPI_Comm_split");
  return Communicator(handle);
}

Communicator Communicator::split_by_host() const {
  MPI_Comm handle;
  check(MPI_Comm_split_type(handle_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &handle), "MPI_Comm_split_type");
  return Communicator(handle);
}

void Communicator::sum(std::span<float> values) const { all_reduce(values, MPI_FLOAT, MPI_SUM, handle_); }
void Communicator::sum(std::span<double> values) const { all_reduce(values, MPI_DOUBLE, MPI_SUM, handle_); }
void Communicator::max(std::span<double> values) const { all_reduce(values, MPI_DOUBLE, MPI_MAX, handle_); }

void Communicator::sum_alike(std::span<double> values) const {
  // MPI does not promise that MPI_Allreduce gives all ranks the same bits.
  in_pieces(values, [&](std::span<double> part) {
    const int count = static_cast<int>(part.size());
    check(MPI_Reduce(rank_ == 0 ? MPI_IN_PLACE : part.data(), part.data(), count, MPI_DOUBLE, MPI_SUM, 0, handle_),
          "MPI_Reduce");
    check(MPI_Bcast(part.data(), count, MPI_DOUBLE, 0, handle_), "MPI_Bcast");
  });
}

void Communicator::sum_before(std::span<double> values) const {
  in_pieces(values, [&](std::span<double> part) {
    check(MPI_Exscan(MPI_IN_PLACE, part.data(), static_cast<int>(part.size()), MPI_DOUBLE, MPI_SUM, handle_),
          "MPI_Exscan");
  });
  if (rank_ == 0) std::ranges::fill(values, 0.0);  // MPI leaves the values of the first rank undefined
}

void Communicator::take_from_before(std::span<double> values) const {
  const int before = rank_ == 0 ? MPI_PROC_NULL : rank_ - 1, after = rank_ + 1 == size_ ? MPI_PROC_NULL : rank_ + 1;
  in_pieces(values, [&](std::span<double> part) {
    check(MPI_Sendrecv_replace(part.data(), static_cast<int>(part.size()), MPI_DOUBLE, after, 0, before, 0, handle_,
                               MPI_STATUS_IGNORE),
          "MPI_Sendrecv_replace");
  });
  if (rank_ == 0) std::ranges::fill(values, 0.0);
}

void Communicator::all_gather(std::span<const double> own, std::span<double> all) const {
  check(MPI_Allgather(own.data(), int_count(own.size()), MPI_DOUBLE, all.data(), int_count(own.size()), MPI_DOUBLE,
                      handle_),
        "MPI_Allgather");
}

void Communicator::barrier() const { check(MPI_Barrier(handle_), "MPI_Barrier"); }

int Communicator::min(int value) const {
  all_reduce(std::span(&value, 1), MPI_INT, MPI_MIN, handle_);
  return value;
}

int Communicator::max(int value) const {
  all_reduce(std::span(&value, 1), MPI_INT, MPI_MAX, handle_);
  return value;
}

bool Communicator::any(bool condition) const { return max(condition ? 1 : 0) == 1; }

void Communicator::send(std::span<const float> values, int target) const {
  in_pieces(values, [&](std::span<const float> part) {
    check(MPI_Send(part.data(), static_cast<int>(part.size()), MPI_FLOAT, target, kDataTag, handle_), "MPI_Send");
  });
}

void Communicator::receive(std::span<float> values, int source) const {
  in_pieces(values, [&](std::span<float> part) {
    check(MPI_Recv(part.data(), static_cast<int>(part.size()), MPI_FLOAT, source, kDataTag, handle_, MPI_STATUS_IGNORE),
          "MPI_Recv");
  });
}

std::vector<std::vector<std::byte>> Communicator::gather(std::span<const std::byte> bytes) const {
  const int count = int_count(bytes.size());
  std::vector<int> counts(rank_ == 0 ? size_ : 0), offsets(counts.size());
  check(MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, handle_), "MPI_Gather");
  std::size_t total = 0;
  for (std::size_t i = 0; i < counts.size(); total += counts[i++]) offsets[i] = int_count(total);
  std::vector<std::byte> all(total);
  check(MPI_Gatherv(bytes.data(), count, MPI_BYTE, all.data(), counts.data(), offsets.data(), MPI_BYTE, 0, handle_),
        "MPI_Gatherv");
  std::vector<std::vector<std::byte>> out(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out[i].assign(all.begin() + offsets[i], all.begin() + offsets[i] + counts[i]);
  }
  return out;
}

std::string Communicator::broadcast(std::string bytes, int root) const {
  int count = int_count(bytes.size());
  check(MPI_Bcast(&count, 1, MPI_INT, root, handle_), "MPI_Bcast");
  bytes.resize(count);
  check(MPI_Bcast(bytes.data(), count, MPI_BYTE, root, handle_), "MPI_Bcast");
  return bytes;
}

void Communicator::broadcast(std::span<float> values, int root) const {
  in_pieces(values, [&](std::span<float> part) {
    check(MPI_Bcast(part.data(), static_cast<int>(part.size()), MPI_FLOAT, root, handle_), "MPI_Bcast");
  });
}

Sending Communicator::start_send(std::vector<std::byte> bytes, int target, int tag) const {
  Sending out(std::move(bytes));
  check(MPI_Isend(out.bytes_.data(), int_count(out.bytes_.size()), MPI_BYTE, target, tag, handle_, &out.request_),
        "MPI_Isend");
  return out;
}

Sending::Sending(Sending&& other) noexcept
    : bytes_(std::move(other.bytes_)), request_(std::exchange(other.request_, MPI_REQUEST_NULL)) {}
Sending& Sending::operator=(Sending&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(request_, other.request_);
  return *this;
}

Sending::~Sending() {
  if (request_ == MPI_REQUEST_NULL) return;
  int done = 0;
  if (MPI_Test(&request_, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done) return;
  MPI_Request_free(&request_);
  static auto& kept = *new std::vector<std::vector<std::byte>>;  // never freed: MPI may still read them
  kept.push_back(std::move(bytes_));
}

bool Sending::left() {
  int done = 0;
  check(MPI_Test(&request_, &done, MPI_STATUS_IGNORE), "MPI_Test");
  return done != 0;
}

void Sending::wait() { check(MPI_Wait(&request_, MPI_STATUS_IGNORE), "MPI_Wait"); }

bool Communicator::try_receive(int tag, std::vector<std::byte>& bytes) const {
  int there = 0;
  MPI_Message message;
  MPI_Status status;
  check(MPI_Improbe(MPI_ANY_SOURCE, tag, handle_, &there, &message, &status), "MPI_Improbe");
  if (there) receive_matched(message, status, bytes);
  return there != 0;
}

void Communicator::wait_receive(int tag, std::vector<std::byte>& bytes) const {
  MPI_Message message;
  MPI_Status status;
  check(MPI_Mprobe(MPI_ANY_SOURCE, tag, handle_, &message, &status), "MPI_Mprobe");
  receive_matched(message, status, bytes);
}

void Communicator::receive_matched(MPI_Message message, const MPI_Status& status, std::vector<std::byte>& bytes) const {
  int count = 0;
  check(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
  bytes.resize(count);
  check(MPI_Mrecv(bytes.data(), count, MPI_BYTE, &message, MPI_STATUS_IGNORE), "MPI_Mrecv");
}

void abort_job(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::abort();
}

std::string host_name() {
  char name[MPI_MAX_PROCESSOR_NAME] = {};
  int length = 0;
  check(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name");
  return {name, static_cast<std::size_t>(length)};
}

std::string library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  check(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
  const std::string version(text, static_cast<std::size_t>(length));
  return version.substr(0, version.find(',')) + (is_cuda_aware() ? ", CUDA-aware" : "");
}

}  // namespace logitfield::mpi
