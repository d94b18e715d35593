#pragma once

#include <cstddef>

#if __has_include("seqgrad/core/threads.hpp")
#include "seqgrad/core/threads.hpp"
#endif

namespace seqgrad::bench {

/// Has the library use this many threads.
inline void use_threads([[maybe_unused]] std::size_t count) {
#if __has_include("seqgrad/core/threads.hpp")
    set_num_threads(count);
#endif
}

}  // namespace seqgrad::bench
