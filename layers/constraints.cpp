#include "seqgrad/layers/constraints.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/keras.hpp"

namespace seqgrad {
namespace {

/// Scales every vector along `axis` by what `factor` makes of its length.
template <class T, class Factor>
Tensor<T> scaled(const char* rule, Tensor<T> w, std::ptrdiff_t axis, Factor factor) {
    const std::size_t at = normalize_axis(rule, axis, w.dimension());
    const std::size_t length = w.shape()[at];
    std::size_t inner = 1;
    for (std::size_t i = at + 1; i < w.dimension(); ++i) inner *= w.shape()[i];
    const std::size_t vectors = length == 0 ? 0 : w.size() / length;
    for (std::size_t v = 0; v < vectors; ++v) {
        T* const first = w.data() + (v / inner) * length * inner + v % inner;
        T squares(0);
        for (std::size_t i = 0; i < length; ++i) squares += first[i * inner] * first[i * inner];
        const T by = factor(std::sqrt(squares));
        for (std::size_t i = 0; i < length; ++i) first[i * inner] *= by;
    }
    return w;
}

template <class T>
Tensor<T> constrained(const std::monostate&, const Tensor<T>& w) {
    return w;
}

template <class T>
Tensor<T> constrained(const MaxNorm& rule, const Tensor<T>& w) {
    const T longest = static_cast<T>(rule.max_value);
    return scaled("MaxNorm", w, rule.axis, [=](T norm) {
        return std::min(norm, longest) / (static_cast<T>(detail::keras_epsilon) + norm);
    });
}

template <class T>
Tensor<T> constrained(const NonNeg&, const Tensor<T>& w) {
    Tensor<T> out = w;
    for (T& x : elements(out)) x = x < T(0) ? T(0) : x;
    return out;
}

template <class T>
Tensor<T> constrained(const UnitNorm& rule, const Tensor<T>& w) {
    return scaled("UnitNorm", w, rule.axis,
                  [](T norm) { return T(1) / (static_cast<T>(detail::keras_epsilon) + norm); });
}

template <class T>
Tensor<T> constrained(const MinMaxNorm& rule, const Tensor<T>& w) {
    const T low = static_cast<T>(rule.min_value), high = static_cast<T>(rule.max_value);
    const T rate = static_cast<T>(rule.rate);
    return scaled("MinMaxNorm", w, rule.axis, [=](T norm) {
        const T desired = rate * std::clamp(norm, low, high) + (T(1) - rate) * norm;
        return desired / (static_cast<T>(detail::keras_epsilon) + norm);
    });
}

}  // namespace

Constraint::Constraint(MaxNorm rule) : rule_(rule) {
    if (!(rule.max_value >= 0.0))
        throw ValueError(fmt::format("MaxNorm: max_value must be at least 0, got {}", rule.max_value));
}

Constraint::Constraint(NonNeg rule) : rule_(rule) {}

Constraint::Constraint(UnitNorm rule) : rule_(rule) {}

Constraint::Constraint(MinMaxNorm rule) : rule_(rule) {
    if (!(rule.min_value >= 0.0 && rule.max_value >= rule.min_value)) {
        throw ValueError(fmt::format("MinMaxNorm: expected 0 <= min_value <= max_value, got {} and {}",
                                     rule.min_value, rule.max_value));
    }
    if (!(rule.rate >= 0.0 && rule.rate <= 1.0))
        throw ValueError(fmt::format("MinMaxNorm: rate must be in [0, 1], got {}", rule.rate));
}

template <class T>
Tensor<T> Constraint::operator()(const Tensor<T>& w) const {
    return std::visit([&](const auto& rule) { return constrained(rule, w); }, rule_);
}

std::string_view Constraint::name() const {
    constexpr std::string_view names[] = {"", "MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"};
    return names[rule_.index()];
}

template Tensor<float> Constraint::operator()(const Tensor<float>&) const;
template Tensor<double> Constraint::operator()(const Tensor<double>&) const;

}  // namespace seqgrad
