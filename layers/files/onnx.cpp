#include "seqgrad/layers/files/onnx.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/atomic_file.hpp"
#include "seqgrad/layers/activation.hpp"
#include "seqgrad/layers/additive_attention.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/internal/gates.hpp"
#include "seqgrad/layers/internal/onnx_graph.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"
#include "seqgrad/layers/repeat_vector.hpp"
#include "seqgrad/layers/rnn.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"
#include "seqgrad/layers/time_distributed.hpp"

namespace seqgrad {
namespace {

using Graph = detail::OnnxGraph;
using Attributes = Graph::Attributes;
using Ints = Graph::Ints;

/// Protocol buffers' largest message.
constexpr std::size_t largest_file = std::numeric_limits<std::int32_t>::max();

// Which of our gates each of ONNX's is.
constexpr std::array<std::size_t, 1> rnn_gates{0};
constexpr std::array<std::size_t, 4> lstm_gates{0, 3, 1, 2};  // i, o, f, c there and i, f, c, o here
constexpr std::array<std::size_t, 3> gru_gates{0, 1, 2};      // z, r, h

/// A value of the graph, and its shape.
struct Value {
    std::string name;
    PartialShape shape;
};

template <class T>
[[noreturn]] void refuse(const Module<T>& layer, const std::string& why) {
    throw ValueError(fmt::format("ONNX: {}: {}", layer.description(), why));
}

/// A cell as the operators know it.
template <class T>
struct Cell {
    const char* op;
    std::size_t units;
    RecurrentWeights<T> weights;
    std::span<const std::size_t> gates;
    std::vector<Activation> activations;  // in the order of the operator
    bool reset_after = false;

    bool is_like(const Cell& other) const {
        return std::string_view(op) == other.op && units == other.units && activations == other.activations &&
               reset_after == other.reset_after &&
               static_cast<bool>(weights.bias) == static_cast<bool>(other.weights.bias);
    }
};

template <class T>
Cell<T> known_cell(const RecurrentCell<T>& cell) {
    if (const auto* simple = dynamic_cast<const SimpleRNNCell<T>*>(&cell)) {
        const auto& c = simple->config();
        return {"RNN", c.units, simple->weights(), rnn_gates, {c.activation}};
    }
    if (const auto* lstm = dynamic_cast<const LSTMCell<T>*>(&cell)) {
        const auto& c = lstm->config();
        return {"LSTM",
                c.units,
                lstm->weights(),
                lstm_gates,
                {c.recurrent_activation, c.activation, c.activation}};
    }
    if (const auto* gru = dynamic_cast<const GRUCell<T>*>(&cell)) {
        const auto& c = gru->config();
        return {"GRU",        c.units, gru->weights(), gru_gates, {c.recurrent_activation, c.activation},
                c.reset_after};
    }
    refuse<T>(cell, "has no operator in ONNX");
}

/// The arguments that name the activations of a recurrent operator.
template <class T>
class Activations {
  public:
    void add(const Module<T>& layer, Activation activation) {
        constexpr float sixth = 1.0F / 6.0F;
        switch (activation.kind()) {
            case Activation::elu:
                return add("Elu", {1.0F});
            case Activation::hard_sigmoid:
                return add("HardSigmoid", {sixth}, {0.5F});
            case Activation::leaky_relu:
                return add("LeakyRelu", {0.2F});
            case Activation::linear:
                return add("Affine", {1.0F}, {0.0F});
            case Activation::relu:
                return add("Relu");
            case Activation::sigmoid:
                return add("Sigmoid");
            case Activation::softplus:
                return add("Softplus");
            case Activation::softsign:
                return add("Softsign");
            case Activation::tanh:
                return add("Tanh");
            default:
                refuse(layer, fmt::format("ONNX's recurrent operators do not have the activation \"{}\"",
                                          activation.name()));
        }
    }
    void put_into(Attributes& attributes) const {
        attributes.push_back({"activations", names_});
        if (!alpha_.empty()) attributes.push_back({"activation_alpha", alpha_});
        if (!beta_.empty()) attributes.push_back({"activation_beta", beta_});
    }

  private:
    void add(const char* name, std::initializer_list<float> alpha = {},
             std::initializer_list<float> beta = {}) {
        names_.emplace_back(name);
        alpha_.insert(alpha_.end(), alpha);
        beta_.insert(beta_.end(), beta);
    }

    std::vector<std::string> names_;
    std::vector<float> alpha_, beta_;
};

template <class T>
class Exporter {
  public:
    std::string run(const Module<T>& module, const OnnxConfig& config) {
        if (!module.built()) {
            throw ValueError(
                fmt::format("ONNX: {} has no weights yet; build it with an input shape or call it once",
                            module.description()));
        }
        const std::vector<PartialShape> shapes = input_shapes(module, config);
        if (dynamic_cast<const KeyValueAttention<T>*>(&module) != nullptr) {
            attention_model(module, shapes);
        } else {
            if (shapes.size() != 1) {
                throw ValueError(fmt::format("ONNX: {} takes one input, got {} input_shapes",
                                             module.description(), shapes.size()));
            }
            const PartialShape output_shape = module.compute_output_shape(shapes[0]);
            graph_.input("input", takes_ids(module) ? Graph::Type::int64 : type, shapes[0]);
            ids_ = takes_ids(module) ? "input" : "";
            const Value y = layer(module, {"input", shapes[0]}, "");
            finish("output", {y.name, output_shape});
        }
        std::string file = graph_.file();
        if (file.size() > largest_file) {
            throw ValueError(fmt::format("ONNX: {} takes {} bytes, and a file holds {} at most",
                                         module.description(), file.size(), largest_file));
        }
        return file;
    }

  private:
    static constexpr Graph::Type type = Graph::type_of<T>;

    static const Module<T>* first_layer(const Module<T>& module) {
        const auto* chain = dynamic_cast<const Sequential<T>*>(&module);
        if (chain == nullptr) return &module;
        return chain->size() == 0 ? nullptr : first_layer((*chain)[0]);
    }

    static std::vector<PartialShape> input_shapes(const Module<T>& module, const OnnxConfig& config) {
        const auto* input = dynamic_cast<const InputLayer<T>*>(first_layer(module));
        if (!config.input_shapes.empty()) return config.input_shapes;
        if (input != nullptr) return {input->batch_shape()};
        throw ValueError(fmt::format(
            "ONNX: {} does not say what it takes; give input_shapes, or begin the model with an InputLayer",
            module.description()));
    }

    /// Whether the module hands its input to an Embedding as it is.
    static bool takes_ids(const Module<T>& module) {
        if (dynamic_cast<const Embedding<T>*>(&module) != nullptr) return true;
        const auto* chain = dynamic_cast<const Sequential<T>*>(&module);
        if (chain == nullptr) return false;
        for (std::size_t i = 0; i < chain->size(); ++i)
            if (dynamic_cast<const InputLayer<T>*>(&(*chain)[i]) == nullptr) return takes_ids((*chain)[i]);
        return false;
    }

    std::string op(std::string_view name, const std::vector<std::string>& inputs,
                   const Attributes& attributes = {}) {
        return graph_.node(name, inputs, attributes);
    }
    std::string weights(const char* name, const Variable<T>& variable, const Shape& shape) {
        return graph_.weights<T>(name, shape, elements(variable.value()));
    }
    std::string transpose(const std::string& x, Ints axes) {
        return op("Transpose", {x}, {{"perm", std::move(axes)}});
    }
    std::string reshape(const std::string& x, const Ints& shape) {
        return op("Reshape", {x, graph_.ints(shape)});
    }
    std::string squeeze(const std::string& x, std::int64_t axis) {
        return op("Squeeze", {x, graph_.ints({axis})});
    }
    void finish(const std::string& name, const Value& value) {
        graph_.output(name, type, value.name, value.shape);
    }

    /// What the layer at `path` makes of x.
    Value layer(const Module<T>& module, const Value& x, const std::string& path) {
        const PartialShape shape = module.compute_output_shape(x.shape);
        graph_.set_place(path);
        return {call(module, x, path), shape};
    }

    std::string call(const Module<T>& module, const Value& x, const std::string& path) {
        if (const auto* chain = dynamic_cast<const Sequential<T>*>(&module)) {
            Value y = x;
            for (std::size_t i = 0; i < chain->size(); ++i) {
                const Module<T>& inside = (*chain)[i];
                y = layer(inside, y, path.empty() ? inside.name() : path + "." + inside.name());
            }
            return y.name;
        }
        if (dynamic_cast<const InputLayer<T>*>(&module) != nullptr) return x.name;
        if (dynamic_cast<const Dropout<T>*>(&module) != nullptr) return x.name;
        if (const auto* both = dynamic_cast<const Bidirectional<T>*>(&module)) return bidirectional(*both, x);
        if (const auto* rnn = dynamic_cast<const RNN<T>*>(&module)) return recurrent(*rnn, x);
        if (const auto* dense = dynamic_cast<const Dense<T>*>(&module)) return fully_connected(*dense, x);
        if (const auto* embedding = dynamic_cast<const Embedding<T>*>(&module)) return embed(*embedding, x);
        if (const auto* norm = dynamic_cast<const LayerNormalization<T>*>(&module))
            return normalize(*norm, x);
        if (const auto* function = dynamic_cast<const ActivationLayer<T>*>(&module))
            return activate(function->config().activation, x.name);
        if (dynamic_cast<const Flatten<T>*>(&module) != nullptr)
            return op("Flatten", {x.name}, {{"axis", std::int64_t{1}}});
        if (const auto* repeat = dynamic_cast<const RepeatVector<T>*>(&module)) {
            const std::string row = op("Unsqueeze", {x.name, graph_.ints({1})});
            return op("Tile", {row, graph_.ints({1, static_cast<std::int64_t>(repeat->config().n), 1})});
        }
        if (const auto* steps = dynamic_cast<const TimeDistributed<T>*>(&module))
            return time_distributed(*steps, x, path);
        refuse(module, "a layer of this class cannot be said in ONNX");
    }

    std::string activate(Activation activation, const std::string& x) {
        const auto along_last = [&](const char* name) { return op(name, {x}, {{"axis", std::int64_t{-1}}}); };
        switch (activation.kind()) {
            case Activation::elu:
                return op("Elu", {x});
            case Activation::exponential:
                return op("Exp", {x});
            case Activation::gelu: {
                const std::string scaled = op("Mul", {x, graph_.scalar<T>(std::sqrt(T(0.5)))});
                const std::string part = op("Add", {op("Erf", {scaled}), graph_.scalar<T>(1)});
                return op("Mul", {op("Mul", {x, graph_.scalar<T>(0.5)}), part});
            }
            case Activation::hard_sigmoid:
                return op("HardSigmoid", {x}, {{"alpha", 1.0F / 6.0F}, {"beta", 0.5F}});
            case Activation::leaky_relu:
                return op("LeakyRelu", {x}, {{"alpha", 0.2F}});
            case Activation::linear:
                return x;
            case Activation::log_softmax:
                return along_last("LogSoftmax");
            case Activation::relu:
                return op("Relu", {x});
            case Activation::selu:
                return op("Selu", {x});
            case Activation::sigmoid:
                return op("Sigmoid", {x});
            case Activation::silu:
                return op("Mul", {x, op("Sigmoid", {x})});
            case Activation::softmax:
                return along_last("Softmax");
            case Activation::softplus:
                return op("Softplus", {x});
            case Activation::softsign:
                return op("Softsign", {x});
            case Activation::tanh:
                return op("Tanh", {x});
        }
        return x;
    }

    std::string fully_connected(const Dense<T>& dense, const Value& x) {
        std::string y = op("MatMul", {x.name, weights("kernel", dense.kernel(), dense.kernel().shape())});
        if (dense.config().use_bias) y = op("Add", {y, weights("bias", dense.bias(), dense.bias().shape())});
        return activate(dense.config().activation, y);
    }

    std::string embed(const Embedding<T>& embedding, const Value& x) {
        if (embedding.config().mask_zero) {
            refuse(embedding,
                   "mask_zero: ONNX has no masks; export a model of the same weights without it, for "
                   "sequences without padding");
        }
        const std::string ids =
            x.name == ids_ ? ids_
                           : op("Cast", {x.name}, {{"to", static_cast<std::int64_t>(Graph::Type::int64)}});
        return op("Gather",
                  {weights("embeddings", embedding.embeddings(), embedding.embeddings().shape()), ids});
    }

    std::string normalize(const LayerNormalization<T>& norm, const Value& x) {
        const auto rank = static_cast<std::ptrdiff_t>(x.shape.size());
        const std::ptrdiff_t axis = norm.config().axis < 0 ? norm.config().axis + rank : norm.config().axis;
        Ints swapped(x.shape.size());
        std::iota(swapped.begin(), swapped.end(), 0);
        std::swap(swapped[static_cast<std::size_t>(axis)], swapped.back());
        const bool is_last = axis == rank - 1;
        const auto features = static_cast<std::size_t>(x.shape[static_cast<std::size_t>(axis)]);
        const std::vector<T> ones(features, T(1));
        std::vector<std::string> inputs{is_last ? x.name : transpose(x.name, swapped)};
        inputs.push_back(norm.config().scale ? weights("gamma", norm.gamma(), {features})
                                             : graph_.weights<T>("gamma", {features}, ones));
        if (norm.config().center) inputs.push_back(weights("beta", norm.beta(), {features}));
        const std::string y =
            op("LayerNormalization", inputs,
               {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(norm.config().epsilon)}});
        return is_last ? y : transpose(y, swapped);
    }

    /// All steps as samples of one batch.
    std::string time_distributed(const TimeDistributed<T>& steps, const Value& x, const std::string& path) {
        PartialShape step(x.shape.begin() + 1, x.shape.end());
        step[0] = unknown;
        const auto known_sizes = [&](const PartialShape& shape) {
            Ints sizes;
            for (std::size_t axis = 1; axis < shape.size(); ++axis) {
                if (shape[axis] == unknown) {
                    refuse<T>(steps,
                              fmt::format("the sizes of a step must be known, got {}", to_string(shape)));
                }
                sizes.push_back(shape[axis]);
            }
            return sizes;
        };
        Ints together = known_sizes(step);
        together.insert(together.begin(), -1);
        const Value y =
            layer(steps.layer(), {reshape(x.name, together), step}, path.empty() ? "layer" : path + ".layer");
        const std::string batch_and_time =
            op("Slice", {op("Shape", {x.name}), graph_.ints({0}), graph_.ints({2})});
        return op("Reshape", {y.name, op("Concat", {batch_and_time, graph_.ints(known_sizes(y.shape))},
                                         {{"axis", std::int64_t{0}}})});
    }

    // Recurrent layers. The operators take [T, B, D] and give [T, directions, B, U], or [directions, B, U]
    // for the last step of each direction.

    enum class Direction { forward, reverse, bidirectional };

    /// One operator, of a cell for each direction.
    std::string recurrent_op(const Module<T>& layer, const std::vector<Cell<T>>& cells, Direction direction,
                             const std::string& x, bool sequences) {
        constexpr std::array<const char*, 3> names{"forward", "reverse", "bidirectional"};
        const Cell<T>& first = cells.front();
        const std::size_t rows = first.gates.size() * first.units;
        const std::size_t features = first.weights.kernel.shape()[0];
        std::vector<T> kernel, recurrent, bias;
        Activations<T> activations;
        for (const Cell<T>& cell : cells) {
            const auto append = [](std::vector<T>& to, const std::vector<T>& what) {
                to.insert(to.end(), what.begin(), what.end());
            };
            append(kernel,
                   detail::gates_as_rows(elements(cell.weights.kernel.value()), features, cell.gates));
            append(recurrent, detail::gates_as_rows(elements(cell.weights.recurrent_kernel.value()),
                                                    cell.units, cell.gates));
            for (const Activation activation : cell.activations) activations.add(layer, activation);
            if (!first.weights.bias) continue;
            // Biases of the input and, where there are any, of the state.
            const std::span<const T> own = elements(cell.weights.bias.value());
            append(bias, detail::gates_in_order(own.first(rows), cell.gates));
            append(bias, own.size() == rows ? std::vector<T>(rows, T(0))
                                            : detail::gates_in_order(own.subspan(rows), cell.gates));
        }
        Attributes attributes{{"direction", names[static_cast<std::size_t>(direction)]},
                              {"hidden_size", static_cast<std::int64_t>(first.units)}};
        activations.put_into(attributes);
        if (std::string_view(first.op) == "GRU")
            attributes.push_back({"linear_before_reset", static_cast<std::int64_t>(first.reset_after)});
        const std::size_t n = cells.size();
        std::vector<std::string> inputs{
            x, graph_.weights<T>("kernel", {n, rows, features}, kernel),
            graph_.weights<T>("recurrent_kernel", {n, rows, first.units}, recurrent)};
        if (first.weights.bias) inputs.push_back(graph_.weights<T>("bias", {n, 2 * rows}, bias));
        return graph_.node_output(first.op, sequences ? 0 : 1, inputs, attributes);
    }

    /// A layer in one direction: [T, B, U], each output at its step, or [B, U].
    std::string one_direction(const RNN<T>& rnn, const std::string& x) {
        if (rnn.config().stateful)
            refuse<T>(rnn, "stateful: what ONNX runs keeps no states from one call to the next");
        std::vector<Cell<T>> cells;
        if (const auto* stack = dynamic_cast<const StackedRNNCells<T>*>(&rnn.cell())) {
            for (const auto& cell : stack->cells()) cells.push_back(known_cell<T>(*cell));
        } else {
            cells.push_back(known_cell<T>(rnn.cell()));
        }
        const Direction direction = rnn.config().go_backwards ? Direction::reverse : Direction::forward;
        std::string y = x;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const bool sequences = i + 1 < cells.size() || rnn.config().return_sequences;
            y = squeeze(recurrent_op(rnn, {cells[i]}, direction, y, sequences), sequences ? 1 : 0);
        }
        return y;
    }

    std::string recurrent(const RNN<T>& rnn, const Value& x) {
        std::string y = one_direction(rnn, transpose(x.name, {1, 0, 2}));
        if (!rnn.config().return_sequences) return y;
        if (rnn.config().go_backwards) {
            // Here outputs come in the order of processing.
            y = op("Slice", {y, graph_.ints({-1}), graph_.ints({std::numeric_limits<std::int64_t>::min()}),
                             graph_.ints({0}), graph_.ints({-1})});
        }
        return transpose(y, {1, 0, 2});
    }

    std::string bidirectional(const Bidirectional<T>& both, const Value& x) {
        const RNN<T>& forward = both.forward_layer();
        const RNN<T>& backward = both.backward_layer();
        const MergeMode mode = both.config().merge_mode;
        if (forward.config().go_backwards) refuse<T>(both, "its forward_layer goes backwards");
        if (mode == MergeMode::none) refuse<T>(both, "merge_mode None gives two outputs");
        const bool sequences = forward.config().return_sequences;
        const std::string in = transpose(x.name, {1, 0, 2});
        const auto is_stack = [](const RNN<T>& rnn) {
            return dynamic_cast<const StackedRNNCells<T>*>(&rnn.cell()) != nullptr;
        };
        if (mode == MergeMode::concat && !is_stack(forward) && !is_stack(backward) &&
            !forward.config().stateful) {
            const Cell<T> ahead = known_cell<T>(forward.cell());
            const Cell<T> back = known_cell<T>(backward.cell());
            if (ahead.is_like(back)) {
                const std::string y =
                    recurrent_op(both, {ahead, back}, Direction::bidirectional, in, sequences);
                const auto size = static_cast<std::int64_t>(2 * ahead.units);
                return sequences ? reshape(transpose(y, {2, 0, 1, 3}), {0, 0, size})
                                 : reshape(transpose(y, {1, 0, 2}), {0, size});
            }
        }
        const std::string ahead = one_direction(forward, in);
        const std::string back = one_direction(backward, in);
        std::string y;
        switch (mode) {
            case MergeMode::sum:
                y = op("Add", {ahead, back});
                break;
            case MergeMode::mul:
                y = op("Mul", {ahead, back});
                break;
            case MergeMode::ave:
                y = op("Mul", {op("Add", {ahead, back}), graph_.scalar<T>(T(0.5))});
                break;
            default:
                y = op("Concat", {ahead, back}, {{"axis", std::int64_t{-1}}});
                break;
        }
        return sequences ? transpose(y, {1, 0, 2}) : y;
    }

    // Attention

    /// A graph of a single layer of attention: query, value and perhaps key to context and perhaps scores.
    void attention_model(const Module<T>& module, const std::vector<PartialShape>& shapes) {
        if (shapes.size() < 2 || shapes.size() > 3) {
            throw ValueError(fmt::format("ONNX: {} takes query, value and perhaps key, got {} input_shapes",
                                         module.description(), shapes.size()));
        }
        constexpr std::array<const char*, 3> names{"query", "value", "key"};
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            if (shapes[i].size() != 3) {
                throw ShapeError(fmt::format("ONNX: {}: expected a {} of rank 3, got {}",
                                             module.description(), names[i], to_string(shapes[i])));
            }
            graph_.input(names[i], type, shapes[i]);
        }
        const std::string key = shapes.size() == 3 ? "key" : "value";
        const PartialShape& query = shapes[0];
        PartialShape context{query[0], query[1], shapes[1][2]};
        PartialShape scores{query[0], query[1], shapes[1][1]};
        std::pair<std::string, std::string> result;
        bool with_scores = false;
        if (const auto* heads = dynamic_cast<const MultiHeadAttention<T>*>(&module)) {
            const Shape& kernel = heads->output_projection().kernel().shape();
            context.pop_back();
            context.insert(context.end(), kernel.begin() + 2, kernel.end());
            scores.insert(scores.begin() + 1, static_cast<std::ptrdiff_t>(heads->config().num_heads));
            result = multi_head(*heads, key, shapes, Ints(kernel.begin() + 2, kernel.end()));
            with_scores = heads->config().return_attention_scores;
        } else if (const auto* attention = dynamic_cast<const Attention<T>*>(&module)) {
            result = weigh(*attention, attention_scores(*attention, key), attention->config().use_causal_mask,
                           shapes);
            with_scores = attention->config().return_attention_scores;
        } else if (const auto* additive = dynamic_cast<const AdditiveAttention<T>*>(&module)) {
            std::string sum = op("Tanh", {pairs("query", key)});
            if (additive->config().use_scale)
                sum = op("Mul", {sum, weights("scale", additive->scale(), additive->scale().shape())});
            result = weigh(*additive, total(sum), additive->config().use_causal_mask, shapes);
            with_scores = additive->config().return_attention_scores;
        } else {
            refuse(module, "a layer of this class cannot be said in ONNX");
        }
        finish("output", {result.first, context});
        if (with_scores) finish("scores", {result.second, scores});
    }

    /// a[t] + b[s] for all pairs: [B, T, S, D].
    std::string pairs(const std::string& a, const std::string& b) {
        return op("Add", {op("Unsqueeze", {a, graph_.ints({2})}), op("Unsqueeze", {b, graph_.ints({1})})});
    }
    std::string total(const std::string& x) {
        return op("ReduceSum", {x, graph_.ints({-1})}, {{"keepdims", std::int64_t{0}}});
    }

    std::string attention_scores(const Attention<T>& attention, const std::string& key) {
        const auto scaled = [&](std::string x) {
            return attention.config().use_scale ? op("Mul", {x, weights("scale", attention.scale(), {})}) : x;
        };
        if (attention.config().score_mode == AttentionScoreMode::dot)
            return scaled(op("MatMul", {"query", transpose(key, {0, 2, 1})}));
        const std::string sum = total(op("Tanh", {scaled(pairs("query", key))}));
        return op("Mul", {sum, weights("concat_score_weight", attention.concat_score_weight(), {})});
    }

    /// The softmax of scores [..., T, S] over positions.
    std::string softmax(const Module<T>& layer, std::string scores, bool causal,
                        const std::vector<PartialShape>& shapes) {
        if (causal) {
            const std::ptrdiff_t steps = shapes[0][1], positions = shapes[1][1];
            if (steps == unknown || positions == unknown)
                refuse(layer, "use_causal_mask needs input_shapes with known numbers of steps");
            const auto rows = static_cast<std::size_t>(steps), columns = static_cast<std::size_t>(positions);
            std::vector<T> hidden(rows * columns, T(0));
            for (std::size_t t = 0; t < rows; ++t)
                for (std::size_t s = t + 1; s < columns; ++s)
                    hidden[t * columns + s] = -std::numeric_limits<T>::infinity();
            scores = op("Add", {scores, graph_.weights<T>("causal", {rows, columns}, hidden)});
        }
        return op("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
    }

    std::pair<std::string, std::string> weigh(const Module<T>& layer, const std::string& scores, bool causal,
                                              const std::vector<PartialShape>& shapes) {
        const std::string parts = softmax(layer, scores, causal, shapes);
        return {op("MatMul", {parts, "value"}), parts};
    }

    std::pair<std::string, std::string> multi_head(const MultiHeadAttention<T>& attention,
                                                   const std::string& key,
                                                   const std::vector<PartialShape>& shapes, const Ints& out) {
        // Its kernel as a matrix of `inputs` rows.
        const auto project = [&](const std::string& x, const detail::HeadProjection<T>& projection,
                                 std::size_t inputs) {
            const std::size_t outputs = projection.kernel().size() / inputs;
            const std::string y =
                op("MatMul", {x, weights("kernel", projection.kernel(), {inputs, outputs})});
            return attention.config().use_bias ? op("Add", {y, weights("bias", projection.bias(), {outputs})})
                                               : y;
        };
        const auto heads = [&](const std::string& x, const detail::HeadProjection<T>& projection, Ints axes) {
            const Shape& kernel = projection.kernel().shape();
            const auto count = static_cast<std::int64_t>(kernel[1]),
                       size = static_cast<std::int64_t>(kernel[2]);
            return transpose(reshape(project(x, projection, kernel[0]), {0, 0, count, size}),
                             std::move(axes));
        };
        const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(attention.config().key_dim)));
        const std::string query = heads("query", attention.query_projection(), {0, 2, 1, 3});
        const std::string keys = heads(key, attention.key_projection(), {0, 2, 3, 1});
        const std::string values = heads("value", attention.value_projection(), {0, 2, 1, 3});
        const std::string scores = op("MatMul", {op("Mul", {query, graph_.scalar<T>(scale)}), keys});
        const std::string parts = softmax(attention, scores, attention.config().use_causal_mask, shapes);
        const Shape& kernel = attention.output_projection().kernel().shape();
        const std::size_t inputs = kernel[0] * kernel[1];
        const std::string together = reshape(transpose(op("MatMul", {parts, values}), {0, 2, 1, 3}),
                                             {0, 0, static_cast<std::int64_t>(inputs)});
        const std::string context = project(together, attention.output_projection(), inputs);
        if (out.size() == 1) return {context, parts};
        Ints shape{0, 0};
        shape.insert(shape.end(), out.begin(), out.end());
        return {reshape(context, shape), parts};
    }

    Graph graph_;
    std::string ids_;  // the graph's input, where that holds ids
};

}  // namespace

template <class T>
std::string to_onnx(const Module<T>& module, const OnnxConfig& config) {
    return Exporter<T>().run(module, config);
}

template <class T>
void save_onnx(const Module<T>& module, const std::filesystem::path& path, const OnnxConfig& config) {
    const std::string bytes = to_onnx(module, config);
    detail::AtomicFile file(path);
    file.write(bytes);
    file.commit();
}

template std::string to_onnx(const Module<float>&, const OnnxConfig&);
template std::string to_onnx(const Module<double>&, const OnnxConfig&);
template void save_onnx(const Module<float>&, const std::filesystem::path&, const OnnxConfig&);
template void save_onnx(const Module<double>&, const std::filesystem::path&, const OnnxConfig&);

}  // namespace seqgrad
