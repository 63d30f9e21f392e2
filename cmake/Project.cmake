# Sets the compiler options of every part of logitfield; kernels/ includes this file too when it is configured alone.
include_guard(GLOBAL)
include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# x86-64-v3 (AVX2, FMA) runs on every server since 2013; `native` would break where login and compute nodes differ.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(LOGITFIELD_MARCH "x86-64-v3" CACHE STRING "value of -march, empty for the compiler's default")
else()
  set(LOGITFIELD_MARCH "" CACHE STRING "value of -march, empty for the compiler's default")
endif()
set(LOGITFIELD_WERROR ON CACHE BOOL "warnings are errors; for compilers that warn of more: OFF")
set(LOGITFIELD_SANITIZE "" CACHE STRING "sanitizers, as -fsanitize takes them; empty for none")

add_library(logitfield_build_options INTERFACE)
target_compile_options(logitfield_build_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  $<$<BOOL:${LOGITFIELD_WERROR}>:-Werror>>)
if(LOGITFIELD_MARCH)
  target_compile_options(logitfield_build_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=${LOGITFIELD_MARCH}>)
endif()
if(LOGITFIELD_SANITIZE)
  target_compile_options(logitfield_build_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${LOGITFIELD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  target_link_options(logitfield_build_options INTERFACE -fsanitize=${LOGITFIELD_SANITIZE})
endif()

# Most of a compilation is headers and templates of libraries: a dozen files of a target are compiled as one, in about
# half the time. While you change one file again and again, compiling it alone is faster: -DCMAKE_UNITY_BUILD=OFF
# (preset debug).
set(CMAKE_UNITY_BUILD ON CACHE BOOL "compile the files of a target a dozen at a time")
set(CMAKE_UNITY_BUILD_BATCH_SIZE 12 CACHE STRING "files compiled as one")

# Tests name their timeouts SECONDS_60 and so on.
set(LOGITFIELD_TIMEOUT_FACTOR 1 CACHE STRING "what all timeouts of tests are multiplied by, for programs that run slowly")
foreach(seconds 60 120 300 600 900)
  math(EXPR SECONDS_${seconds} "${seconds} * ${LOGITFIELD_TIMEOUT_FACTOR}")
endforeach()
