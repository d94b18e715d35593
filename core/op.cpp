#include "seqgrad/core/op.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/finite.hpp"

namespace seqgrad {

template <class T>
const Tensor<T>& Saved<T>::value() const {
    if (value_->version != version_) {
        throw ValueError(
            fmt::format("backward: a value of shape {} that an operation saved was changed after the "
                        "operation read it; run backward "
                        "before changing it",
                        to_string(shape())));
    }
    return value_->tensor;
}

template <class T>
Tensor<T> Backward<T>::take_grad() {
    if (keeps_grad()) return node_.pending->tensor;
    return std::move(node_.pending->tensor);
}

template <class T>
void Backward<T>::accumulate(std::size_t i, Tensor<T>&& gradient) {
    if (!wants(i)) return;
    detail::Node<T>& input = *inputs_[i];
    if (!input.pending && detail::same_shape(gradient.shape(), input.shape)) {
        input.pending = detail::ValueRef<T>(new detail::Value<T>(std::move(gradient)));
    } else {
        accumulate(i, std::as_const(gradient));
    }
}

template <class T>
void Backward<T>::accumulate(std::size_t i, const Tensor<T>& gradient) {
    if (!wants(i)) return;
    detail::Node<T>& input = *inputs_[i];
    if (!detail::same_shape(gradient.shape(), input.shape)) {
        accumulate(i, detail::sum_to_shape(node_.op(), gradient, input.shape));
    } else if (input.unwritten) {
        // Into the same memory: the buffer may be in use already.
        std::ranges::copy(elements(gradient), input.pending->tensor.data());
        input.unwritten = false;
    } else if (input.pending) {
        detail::add_to(input.pending->tensor, gradient);
    } else {
        input.pending = detail::ValueRef<T>(new detail::Value<T>(gradient));
    }
}

template <class T>
bool Backward<T>::can_pass_on(std::size_t i) const {
    if (!wants(i) || keeps_grad()) return false;
    const detail::Node<T>& input = *inputs_[i];
    return !input.pending && detail::same_shape(node_.shape, input.shape);
}

template <class T>
void Backward<T>::pass_on(std::size_t i) {
    if (can_pass_on(i)) {
        inputs_[i]->pending = std::move(node_.pending);
    } else {
        accumulate(i, grad());
    }
}

template <class T>
void Backward<T>::pass_on(std::size_t i, std::size_t j) {
    const bool first_last = can_pass_on(i);
    accumulate(first_last ? j : i, grad());
    pass_on(first_last ? i : j);
}

template <class T>
GradientBuffer<T> Backward<T>::buffer(std::size_t i) {
    detail::Node<T>& input = *inputs_[i];
    if (!input.pending) {
        input.pending = detail::ValueRef<T>(new detail::Value<T>(input.shape));
        input.unwritten = buffer_given_ = true;
    }
    return {input.pending->tensor, input.unwritten};
}

template <class T>
void Backward<T>::drop_unwritten() noexcept {
    for (const detail::NodeRef<T>& input : inputs_) {
        if (!input || !input->unwritten) continue;
        input->pending = {};
        input->unwritten = false;
    }
}

namespace detail {

std::uint64_t next_order(std::uint64_t largest) noexcept {
    thread_local std::uint64_t last = 0;
    last = std::max(last, largest) + 1;
    return last;
}

template <class T>
bool SeveralResultsNode<T>::reached() const noexcept {
    return std::ranges::any_of(output_grads, [](const auto& grad) { return static_cast<bool>(grad); });
}

template <class T>
void SeveralResultsNode<T>::drop_pending() noexcept {
    for (auto& grad : output_grads) grad = {};
}

namespace {

/// One result of an operation with several.
template <class T>
class ResultNode final : public Node<T> {
  public:
    ResultNode(const NodeRef<T>& op, const Shape& shape, std::size_t index)
        : Node<T>(op->op(), 1), index_(index) {
        this->shape = shape;
        this->order = op->order + 1;
        *this->inputs_to_set() = op;
    }
    void propagate(Backward<T>&) override {
        static_cast<SeveralResultsNode<T>&>(*this->inputs()[0]).output_grads[index_] = this->pending;
    }

  private:
    std::size_t index_;
};

}  // namespace

template <class T>
void check_value(const char* op, const Tensor<T>& value, std::span<const Variable<T>> operands) {
    const auto bad = first_non_finite(value);
    if (!bad) return;
    std::string cause = "; every operand is finite";
    for (std::size_t i = 0; i < operands.size(); ++i) {
        if (const auto j = first_non_finite(operands[i].value())) {
            cause = fmt::format("; operand {} of shape {} was not finite already (element {} is {})", i,
                                to_string(operands[i].shape()), *j,
                                non_finite_name(operands[i].value().data()[*j]));
            break;
        }
    }
    throw NonFiniteError(
        fmt::format("anomaly: {} computed a value that is not finite: element {} of shape {} is {}{}", op,
                    *bad, to_string(value.shape()), non_finite_name(value.data()[*bad]), cause));
}

template <class T>
std::vector<Variable<T>> results_of(NodeRef<T> op, std::span<const Variable<T>> values) {
    std::vector<Variable<T>> results;
    results.reserve(values.size());
    for (std::size_t k = 0; k < values.size(); ++k) {
        results.emplace_back(values[k].value_ref(), NodeRef<T>(new ResultNode<T>(op, values[k].shape(), k)));
    }
    return results;
}

}  // namespace detail

template class Saved<float>;
template class Backward<float>;
template class detail::SeveralResultsNode<float>;
template void detail::check_value<float>(const char*, const Tensor<float>&, std::span<const Variable<float>>);
template std::vector<Variable<float>> detail::results_of<float>(NodeRef<float>,
                                                                std::span<const Variable<float>>);
template class Saved<double>;
template class Backward<double>;
template class detail::SeveralResultsNode<double>;
template void detail::check_value<double>(const char*, const Tensor<double>&,
                                          std::span<const Variable<double>>);
template std::vector<Variable<double>> detail::results_of<double>(NodeRef<double>,
                                                                  std::span<const Variable<double>>);

}  // namespace seqgrad
