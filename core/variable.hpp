#pragma once

#include <cstddef>
#include <span>

#include "seqgrad/core/node.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

namespace detail {

/// Throws the ValueError of an empty handle.
[[noreturn]] void fail_as_empty();

}  // namespace detail

/// A light handle to a value that gradients flow through. Copies refer to the same value, gradient and
/// history.
///
/// A leaf is a Variable that the user made: a constant, or a parameter, whose gradient `backward`
/// accumulates. Every other Variable is the result of an operation and remembers how it was computed.
///
/// Handles may be copied and destroyed by several threads at once. A graph may be built from parameters that
/// other threads read too; a backward pass needs the parameters it reaches to itself.
template <class T>
class Variable {
  public:
    using value_type = T;

    /// An empty handle; every member but `operator bool` throws ValueError.
    Variable() noexcept = default;

    /// A leaf. `requires_grad` makes it a parameter, otherwise it is a constant.
    explicit Variable(Tensor<T>&& value, bool requires_grad = false);
    explicit Variable(const Tensor<T>& value, bool requires_grad = false);

    explicit operator bool() const noexcept { return static_cast<bool>(value_); }

    const Tensor<T>& value() const { return value_ref()->tensor; }
    const Shape& shape() const { return value().shape(); }
    std::size_t rank() const { return shape().size(); }
    std::size_t size() const { return value().size(); }
    /// The value of a one-element Variable. Throws ShapeError for any other size.
    T item() const;

    bool requires_grad() const { return value_ref() && node_ && node_->requires_grad; }
    bool is_leaf() const;
    /// The operation that computed it, "" for a leaf and where nothing was recorded.
    const char* op() const;

    /// Freezes a parameter (false) or thaws it (true). Throws ValueError for anything but a parameter.
    void set_requires_grad(bool wanted);

    bool has_grad() const;
    /// d loss / d this, added up over all backward passes since the last `clear_grad`. Throws ValueError when
    /// there is none: no backward pass reached it yet, or it is neither a parameter nor asked to
    /// `retain_grad`.
    const Tensor<T>& grad() const;
    /// Replaces a parameter's gradient. Throws ShapeError unless it has the value's shape.
    void set_grad(Tensor<T> grad);
    void clear_grad();
    /// Makes `backward` keep the gradient of the result of an operation too.
    void retain_grad();

    /// A constant that shares this value and mask and has no history.
    Variable detach() const;

    /// Which parts of the value count, or null where all do. A mask belongs to the handle, and goes with its
    /// copies: layers read it and give it to their outputs, losses leave out what does not count. Operations
    /// ignore it, and their results have none.
    const Mask* mask() const noexcept { return mask_ ? &mask_->mask : nullptr; }
    /// The same value and history with this mask, whose axes are the first ones of the value: [B, T] beside
    /// [B, T, D]. Throws ShapeError where it does not fit.
    Variable with_mask(Mask mask) const;
    /// The same value and history with the mask of `other`, or without one where `other` has none. Throws
    /// ShapeError where it does not fit.
    Variable with_mask_of(const Variable& other) const;
    /// The same value and history without a mask.
    Variable without_mask() const { return Variable(value_, node_); }

    /// Replaces a leaf's value. Throws ShapeError unless the shape is the same, ValueError for the result of
    /// an operation. A graph that saved the old value can no longer run backward: that throws ValueError.
    void assign(const Tensor<T>& value);
    /// A leaf's elements for changing them in place, with the same consequences as `assign`.
    std::span<T> mutable_data();

    /// Whether both refer to the same value.
    bool same_as(const Variable& other) const noexcept { return value_ == other.value_; }

    /// For the engine: the value and the place in the graph (null for a constant).
    const detail::ValueRef<T>& value_ref() const {
        if (!value_) detail::fail_as_empty();
        return value_;
    }
    const detail::NodeRef<T>& node() const { return node_; }
    Variable(detail::ValueRef<T> value, detail::NodeRef<T> node) noexcept
        : value_(std::move(value)), node_(std::move(node)) {}
    Variable(Variable&& value, detail::NodeRef<T> node) noexcept
        : value_(std::move(value.value_)), node_(std::move(node)) {}

  private:
    detail::Node<T>& parameter_node(const char* function) const;
    Variable with_shared_mask(const char* function, detail::Ref<detail::SharedMask> mask) const;

    detail::ValueRef<T> value_;
    detail::NodeRef<T> node_;
    detail::Ref<detail::SharedMask> mask_;
};

namespace detail {

template <class E>
struct RealValueOf {
    using type = typename E::value_type;
    static_assert(Real<type>,
                  "a Variable has elements of float or double: convert others by seqgrad::cast<float>(...)");
};
/// The element type of an expression that a Variable is made of.
template <class E>
using RealValue = typename RealValueOf<E>::type;

}  // namespace detail

/// A leaf that no gradient is computed for.
template <class T>
Variable<T> constant(Tensor<T>&& value) {
    return Variable<T>(std::move(value), false);
}
template <class T>
Variable<T> constant(const Tensor<T>& value) {
    return Variable<T>(value, false);
}

/// The same of the values of an xtensor expression, as 0.1F * random.normal<float>({2, 3}).
template <class E>
auto constant(const xt::xexpression<E>& expression) {
    return Variable<detail::RealValue<E>>(Tensor<detail::RealValue<E>>(expression), false);
}

/// A leaf whose gradient `backward` accumulates.
template <class T>
Variable<T> parameter(Tensor<T>&& value) {
    return Variable<T>(std::move(value), true);
}
template <class T>
Variable<T> parameter(const Tensor<T>& value) {
    return Variable<T>(value, true);
}
/// The same of the values of an xtensor expression.
template <class E>
auto parameter(const xt::xexpression<E>& expression) {
    return Variable<detail::RealValue<E>>(Tensor<detail::RealValue<E>>(expression), true);
}

extern template class Variable<float>;
extern template class Variable<double>;

}  // namespace seqgrad
