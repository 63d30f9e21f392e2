#include "cuda_device.hpp"
#include "kernels/cuda/field/field_context.hpp"
#include "wrong_inputs.hpp"

namespace logitfield::kernels::cuda {
namespace {

using testing::GivenHead;
using testing::random_matrix;

constexpr Index kLength = 100, kWidth = 8;  // more rows than the certificate samples

/// A head on the device, with all that is needed to measure it there.
class OnDevice {
 public:
  OnDevice(const Worker& worker, const GivenHead& head, std::span<const FieldRequest> requests)
      : heads_(1, 1, kLength, kWidth, worker.stream) {
    const auto bytes = static_cast<std::size_t>(head.q.size()) * sizeof(float);
    copy(heads_.all_queries.data(), head.q.data(), bytes, worker.stream);
    copy(heads_.all_keys.data(), head.k.data(), bytes, worker.stream);
    worker.stream.wait();
    batch_.emplace(lanes_, heads_, 0, 1, std::vector<LogitForm>{head.form}, kLength);
    batch_->prepare(requests);
    fields.emplace(worker, *batch_, 0, 0, 1);
  }

 private:
  Lanes lanes_;
  DeviceHeads heads_;
  std::optional<HeadBatch> batch_;

 public:
  std::optional<FieldContext> fields;
};

/// The device's routes measure a wrong head; its certificate compares it with the right one.
TEST(CudaWrongInput, IsDetectedByEveryRoute) {
  REQUIRE_DEVICE();
  const Worker worker;
  for (const LogitForm& form :
       {LogitForm{.scale = 0.35}, {.scale = 0.35, .alibi_slope = 0.0625}, {.scale = 0.35, .softcap = 2.5}}) {
    GivenHead right{random_matrix<float>(kLength, kWidth, 1), random_matrix<float>(kLength, kWidth, 2), form};
    right.k.rowwise() += random_matrix<float>(1, kWidth, 3).row(0);
    std::vector<FieldRequest> requests{{kLength, Scope::causal, Route::dense}};
    if (form.has_factors()) {
      requests.push_back({kLength, Scope::full, Route::factored});
      requests.push_back({kLength, Scope::causal, Route::krylov});
      requests.push_back({kLength, Scope::causal_mean, Route::factored});
    }
    OnDevice sound(worker, right, requests);
    for (const FieldRequest& request : requests) {
      SCOPED_TRACE(::testing::Message() << scope_name(request.scope) << " " << route_name(request.route) << " slope "
                                        << form.alibi_slope << " cap " << form.softcap.has_value());
      EXPECT_TRUE(sound.fields->measure(0, request).certificate.certified());
      for (const testing::WrongInput& wrong : testing::wrong_inputs()) {
        if (!wrong.applies(right)) continue;
        GivenHead given = right;
        wrong.make(given);
        OnDevice faulty(worker, given, {&request, 1});
        const HeadStatistics s = sound.fields->complete(0, request.scope, faulty.fields->take_route(0, request));
        EXPECT_FALSE(s.certificate.certified()) << wrong.name;
      }
    }
  }
}

}  // namespace
}  // namespace logitfield::kernels::cuda
