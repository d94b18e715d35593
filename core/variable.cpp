#include "seqgrad/core/variable.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

namespace detail {

template <class T>
void Node<T>::destroy(Node* node) noexcept {
    // Destroying a node releases its inputs. Those that die are queued here instead of recursing.
    thread_local Node* dead = nullptr;
    thread_local bool draining = false;
    node->next_dead = dead;
    dead = node;
    if (draining) return;
    draining = true;
    while (dead != nullptr) {
        Node* next = dead;
        dead = next->next_dead;
        delete next;
    }
    draining = false;
}

template class Node<float>;
template class Node<double>;

void fail_as_empty() {
    throw ValueError("this Variable is empty: it was default-constructed or moved from");
}

}  // namespace detail

template <class T>
Variable<T>::Variable(Tensor<T>&& value, bool requires_grad)
    : value_(new detail::Value<T>(std::move(value))) {
    if (requires_grad) node_ = detail::NodeRef<T>(new detail::Node<T>(value_->tensor.shape()));
}

template <class T>
Variable<T>::Variable(const Tensor<T>& value, bool requires_grad)
    : Variable(Tensor<T>(value), requires_grad) {}

template <class T>
T Variable<T>::item() const {
    if (size() != 1) {
        throw ShapeError(fmt::format("item: expected one element, got shape {}", to_string(shape())));
    }
    return *value().data();
}

template <class T>
bool Variable<T>::is_leaf() const {
    return value_ref() && (!node_ || node_->is_leaf());
}

template <class T>
const char* Variable<T>::op() const {
    return value_ref() && node_ ? node_->op() : "";
}

template <class T>
detail::Node<T>& Variable<T>::parameter_node(const char* function) const {
    if (!is_leaf())
        throw ValueError(fmt::format("{}: expected a parameter, got a result of {}", function, op()));
    if (!node_)
        throw ValueError(fmt::format("{}: expected a parameter, got a constant of shape {}", function,
                                     to_string(shape())));
    return *node_;
}

template <class T>
void Variable<T>::set_requires_grad(bool wanted) {
    parameter_node("set_requires_grad").requires_grad = wanted;
}

template <class T>
bool Variable<T>::has_grad() const {
    return value_ref() && node_ && static_cast<bool>(node_->grad);
}

template <class T>
const Tensor<T>& Variable<T>::grad() const {
    if (!has_grad()) {
        throw ValueError(fmt::format(
            "grad: this Variable of shape {} has no gradient: {}", to_string(shape()),
            !requires_grad() ? "it is a constant"
            : is_leaf()      ? "no backward pass has reached it"
                             : "it is the result of an operation; call retain_grad() on it before backward"));
    }
    return node_->grad->tensor;
}

template <class T>
void Variable<T>::set_grad(Tensor<T> grad) {
    detail::Node<T>& node = parameter_node("set_grad");
    if (grad.shape() != shape()) {
        throw ShapeError(fmt::format("set_grad: a gradient of shape {} given to a Variable of shape {}",
                                     to_string(grad.shape()), to_string(shape())));
    }
    node.grad = detail::ValueRef<T>(new detail::Value<T>(std::move(grad)));
}

template <class T>
void Variable<T>::clear_grad() {
    if (value_ref() && node_) node_->grad = {};
}

template <class T>
void Variable<T>::retain_grad() {
    if (!requires_grad()) throw ValueError("retain_grad: no gradient flows to a constant");
    node_->retains_grad = true;
}

template <class T>
Variable<T> Variable<T>::detach() const {
    Variable detached(value_ref(), {});
    detached.mask_ = mask_;
    return detached;
}

template <class T>
Variable<T> Variable<T>::with_shared_mask(const char* function, detail::Ref<detail::SharedMask> mask) const {
    const Shape& sizes = mask->mask.shape();
    if (sizes.size() > rank() || !std::equal(sizes.begin(), sizes.end(), shape().begin())) {
        throw ShapeError(fmt::format("{}: a mask of shape {} does not fit a value of shape {}", function,
                                     to_string(sizes), to_string(shape())));
    }
    Variable masked = without_mask();
    masked.mask_ = std::move(mask);
    return masked;
}

template <class T>
Variable<T> Variable<T>::with_mask(Mask mask) const {
    return with_shared_mask("with_mask",
                            detail::Ref<detail::SharedMask>(new detail::SharedMask(std::move(mask))));
}

template <class T>
Variable<T> Variable<T>::with_mask_of(const Variable& other) const {
    return other.mask_ ? with_shared_mask("with_mask_of", other.mask_) : without_mask();
}

template <class T>
void Variable<T>::assign(const Tensor<T>& value) {
    if (value.shape() != shape()) {
        throw ShapeError(fmt::format("assign: a value of shape {} given to a Variable of shape {}",
                                     to_string(value.shape()), to_string(shape())));
    }
    std::ranges::copy(elements(value), mutable_data().begin());
}

template <class T>
std::span<T> Variable<T>::mutable_data() {
    if (!is_leaf()) {
        throw ValueError(fmt::format(
            "only a leaf's value can be changed, this Variable is a result of {}; detach it first", op()));
    }
    ++value_->version;
    return elements(value_->tensor);
}

template class Variable<float>;
template class Variable<double>;

}  // namespace seqgrad
