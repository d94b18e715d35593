#include "seqgrad/core/backward.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/finite.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

/// One backward pass: the nodes below an output, every node before those that its gradient flows to. Their
/// inputs keep them alive while the pass lasts.
template <class T>
class Pass {
  public:
    using Node = detail::Node<T>;
    using NodeRef = detail::NodeRef<T>;

    /// All nodes are wanted at first.
    explicit Pass(const Variable<T>& output) : Pass(output.node()) {
        // The destructor runs also if this throws: the other constructor has come to its end.
        if (!collect())
            std::ranges::sort(operations_, [](const Node* a, const Node* b) { return a->order > b->order; });
    }
    ~Pass() {
        for (PutAside& outer : put_aside_) {
            outer.node->drop_pending();
            outer.restore();
        }
        // A node may end with the one whose input it is, which comes later in this order.
        for_each_upwards([this](Node& node) {
            if (node.pass != this) return;
            if (!complete_ || node.pending) node.drop_pending();
            node.pass = nullptr;
            node.wanted = node.target = node.unwritten = false;
            if (node.graph_freed) node.free_inputs();
        });
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

    /// Afterwards the gradients of leaves, and of nodes that are targets or retain theirs, are pending.
    void run(const detail::ValueRef<T>& gradient, bool retain_graph) {
        if (freed_ != nullptr) {
            throw ValueError(fmt::format(
                "backward: the graph below {} was freed by an earlier backward pass, or by the one that "
                "is running; give that one {{.retain_graph = true}}",
                freed_->op()));
        }
        output_->pending = gradient;
        for (Node* node : operations_) {
            if (node->wanted && node->reached()) propagate(*node);
            if (!retain_graph && !node->needed_outside) {
                node->free_saved();
                node->graph_freed = true;
            }
            if (!node->target && !node->retains_grad) node->drop_pending();
        }
        complete_ = true;
    }

    bool contains(const Node& node) const { return node.pass == this; }

    /// f(node) for every node, inputs before those that they are inputs of.
    template <class F>
    void for_each_upwards(const F& f) const {
        for (Node* leaf : leaves_) f(*leaf);
        for (auto it = operations_.rbegin(); it != operations_.rend(); ++it) f(**it);
    }

    /// f(node) for every node that may keep its gradient after the pass.
    template <class F>
    void for_each_keeper(const F& f) const {
        for (Node* leaf : leaves_) f(*leaf);
        for (Node* node : retaining_) f(*node);
    }

  private:
    /// A node's part in the pass around this one.
    struct PutAside {
        explicit PutAside(Node& n)
            : node(&n),
              pass(n.pass),
              pending(n.pending),
              needed_outside(n.needed_outside),
              wanted(n.wanted),
              target(n.target),
              unwritten(n.unwritten) {
            if (n.output_gradients() != nullptr) output_gradients = *n.output_gradients();
        }
        void restore() noexcept {
            node->pass = pass;
            node->pending = std::move(pending);
            node->needed_outside = needed_outside;
            node->wanted = wanted;
            node->target = target;
            node->unwritten = unwritten;
            if (node->output_gradients() != nullptr) *node->output_gradients() = std::move(output_gradients);
        }

        Node* node;
        const void* pass;
        detail::ValueRef<T> pending;
        std::vector<detail::ValueRef<T>> output_gradients;
        bool needed_outside, wanted, target, unwritten;
    };

    /// A node whose backward function is being called.
    class Running {
      public:
        explicit Running(Node& node) : node_(node) { node.running = true; }
        ~Running() { node_.running = false; }
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

      private:
        Node& node_;
    };

    explicit Pass(NodeRef output) : output_(std::move(output)) {}

    void put_aside(Node& node) {
        if (node.running) {
            throw ValueError(fmt::format(
                "backward: the backward function of {} asks for a backward pass through itself", node.op()));
        }
        put_aside_.emplace_back(node);
        node.pending = {};
        node.drop_pending();
        node.needed_outside = true;
        node.target = node.unwritten = false;
    }

    /// Finds all nodes, and returns whether the operations are in their order already. Everything that is
    /// asked of each is asked here, when it is in cache.
    bool collect() {
        bool sorted = true;
        std::vector<Node*> stack;
        const auto visit = [&](Node* node) {
            if (node == nullptr || node->pass == this) return;
            if (node->pass != nullptr) put_aside(*node);
            node->pass = this;
            node->wanted = true;
            if (node->is_leaf()) {
                leaves_.push_back(node);
                return;
            }
            sorted = sorted && (operations_.empty() || operations_.back()->order > node->order);
            operations_.push_back(node);
            stack.push_back(node);
            if (node->retains_grad) retaining_.push_back(node);
            if (node->graph_freed && (freed_ == nullptr || freed_->order < node->order)) freed_ = node;
        };
        visit(output_.get());
        while (!stack.empty()) {
            Node* node = stack.back();
            stack.pop_back();
            for (const NodeRef& input : node->inputs()) visit(input.get());
        }
        return sorted;
    }

    void propagate(Node& node) {
        {
            const Running running(node);
            Backward<T> context(node, {});
            node.propagate(context);
        }
        if (!anomaly_detection_enabled()) return;
        const auto inputs = node.inputs();
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (!inputs[i] || !inputs[i]->pending) continue;
            if (const auto bad = detail::first_non_finite(inputs[i]->pending->tensor)) {
                throw NonFiniteError(fmt::format(
                    "anomaly: the gradient that {} propagates to its operand {} of shape {} is not finite: "
                    "element {} is {}",
                    node.op(), i, to_string(inputs[i]->shape), *bad,
                    detail::non_finite_name(inputs[i]->pending->tensor.data()[*bad])));
            }
        }
    }

    NodeRef output_;
    /// Operations newest first; of these, the ones that retain their gradients.
    std::vector<Node*> operations_, leaves_, retaining_;
    /// What nodes are to the pass in one of whose backward functions this one runs.
    std::vector<PutAside> put_aside_;
    /// The newest operation whose graph an earlier pass has freed.
    const Node* freed_ = nullptr;
    /// run() has come to its end: what is still pending is what it was to leave.
    bool complete_ = false;
};

template <class T>
void check_output(const char* function, const Variable<T>& output, const Tensor<T>& gradient,
                  BackwardOptions options) {
    if (options.create_graph) {
        throw ValueError(
            fmt::format("{}: create_graph is not supported: gradients are constants, there are no second "
                        "derivatives; write the gradient out as operations to differentiate it",
                        function));
    }
    if (!output.requires_grad()) {
        throw ValueError(
            fmt::format("{}: the loss depends on no Variable that requires a gradient (made by parameter(), "
                        "outside of NoGrad); gradients are constants, there are no second derivatives",
                        function));
    }
    if (gradient.shape() != output.shape()) {
        throw ShapeError(fmt::format("{}: a gradient of shape {} given for an output of shape {}", function,
                                     to_string(gradient.shape()), to_string(output.shape())));
    }
}

template <class T>
Tensor<T> one_for(const char* function, const Variable<T>& loss) {
    if (loss.size() != 1) {
        throw ShapeError(fmt::format(
            "{}: the loss must have one element, got shape {}; reduce it (sum, mean) or give its gradient",
            function, to_string(loss.shape())));
    }
    return ones<T>(loss.shape());
}

}  // namespace

template <class T>
void backward(const Variable<T>& output, const Variable<T>& gradient, BackwardOptions options) {
    check_output("backward", output, gradient.value(), options);
    if (gradient.requires_grad()) {
        throw ValueError(
            "backward: the gradient that is given requires a gradient itself, and would get none: "
            "there are no second derivatives; give its detach()");
    }
    Pass<T> pass(output);
    pass.run(gradient.value_ref(), options.retain_graph);
    // Only now, when nothing can fail any more, do gradients that are kept change.
    pass.for_each_keeper([](detail::Node<T>& node) {
        if (!node.pending) return;
        if (node.grad) {
            detail::add_to(node.grad->tensor, node.pending->tensor);
        } else if (node.pending.is_shared()) {
            node.grad = detail::ValueRef<T>(new detail::Value<T>(node.pending->tensor));
        } else {
            node.grad = std::move(node.pending);
        }
    });
}

template <class T, std::same_as<Tensor<T>> Gradient>
void backward(const Variable<T>& output, const Gradient& gradient, BackwardOptions options) {
    backward(output, constant(gradient), options);
}

template <class T>
void backward(const Variable<T>& loss, BackwardOptions options) {
    backward(loss, constant(one_for("backward", loss)), options);
}

template <class T, std::same_as<Tensor<T>> Gradient>
std::vector<Tensor<T>> grad(const Variable<T>& output, const Gradient& gradient,
                            std::span<const Variable<T>> variables, BackwardOptions options) {
    check_output("grad", output, gradient, options);
    for (const Variable<T>& v : variables) {
        if (!v.requires_grad())
            throw ValueError(
                "grad: one of the variables requires no gradient (made by constant() or detach(), or from a "
                "gradient: there are no second derivatives)");
    }
    Pass<T> pass(output);
    for (const Variable<T>& v : variables) {
        if (pass.contains(*v.node())) v.node()->target = true;
    }
    // A node is worth visiting when a target lies below it.
    pass.for_each_upwards([](detail::Node<T>& node) {
        node.wanted = node.target || std::ranges::any_of(node.inputs(), [](const auto& input) {
                          return input && input->wanted;
                      });
    });
    pass.run(constant(gradient).value_ref(), options.retain_graph);
    std::vector<Tensor<T>> gradients;
    gradients.reserve(variables.size());
    for (const Variable<T>& v : variables) {
        const auto& pending = v.node()->pending;
        gradients.push_back(pass.contains(*v.node()) && pending ? pending->tensor : zeros<T>(v.shape()));
    }
    return gradients;
}

template <class T>
std::vector<Tensor<T>> grad(const Variable<T>& loss, std::span<const Variable<T>> variables,
                            BackwardOptions options) {
    return grad(loss, one_for("grad", loss), variables, options);
}

template void backward(const Variable<float>&, BackwardOptions);
template void backward(const Variable<float>&, const Variable<float>&, BackwardOptions);
template void backward(const Variable<double>&, const Variable<double>&, BackwardOptions);
template void backward(const Variable<double>&, BackwardOptions);
template void backward(const Variable<float>&, const Tensor<float>&, BackwardOptions);
template void backward(const Variable<double>&, const Tensor<double>&, BackwardOptions);
template std::vector<Tensor<float>> grad(const Variable<float>&, std::span<const Variable<float>>,
                                         BackwardOptions);
template std::vector<Tensor<double>> grad(const Variable<double>&, std::span<const Variable<double>>,
                                          BackwardOptions);
template std::vector<Tensor<float>> grad(const Variable<float>&, const Tensor<float>&,
                                         std::span<const Variable<float>>, BackwardOptions);
template std::vector<Tensor<double>> grad(const Variable<double>&, const Tensor<double>&,
                                          std::span<const Variable<double>>, BackwardOptions);

}  // namespace seqgrad
