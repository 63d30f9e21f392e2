#pragma once
#include <mpi.h>

#include <cstddef>

/// Declarations of the BLACS and ScaLAPACK routines in use; the libraries come without headers.
/// Indices i*, j* count from 1; desc* are descriptors of 9 integers; info < 0 names an illegal argument.
extern "C" {

int Csys2blacs_handle(MPI_Comm communicator);
void Cfree_blacs_system_handle(int handle);
/// `context` is a system handle on entry and the grid's context on return.
void Cblacs_gridinit(int* context, const char* order, int rows, int columns);
void Cblacs_gridinfo(int context, int* rows, int* columns, int* row, int* column);
void Cblacs_gridexit(int context);

/// Number of the n rows (or columns) that process `coordinate` of `processes` owns.
int numroc_(const int* n, const int* block, const int* coordinate, const int* first_process, const int* processes);
void descinit_(int* desc, const int* rows, const int* columns, const int* row_block, const int* column_block,
               const int* first_row, const int* first_column, const int* context, const int* leading_dimension,
               int* info);

/// The last two arguments are Fortran's string lengths.
void pdgesvd_(const char* jobu, const char* jobvt, const int* m, const int* n, double* a, const int* ia, const int* ja,
              const int* desca, double* s, double* u, const int* iu, const int* ju, const int* descu, double* vt,
              const int* ivt, const int* jvt, const int* descvt, double* work, const int* lwork, int* info,
              std::size_t jobu_length, std::size_t jobvt_length);

}  // extern "C"
