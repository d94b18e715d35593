# Builds and runs a project that uses seqgrad: cmake -D NAME=value... -P consumer.cmake
#   SOURCE        the consumer's folder
#   WORK          where to build it
#   EXPECT        what it must print
#   INSTALL_FROM  a build folder to install seqgrad from first, for consumers that find_package it
#   OPTIONS       further arguments for configuring it
cmake_minimum_required(VERSION 3.24)

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

if(INSTALL_FROM)
    file(REMOVE_RECURSE "${WORK}")
    run("${CMAKE_COMMAND}" --install "${INSTALL_FROM}" --prefix "${WORK}/prefix")
    list(APPEND OPTIONS "-DCMAKE_PREFIX_PATH=${WORK}/prefix")
    # The program beside the library, which it must find if it is a shared one.
    run("${WORK}/prefix/bin/seqgrad" --version)
endif()
run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}/build" ${OPTIONS})
run("${CMAKE_COMMAND}" --build "${WORK}/build")

execute_process(COMMAND "${WORK}/build/consumer" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
if(NOT output STREQUAL "${EXPECT}\n")
    message(FATAL_ERROR "expected the consumer to print \"${EXPECT}\", got \"${output}\"")
endif()
