# <build>/include/seqgrad/{core,layers,...}: links to the source folders, so that headers are spelled
# "seqgrad/core/tensor.hpp" before and after installation and no consumer's own core/ can be shadowed.
set(SEQGRAD_INCLUDE_TREE "${CMAKE_CURRENT_BINARY_DIR}/include")
file(MAKE_DIRECTORY "${SEQGRAD_INCLUDE_TREE}/seqgrad")
foreach(entry core layers optim data train seqgrad.hpp)
    file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}/${entry}" "${SEQGRAD_INCLUDE_TREE}/seqgrad/${entry}" SYMBOLIC)
endforeach()
