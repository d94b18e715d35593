# The warnings that seqgrad's own code compiles without.
function(seqgrad_warnings target)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion
        $<$<BOOL:${SEQGRAD_WARNINGS_AS_ERRORS}>:-Werror>)
endfunction()

# For programs that test or show the library. Sanitizers watch the library: to check these programs' own arithmetic too,
# and to optimise them, would take more than half of the time to build.
function(seqgrad_program_options target)
    seqgrad_warnings(${target})
    if(SEQGRAD_SANITIZED)
        target_compile_options(${target} PRIVATE -fno-sanitize=undefined -O0)
    endif()
endfunction()
