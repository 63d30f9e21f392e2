set(LOGITFIELD_GPU_BENCH fields.cpp kernels.cpp layers.cpp main.cpp measure.cpp spectra.cpp table.cpp)
