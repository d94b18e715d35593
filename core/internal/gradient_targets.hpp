#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "seqgrad/core/kernels/recurrent.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad::detail {

/// Where a kernel writes the gradients of several operands, in an order of its own.
///
/// Operands that are the same Variable get arrays apart, which `finish` adds up, so that no write can take
/// another one's place.
template <class T>
class GradientTargets {
  public:
    explicit GradientTargets(Backward<T>& pass) : pass_(pass) {}

    /// Operand i's target; null if its gradient is not wanted. Once for every operand.
    kernels::GradientTarget<T> of(std::size_t i) {
        if (!pass_.wants(i)) return {};
        const bool taken =
            std::ranges::any_of(taken_, [&](std::size_t other) { return pass_.same_operand(i, other); });
        if (taken) {
            apart_.emplace_back(i, Tensor<T>(pass_.input_shape(i)));
            return {apart_.back().second.data(), T{0}};
        }
        taken_.push_back(i);
        const GradientBuffer<T> buffer = pass_.buffer(i);
        return {buffer.tensor.data(), buffer.beta()};
    }

    /// After the kernel.
    void finish() {
        for (auto& [i, gradient] : apart_) pass_.accumulate(i, std::move(gradient));
    }

  private:
    Backward<T>& pass_;
    std::vector<std::size_t> taken_;
    std::vector<std::pair<std::size_t, Tensor<T>>> apart_;
};

}  // namespace seqgrad::detail
