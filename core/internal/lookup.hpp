#pragma once

#include <cstdint>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad::detail {

/// What embedding_lookup keeps: a value that consists of rows of a table.
template <class T>
struct Lookup {
    Variable<T> table;
    std::uint32_t version;  ///< of the table's value when it was read
    Tensor<std::int64_t> ids;

    /// Whether the table still has the rows that were read.
    bool is_current() const { return table.value_ref()->version == version; }
};

}  // namespace seqgrad::detail
