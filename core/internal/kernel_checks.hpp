#pragma once

#include <functional>
#include <optional>
#include <span>
#include <tuple>

#include "seqgrad/core/kernels/attention.hpp"
#include "seqgrad/core/kernels/attention_decoder.hpp"
#include "seqgrad/core/kernels/elementwise.hpp"
#include "seqgrad/core/kernels/instruction_set.hpp"
#include "seqgrad/core/kernels/product.hpp"
#include "seqgrad/core/kernels/recurrent.hpp"
#include "seqgrad/core/selftest.hpp"

// What selftest() is made of. Each check goes through all sizes of its kernels, for all sets given to it.

namespace seqgrad::detail {

/// The kernels of one instruction set and element type, as those who use them call them.
template <class T>
struct CheckedKernels {
    kernels::Elementwise<T> elementwise;
    kernels::AttentionRows<T> attention_rows;
    std::optional<kernels::ProductKernels<T>> product;
    std::function<void(const kernels::RecurrentForward<T>&)> recurrent_forward;
    std::function<void(const kernels::RecurrentBackward<T>&)> recurrent_backward;
    std::function<kernels::AttentionDecoderSaved<T>(const kernels::AttentionDecoderForward<T>&)>
        decoder_forward;
    std::function<void(const kernels::AttentionDecoderBackward<T>&, kernels::AttentionDecoderSaved<T>&)>
        decoder_backward;
    /// Whether recurrent kernels are compared with these.
    bool are_reference = false;
};

/// The kernels of one instruction set, and what was found.
struct CheckedSet {
    std::tuple<CheckedKernels<float>, CheckedKernels<double>> kernels;
    SelfTestResult result;
};

/// What an available instruction set has.
CheckedSet checked_set(kernels::InstructionSet set);

void check_elementwise(std::span<CheckedSet> sets);
void check_attention_rows(std::span<CheckedSet> sets);
void check_products(std::span<CheckedSet> sets);
void check_recurrent(std::span<CheckedSet> sets);
void check_attention_decoder(std::span<CheckedSet> sets);

}  // namespace seqgrad::detail
