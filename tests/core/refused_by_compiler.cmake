# Compiles the pieces of refused_by_compiler.cpp: the first must compile, the others must fail with the sentence that
# says what to write. Called with COMPILER, INCLUDES (a list) and SOURCE.
foreach(piece RANGE 7)
    list(TRANSFORM INCLUDES PREPEND "-I" OUTPUT_VARIABLE include_options)
    execute_process(
        COMMAND "${COMPILER}" -std=c++20 -fsyntax-only -DSEQGRAD_PIECE=${piece} ${include_options} "${SOURCE}"
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(piece EQUAL 0 AND NOT result EQUAL 0)
        message(FATAL_ERROR "what should compile does not:\n${output}")
    elseif(piece GREATER 0 AND result EQUAL 0)
        message(SEND_ERROR "piece ${piece} compiles")
    elseif(piece GREATER 0 AND NOT output MATCHES "sizes or elements\\?")
        message(SEND_ERROR "piece ${piece} is refused without the sentence:\n${output}")
    endif()
endforeach()
