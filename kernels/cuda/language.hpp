#pragma once
// The CUDA language for device code: the compiler's own, or the tests' emulation of it on a CPU.
#include <cstring>

#ifdef LOGITFIELD_EMULATION
#include "emulation/language.hpp"
#else
#include <cuda_runtime.h>
#endif
