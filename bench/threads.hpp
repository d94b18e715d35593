#pragma once

#include <cstddef>
#include <thread>
#include <vector>

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

/// One thread, and two where there are as many processors.
inline std::vector<std::size_t> thread_counts() {
    return std::thread::hardware_concurrency() > 1 ? std::vector<std::size_t>{1, 2}
                                                   : std::vector<std::size_t>{1};
}

}  // namespace seqgrad::bench
