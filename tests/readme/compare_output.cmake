# Runs PROGRAM and fails unless it prints what the file EXPECTED holds.
cmake_minimum_required(VERSION 3.24)

execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
file(READ "${EXPECTED}" expected)
if(NOT output STREQUAL expected)
    message(FATAL_ERROR "expected\n${expected}\ngot\n${output}")
endif()
