#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/node.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// How an operation is written: validate, compute the value, then hand value, operands and a backward function
// to `record`. The library's own operations are made with this header, and users' are too:
//
//     Variable<double> cube(const Variable<double>& x) {
//         Tensor<double> value = x.value() * x.value() * x.value();
//         return record("cube", std::move(value), {x}, [x = save(x)](Backward<double>& pass) {
//             pass.accumulate(0, Tensor<double>(3.0 * x.value() * x.value() * pass.grad()));
//         });
//     }

namespace seqgrad {

/// A value kept for the backward pass.
template <class T>
class Saved {
  public:
    explicit Saved(const Variable<T>& v) : value_(v.value_ref()), version_(value_->version) {}

    /// Throws ValueError when the value was changed after it was saved.
    const Tensor<T>& value() const;
    const Shape& shape() const { return value_->tensor.shape(); }

  private:
    detail::ValueRef<T> value_;
    std::uint32_t version_;
};

/// Keeps an operand's, or the result's, value for the backward pass: `[x = save(x)]`.
template <class T>
Saved<T> save(const Variable<T>& v) {
    return Saved<T>(v);
}

/// Where an input's gradient is accumulated by a kernel that writes it itself.
///
/// Whether to overwrite or to add is decided when it is written, not when the buffer is asked for: several
/// operands may be the same Variable, and then have one buffer.
template <class T>
class GradientBuffer {
  public:
    /// For the engine.
    GradientBuffer(Tensor<T>& gradient, bool& unwritten) : tensor(gradient), unwritten_(&unwritten) {}

    /// The input's shape; its elements are uninitialised until the first write.
    Tensor<T>& tensor;

    /// Whether nothing was accumulated yet: overwrite instead of adding. Ask once for every write of the
    /// whole tensor, right before it; from then on the tensor counts as written.
    bool first_write() const { return std::exchange(*unwritten_, false); }
    /// The factor for what is already there, as in `C = A B + beta C`: 0 for the first write, 1 for others.
    /// To be asked for like `first_write`.
    T beta() const { return first_write() ? T{0} : T{1}; }

  private:
    bool* unwritten_;
};

/// What an operation's backward function sees: the gradient of its result, and where the operands' gradients
/// go.
template <class T>
class Backward {
  public:
    /// For the engine. `output_grads` is empty for an operation with one result.
    Backward(detail::Node<T>& node, std::span<const detail::ValueRef<T>> output_grads)
        : node_(node), inputs_(node.inputs()), output_grads_(output_grads) {}
    ~Backward() {
        if (buffer_given_) drop_unwritten();
    }
    Backward(const Backward&) = delete;
    Backward& operator=(const Backward&) = delete;

    /// d loss / d result. Has the result's shape.
    const Tensor<T>& grad() const { return node_.pending->tensor; }
    /// The same, given away: moved when nothing else needs it.
    Tensor<T> take_grad();
    /// d loss / d result k of an operation with several results; null when the loss does not depend on it.
    const Tensor<T>* grad(std::size_t k) const {
        return output_grads_[k] ? &output_grads_[k]->tensor : nullptr;
    }

    /// Whether operand i's gradient is needed. Work for others can be skipped; what is given for them is
    /// dropped.
    bool wants(std::size_t i) const { return inputs_[i] && inputs_[i]->wanted; }
    /// Whether operand i's gradient is needed for itself, not only for those of what it was computed from.
    /// Only when `wants(i)`.
    bool keeps(std::size_t i) const { return inputs_[i]->target || inputs_[i]->retains_grad; }
    /// Only when `wants(i)`.
    const Shape& input_shape(std::size_t i) const { return inputs_[i]->shape; }
    /// Whether operands i and j are the same Variable, whose gradient is the sum of both.
    bool same_operand(std::size_t i, std::size_t j) const { return inputs_[i] == inputs_[j]; }

    /// Adds `gradient` to operand i's. A gradient of a shape that the operand was broadcast to is summed over
    /// the stretched axes. Throws ShapeError when the operand does not broadcast to the gradient's shape.
    void accumulate(std::size_t i, Tensor<T>&& gradient);
    void accumulate(std::size_t i, const Tensor<T>& gradient);

    /// Adds the result's gradient to operand i's, as `accumulate(i, take_grad())`, and without a copy where
    /// nothing else needs it.
    void pass_on(std::size_t i);
    /// The same for two operands, with one copy at most.
    void pass_on(std::size_t i, std::size_t j);

    /// Operand i's gradient to write to directly. Only when `wants(i)`. Valid while the backward function
    /// runs.
    GradientBuffer<T> buffer(std::size_t i);

  private:
    void drop_unwritten() noexcept;
    bool keeps_grad() const { return node_.target || node_.retains_grad || node_.pending.is_shared(); }
    bool can_pass_on(std::size_t i) const;

    detail::Node<T>& node_;
    std::span<const detail::NodeRef<T>> inputs_;
    std::span<const detail::ValueRef<T>> output_grads_;
    bool buffer_given_ = false;
};

namespace detail {

/// An operand in a braced list: refers to a Variable without counting it.
template <class T>
class Operand {
  public:
    Operand(const Variable<T>& variable) noexcept : variable_(&variable) {}
    operator const Variable<T>&() const noexcept { return *variable_; }

  private:
    const Variable<T>* variable_;
};

/// Operands as they are written in braces. What a call names there lives as long as the call.
template <class T>
using OperandList = std::initializer_list<Operand<std::type_identity_t<T>>>;

/// A larger number than this and than the calling thread's last one: orders of the nodes of a graph are a
/// topological order also when several threads build it.
std::uint64_t next_order(std::uint64_t largest) noexcept;

/// Base of the nodes of recorded operations.
template <class T>
class OpNode : public Node<T> {
  public:
    template <class Operands>
    OpNode(const char* op, const Operands& operands) : Node<T>(op, operands.size()) {
        NodeRef<T>* input = this->inputs_to_set();
        std::uint64_t largest = 0;
        for (const Variable<T>& operand : operands) {
            if (operand.requires_grad()) {
                *input = operand.node();
                largest = std::max(largest, operand.node()->order);
            }
            ++input;
        }
        this->order = next_order(largest);
    }
};

/// An operation with one result.
template <class T, class F>
class SingleResultNode final : public OpNode<T> {
  public:
    template <class Operands>
    SingleResultNode(const char* op, const Shape& shape, const Operands& operands, F&& backward)
        : OpNode<T>(op, operands), backward_(std::move(backward)) {
        this->shape = shape;
    }
    void propagate(Backward<T>& pass) override { (*backward_)(pass); }
    void free_saved() noexcept override { backward_.reset(); }
    const Lookup<T>* lookup() const noexcept override {
        if constexpr (requires(const F& f) { f.lookup(); }) {
            return backward_ ? &backward_->lookup() : nullptr;
        } else {
            return nullptr;
        }
    }

  private:
    std::optional<F> backward_;
};

/// An operation with several results. Each is a node of its own in front of this one, to which it hands its
/// gradient.
template <class T>
class SeveralResultsNode : public OpNode<T> {
  public:
    template <class Operands>
    SeveralResultsNode(const char* op, std::size_t results, const Operands& operands)
        : OpNode<T>(op, operands), output_grads(results) {}
    bool reached() const noexcept override;
    void drop_pending() noexcept override;
    std::vector<ValueRef<T>>* output_gradients() noexcept override { return &output_grads; }

    std::vector<ValueRef<T>> output_grads;
};

template <class T, class F>
class SeveralResultsNodeOf final : public SeveralResultsNode<T> {
  public:
    template <class Operands>
    SeveralResultsNodeOf(const char* op, std::size_t results, const Operands& operands, F&& backward)
        : SeveralResultsNode<T>(op, results, operands), backward_(std::move(backward)) {}
    void propagate(Backward<T>&) override {
        Backward<T> pass(*this, this->output_grads);
        (*backward_)(pass);
    }
    void free_saved() noexcept override { backward_.reset(); }

  private:
    std::optional<F> backward_;
};

/// Whether a result of these operands needs a graph. Throws ValueError for an empty handle.
template <class T, class Operands>
bool needs_graph(const Operands& operands) {
    bool needed = false;
    for (const Variable<T>& operand : operands) needed |= operand.requires_grad();
    return needed && grad_enabled();
}

/// Throws ValueError when the value is not finite, for anomaly mode.
template <class T>
void check_value(const char* op, const Tensor<T>& value, std::span<const Variable<T>> operands);
template <class T>
void check_value(const char* op, const Tensor<T>& value, const OperandList<T>& operands) {
    check_value<T>(op, value, std::vector<Variable<T>>(operands.begin(), operands.end()));
}

template <class T>
std::vector<Variable<T>> results_of(NodeRef<T> op, std::span<const Variable<T>> values);

template <class T, class Operands, class F>
Variable<T> record_one(const char* op, Variable<T>&& value, const Operands& operands, F&& backward) {
    if (anomaly_detection_enabled()) check_value<T>(op, value.value(), operands);
    if (!needs_graph<T>(operands)) return std::move(value);
    using Node = SingleResultNode<T, std::remove_cvref_t<F>>;
    NodeRef<T> node(new Node(op, value.shape(), operands, std::remove_cvref_t<F>(std::forward<F>(backward))));
    return Variable<T>(std::move(value), std::move(node));
}

template <class T, class Operands, class F>
std::vector<Variable<T>> record_all(const char* op, std::span<const Variable<T>> values,
                                    const Operands& operands, F&& backward) {
    if (anomaly_detection_enabled()) {
        for (const Variable<T>& value : values) check_value<T>(op, value.value(), operands);
    }
    if (!needs_graph<T>(operands)) return {values.begin(), values.end()};
    using Node = SeveralResultsNodeOf<T, std::remove_cvref_t<F>>;
    return results_of<T>(
        NodeRef<T>(new Node(op, values.size(), operands, std::remove_cvref_t<F>(std::forward<F>(backward)))),
        values);
}

}  // namespace detail

/// Makes the result of an operation from its value. Where an operand requires a gradient,
/// `backward(Backward<T>&)` is kept and called once in every backward pass that reaches the result; its
/// captures are what is saved. `op` is a string literal. `value` is a constant, given as one so that the
/// backward function can save it too:
///
///     Variable<T> y = constant(exp_of(x.value()));
///     return record("exp", y, {x}, [y = save(y)](Backward<T>& pass) { ... });
template <class T, class F>
Variable<T> record(const char* op, Variable<T> value, std::span<const Variable<T>> operands, F&& backward) {
    return detail::record_one(op, std::move(value), operands, std::forward<F>(backward));
}
template <class T, class F>
Variable<T> record(const char* op, Variable<T> value, detail::OperandList<T> operands, F&& backward) {
    return detail::record_one(op, std::move(value), operands, std::forward<F>(backward));
}
template <class T, class F>
Variable<T> record(const char* op, Tensor<T>&& value, std::span<const Variable<T>> operands, F&& backward) {
    return detail::record_one(op, constant(std::move(value)), operands, std::forward<F>(backward));
}
template <class T, class F>
Variable<T> record(const char* op, Tensor<T>&& value, detail::OperandList<T> operands, F&& backward) {
    return detail::record_one(op, constant(std::move(value)), operands, std::forward<F>(backward));
}
template <class T, class F>
Variable<T> record(const char* op, const Tensor<T>& value, detail::OperandList<T> operands, F&& backward) {
    return detail::record_one(op, constant(value), operands, std::forward<F>(backward));
}

/// The same for an operation with several results: `backward` asks for each result's gradient with
/// `pass.grad(k)`.
template <class T, class F>
std::vector<Variable<T>> record_several(const char* op, std::span<const Variable<T>> values,
                                        std::span<const Variable<T>> operands, F&& backward) {
    return detail::record_all(op, values, operands, std::forward<F>(backward));
}
template <class T, class F>
std::vector<Variable<T>> record_several(const char* op, std::initializer_list<Variable<T>> values,
                                        detail::OperandList<T> operands, F&& backward) {
    return detail::record_all(op, std::span<const Variable<T>>(values.begin(), values.size()), operands,
                              std::forward<F>(backward));
}

}  // namespace seqgrad
