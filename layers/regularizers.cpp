#include "seqgrad/layers/regularizers.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/keras.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"

namespace seqgrad {
namespace {

void check_factor(const char* rule, const char* argument, double value) {
    if (!(value >= 0.0) || !std::isfinite(value)) {
        throw ValueError(
            fmt::format("{}: {} must be finite and not negative, got {}", rule, argument, value));
    }
}

template <class T>
Variable<T> penalty(const std::monostate&, const Variable<T>&) {
    throw ValueError("Regularizer: there is no penalty");
}

template <class T>
Variable<T> penalty(const L1& rule, const Variable<T>& w) {
    return rule.l1 * sum(abs(w));
}

template <class T>
Variable<T> penalty(const L2& rule, const Variable<T>& w) {
    return rule.l2 * sum(square(w));
}

template <class T>
Variable<T> penalty(const L1L2& rule, const Variable<T>& w) {
    return rule.l1 * sum(abs(w)) + rule.l2 * sum(square(w));
}

template <class T>
Variable<T> penalty(const OrthogonalRegularizer& rule, const Variable<T>& w) {
    if (w.rank() != 2) {
        throw ShapeError(fmt::format("OrthogonalRegularizer: expected a weight of rank 2, got {} (rank {})",
                                     to_string(w.shape()), w.rank()));
    }
    const Variable<T> vectors = rule.mode == OrthogonalMode::rows ? w : transpose(w);
    const std::size_t n = vectors.shape()[0];
    if (n < 2) return constant(zeros<T>({}));
    const Variable<T> squares = sum(square(vectors), {.axis = -1, .keepdims = true});
    // Shorter vectors are taken to have this length.
    constexpr double shortest = detail::keras_epsilon;
    const Variable<T> unit = vectors / sqrt(maximum(squares, shortest * shortest));
    Tensor<T> off_diagonal = ones<T>({n, n});
    for (std::size_t i = 0; i < n; ++i) off_diagonal(i, i) = T(0);
    const double pairs = 0.5 * static_cast<double>(n) * static_cast<double>(n - 1);
    return (0.5 * rule.factor / pairs) * sum(abs(matmul(unit, transpose(unit)) * off_diagonal));
}

}  // namespace

Regularizer::Regularizer(L1 rule) : rule_(rule) {
    check_factor("L1", "l1", rule.l1);
}

Regularizer::Regularizer(L2 rule) : rule_(rule) {
    check_factor("L2", "l2", rule.l2);
}

Regularizer::Regularizer(L1L2 rule) : rule_(rule) {
    check_factor("L1L2", "l1", rule.l1);
    check_factor("L1L2", "l2", rule.l2);
}

Regularizer::Regularizer(OrthogonalRegularizer rule) : rule_(rule) {
    check_factor("OrthogonalRegularizer", "factor", rule.factor);
}

template <class T>
Variable<T> Regularizer::operator()(const Variable<T>& w) const {
    return std::visit([&](const auto& rule) { return penalty(rule, w); }, rule_);
}

std::string_view Regularizer::name() const {
    constexpr std::string_view names[] = {"", "L1", "L2", "L1L2", "OrthogonalRegularizer"};
    return names[rule_.index()];
}

template Variable<float> Regularizer::operator()(const Variable<float>&) const;
template Variable<double> Regularizer::operator()(const Variable<double>&) const;

}  // namespace seqgrad
