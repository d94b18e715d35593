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
    if (node_.target || node_.retains_grad) return *node_.pending;
    return std::move(*node_.pending);
}

template <class T>
void Backward<T>::accumulate(std::size_t i, Tensor<T> gradient) {
    if (!wants(i)) return;
    detail::Node<T>& input = *node_.inputs()[i];
    if (gradient.shape() != input.shape) gradient = detail::sum_to_shape(node_.op(), gradient, input.shape);
    if (input.pending) {
        detail::add_to(*input.pending, gradient);
    } else {
        input.pending = std::move(gradient);
    }
}

template <class T>
GradientBuffer<T> Backward<T>::buffer(std::size_t i) {
    detail::Node<T>& input = *node_.inputs()[i];
    const bool fresh = !input.pending;
    if (fresh) input.pending.emplace(input.shape);
    return {*input.pending, fresh};
}

namespace detail {

template <class T>
OpNode<T>::OpNode(const char* op, Shape shape, std::span<const Variable<T>> operands)
    : Node<T>(std::move(shape)), op_(op) {
    // Orders come from a counter of the thread, raised above every operand's: they stay a topological order
    // when a graph is built by several threads.
    thread_local std::uint64_t last_order = 0;
    inputs_.reserve(operands.size());
    for (const Variable<T>& operand : operands) {
        if (operand.requires_grad()) {
            inputs_.push_back(operand.node());
            last_order = std::max(last_order, operand.node()->order);
        } else {
            inputs_.emplace_back();
        }
    }
    this->order = ++last_order;
}

template <class T>
void OpNode<T>::free_graph() noexcept {
    inputs_.clear();
    freed_ = true;
}

template <class T>
bool SeveralResultsNode<T>::reached() const noexcept {
    return std::ranges::any_of(output_grads, [](const auto& grad) { return grad.has_value(); });
}

template <class T>
void SeveralResultsNode<T>::drop_pending() noexcept {
    for (auto& grad : output_grads) grad.reset();
}

namespace {

/// One result of an operation with several.
template <class T>
class ResultNode final : public Node<T> {
  public:
    ResultNode(NodeRef<T> op, Shape shape, std::size_t index)
        : Node<T>(std::move(shape)), op_(std::move(op)), index_(index) {
        this->order = op_->order + 1;
    }
    const char* op() const noexcept override { return op_->op(); }
    std::span<const NodeRef<T>> inputs() const noexcept override { return {&op_, 1}; }
    void propagate(Backward<T>& pass) override {
        static_cast<SeveralResultsNode<T>&>(*op_).output_grads[index_] = pass.take_grad();
    }
    bool graph_freed() const noexcept override { return op_->graph_freed(); }

  private:
    NodeRef<T> op_;
    std::size_t index_;
};

}  // namespace

template <class T>
bool needs_graph(std::span<const Variable<T>> operands) {
    return grad_enabled() &&
           std::ranges::any_of(operands, [](const Variable<T>& v) { return v.requires_grad(); });
}

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
template class detail::OpNode<float>;
template class detail::SeveralResultsNode<float>;
template bool detail::needs_graph<float>(std::span<const Variable<float>>);
template void detail::check_value<float>(const char*, const Tensor<float>&, std::span<const Variable<float>>);
template std::vector<Variable<float>> detail::results_of<float>(NodeRef<float>,
                                                                std::span<const Variable<float>>);
template class Saved<double>;
template class Backward<double>;
template class detail::OpNode<double>;
template class detail::SeveralResultsNode<double>;
template bool detail::needs_graph<double>(std::span<const Variable<double>>);
template void detail::check_value<double>(const char*, const Tensor<double>&,
                                          std::span<const Variable<double>>);
template std::vector<Variable<double>> detail::results_of<double>(NodeRef<double>,
                                                                  std::span<const Variable<double>>);

}  // namespace seqgrad
