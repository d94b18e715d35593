#pragma once

#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/batch_source.hpp"

namespace seqgrad::detail {

inline SourceSettings::value_type setting(const char* name, std::size_t value) {
    return {name, static_cast<std::int64_t>(value)};
}

inline void check_batch_size(std::size_t batch_size) {
    if (batch_size == 0) throw ValueError("batch source: the batch size must be at least 1, got 0");
}

/// Refuses to skip more batches than the pass has left.
[[noreturn]] inline void throw_too_far(std::size_t batches, std::size_t left) {
    throw ValueError(
        fmt::format("batch source: {} batches to skip, the pass over the data has {}", batches, left));
}

}  // namespace seqgrad::detail
