#pragma once
#include "kernels/cuda/worker.hpp"
namespace logitfield::kernels::cuda {
Buffer<double> singular_values(const Worker& worker, double* matrices, Index n, Index count);
}
