# Runs include_arrows.cmake on fixture/, which breaks every rule, and expects exactly the lines that do.
cmake_minimum_required(VERSION 3.24)

set(expected
    "core/internal/broadcast.hpp none"
    "core/kernels/gemm.hpp 5"
    "core/leaky.hpp 3 4 5 6 7 8"
    "core/private.cpp 1 6 9"
    "core/upward.hpp 8 9 10"
    "core/xtensor.hpp none"
    "data/series.cpp 1"
    "examples/forecast.cpp 4"
    "layers/dense.cpp 2"
    "optim/adam.cpp 1"
    "train/trainer.cpp 5")

execute_process(
    COMMAND "${CMAKE_COMMAND}" -D "ROOT=${CMAKE_CURRENT_LIST_DIR}/fixture" -P "${CMAKE_CURRENT_LIST_DIR}/include_arrows.cmake"
    RESULT_VARIABLE result
    ERROR_VARIABLE report)
if(result EQUAL 0)
    message(FATAL_ERROR "the fixture was accepted")
endif()
foreach(entry IN LISTS expected)
    string(REPLACE " " ";" entry "${entry}")
    list(POP_FRONT entry file)
    string(REPLACE "." "\\." pattern "${file}")
    string(REGEX MATCHALL "${pattern}:[0-9]+" found "${report}")
    list(TRANSFORM found REPLACE ".*:" "")
    if(NOT found)
        set(found none)
    endif()
    if(NOT found STREQUAL entry)
        message(FATAL_ERROR "${file}: expected violations in lines ${entry}, got ${found} in\n${report}")
    endif()
endforeach()

execute_process(
    COMMAND "${CMAKE_COMMAND}" -D "ROOT=${CMAKE_CURRENT_LIST_DIR}/no_such_folder" -P "${CMAKE_CURRENT_LIST_DIR}/include_arrows.cmake"
    RESULT_VARIABLE result
    ERROR_QUIET)
if(result EQUAL 0)
    message(FATAL_ERROR "a folder without sources was accepted")
endif()
