# The warnings that seqgrad's own code compiles without.
function(seqgrad_warnings target)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion
        $<$<BOOL:${SEQGRAD_WARNINGS_AS_ERRORS}>:-Werror>)
endfunction()
