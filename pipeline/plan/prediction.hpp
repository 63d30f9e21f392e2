#pragma once
#include "pipeline/plan/plan.hpp"
#include "pipeline/plan/rates.hpp"

namespace logitfield {

/// Seconds by phase, for the rank with the most work; `wait` is the rest of the run's time.
struct Prediction {
  double read = 0, forward = 0, field = 0, communicate = 0, wait = 0;

  double seconds() const { return read + forward + field + communicate + wait; }
};

/// Predicts from the plan's partition, residency and fields. `weight_bytes`: total of all files.
Prediction predict(const JobSizes& job, const Plan& plan, double weight_bytes, const Rates& rates);

/// Advice if reading, communication or waiting takes more time than computing; empty if none does.
std::string advice(const Prediction& prediction);

}  // namespace logitfield
