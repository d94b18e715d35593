#pragma once

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {

/// Thrown for a module that does not say its output shape, as distinct from an input that does not fit it.
class UnknownOutputShape : public ValueError {
    using ValueError::ValueError;
};

}  // namespace seqgrad::detail
