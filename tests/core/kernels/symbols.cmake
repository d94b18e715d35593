# Fails when an object compiled for AVX2 or AVX-512 offers the linker a function that other objects may define as well
# (a weak symbol without the instruction set in its name): the linker could take it for the whole program, which would
# then stop on processors without those instructions. Called with -DNM=<nm> -DOBJECTS=<objects, separated by |>.
string(REPLACE "|" ";" objects "${OBJECTS}")
set(checked 0)
set(faults "")
foreach(object IN LISTS objects)
    if(NOT object MATCHES "kernels/(avx2|avx512)\\.cpp")
        continue()
    endif()
    set(tag "${CMAKE_MATCH_1}")
    execute_process(COMMAND "${NM}" --defined-only --format=posix "${object}"
        OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
    string(REPLACE "\n" ";" symbols "${symbols}")
    foreach(symbol IN LISTS symbols)
        # "name type value size"; W is a function, V and u are data.
        if(symbol MATCHES "^[^ ]+ W " AND NOT symbol MATCHES "${tag}")
            string(APPEND faults "\n  ${tag}: ${symbol}")
        endif()
    endforeach()
    math(EXPR checked "${checked} + 1")
endforeach()
if(NOT checked EQUAL 2)
    message(FATAL_ERROR "expected the objects of avx2.cpp and avx512.cpp, found ${checked} of them in: ${OBJECTS}")
endif()
if(faults)
    message(FATAL_ERROR "weak symbols that do not carry their instruction set:${faults}")
endif()
