#pragma once
#include "pipeline/plan/plan.hpp"
#include "pipeline/plan/rates.hpp"

namespace logitfield {

/// Seconds of the rank that has most to do, by phase; `wait` is what is left of the whole run.
struct Prediction {
  double read = 0, forward = 0, field = 0, communicate = 0, wait = 0;

  double seconds() const { return read + forward + field + communicate + wait; }
};

/// Reads the plan's partition, residency and fields. `weight_bytes` are those of all files.
Prediction predict(const Job& job, const Plan& plan, double weight_bytes, const Rates& rates);

/// What to do where reading or communication takes more time than computing; empty where neither does.
std::string advice(const Prediction& prediction);

}  // namespace logitfield
