#pragma once

#include <cstddef>
#include <thread>
#include <vector>

#include "seqgrad/core/threads.hpp"

namespace seqgrad::bench {

/// One thread, and two where there are as many processors.
inline std::vector<std::size_t> thread_counts() {
    return std::thread::hardware_concurrency() > 1 ? std::vector<std::size_t>{1, 2}
                                                   : std::vector<std::size_t>{1};
}

}  // namespace seqgrad::bench
