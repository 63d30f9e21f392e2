#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/backend.hpp"
#include "pipeline/job/job.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// Makes manifest.json: everything that decides the numbers, and where they were computed. `hosts`: by rank.
nlohmann::json make_manifest(const Job& job, const Plan& plan, const kernels::Backend& backend,
                             std::uint64_t input_hash, const std::vector<std::string>& hosts);

}  // namespace logitfield
