#include "seqgrad/layers/files/pytorch.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/files/safetensors.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/internal/gates.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/rnn.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"
#include "seqgrad/layers/time_distributed.hpp"

namespace seqgrad {
namespace {

// Which of our gates each of PyTorch's is.
constexpr std::array<std::size_t, 1> no_gates{0};
constexpr std::array<std::size_t, 4> lstm_gates{0, 1, 2, 3};  // i, f, g, o there and i, f, c, o here
constexpr std::array<std::size_t, 3> gru_gates{1, 0, 2};      // r, z, n there and z, r, h here

/// How PyTorch keeps a parameter.
enum class Form {
    same,       // as one tensor of the same shape
    transpose,  // as one matrix with a row for each of our columns
    two_sums,   // as two biases, of which only the sum counts
    two_rows,   // as two biases, our rows
};

/// A tensor of a state_dict.
struct Place {
    std::string name;
    Shape shape;
};

/// A parameter, and the tensors that hold it in PyTorch.
template <class T>
struct Item {
    Variable<T> parameter;
    Form form;
    std::span<const std::size_t> gates;
    std::vector<Place> places;
};

/// What the layers of one of PyTorch's recurrent modules have in common.
struct RecurrentModule {
    std::string kind;  // "LSTM"
    std::size_t units;
    bool has_bias, is_bidirectional;
    std::size_t layers;

    std::string text() const {
        return fmt::format("{}{} of {} units with{} bias", is_bidirectional ? "bidirectional " : "", kind,
                           units, has_bias ? "" : "out");
    }
};

template <class T>
struct Cell {
    std::string kind;
    std::size_t units;
    RecurrentWeights<T> weights;
    std::span<const std::size_t> gates;
    Form bias;
};

/// Finds a model's parameters and their places in PyTorch.
template <class T>
class Items {
  public:
    Items(const Module<T>& model, const PyTorchNames& names) : names_(names), named_(names.size(), false) {
        if (!model.built()) {
            throw ValueError(
                fmt::format("PyTorch: {} has no weights yet; build it with an input shape or call it once",
                            model.description()));
        }
        visit(const_cast<Module<T>&>(model), "", "");
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (!named_[i]) {
                throw ValueError(fmt::format("PyTorch: a name is given for \"{}\", which is no layer of {}",
                                             names[i].layer, model.description()));
            }
        }
        for (const NamedParameter<T>& p : model.parameters()) {
            const auto same = [&](const Item<T>& item) { return item.parameter.same_as(p.variable); };
            if (std::ranges::none_of(items_, same)) {
                throw ValueError(fmt::format(
                    "PyTorch: \"{}\" of {} is a parameter of none of the layers that are known in PyTorch",
                    p.name, model.description()));
            }
        }
    }

    const std::vector<Item<T>>& all() const { return items_; }

  private:
    [[noreturn]] static void refuse(const Module<T>& layer, const std::string& why) {
        throw ValueError(fmt::format("PyTorch: {}: {}", layer.description(), why));
    }

    void visit(Module<T>& module, const std::string& path, std::string name) {
        if (std::ranges::find(done_, &module) != done_.end()) return;
        done_.push_back(&module);
        for (std::size_t i = 0; i < names_.size(); ++i) {
            if (names_[i].layer != path) continue;
            name = names_[i].module;
            named_[i] = true;
        }
        const std::string dot = name.empty() ? "" : ".";
        if (const auto* both = dynamic_cast<const Bidirectional<T>*>(&module)) {
            add_bidirectional(*both, name);
        } else if (const auto* rnn = dynamic_cast<const RNN<T>*>(&module)) {
            add_recurrent(*rnn, name);
        } else if (const auto* dense = dynamic_cast<const Dense<T>*>(&module)) {
            add(*dense, dense->kernel(), Form::transpose, {name + dot + "weight"});
            if (dense->config().use_bias) add(*dense, dense->bias(), Form::same, {name + dot + "bias"});
        } else if (const auto* embedding = dynamic_cast<const Embedding<T>*>(&module)) {
            add(*embedding, embedding->embeddings(), Form::same, {name + dot + "weight"});
        } else if (const auto* norm = dynamic_cast<const LayerNormalization<T>*>(&module)) {
            add_normalization(*norm, name + dot);
        } else {
            const bool is_chain = dynamic_cast<const Sequential<T>*>(&module) != nullptr;
            const bool has_no_name = dynamic_cast<const TimeDistributed<T>*>(&module) != nullptr;
            std::size_t number = 0;
            for (const auto& [child, inside] : module.children()) {
                if (dynamic_cast<const InputLayer<T>*>(inside) != nullptr) continue;
                const std::string there = is_chain ? std::to_string(number++) : child;
                visit(*inside, path.empty() ? child : path + "." + child,
                      has_no_name || child.empty() ? name : name + dot + there);
            }
        }
    }

    void add(const Module<T>& layer, const Variable<T>& parameter, Form form, std::vector<std::string> names,
             std::span<const std::size_t> gates = no_gates) {
        Shape shape = parameter.shape();
        if (form == Form::transpose) std::ranges::reverse(shape);
        if (form == Form::two_rows) shape.erase(shape.begin());
        std::vector<Place> places;
        for (std::string& name : names) {
            const auto [other, is_new] = owners_.try_emplace(name, layer.description());
            if (!is_new) {
                refuse(layer, fmt::format("its \"{}\" would be that of {} as well; give them different names",
                                          name, other->second));
            }
            places.push_back({std::move(name), shape});
        }
        items_.push_back({parameter, form, gates, std::move(places)});
    }

    void add_normalization(const LayerNormalization<T>& layer, const std::string& prefix) {
        const std::ptrdiff_t axis = layer.config().axis;
        const auto rank = static_cast<std::ptrdiff_t>(layer.output_shape().size());
        if (axis != -1 && (rank == 0 || axis != rank - 1))
            refuse(layer, fmt::format("axis = {}: LayerNorm normalises over the last axis", axis));
        if (layer.config().center && !layer.config().scale)
            refuse(layer, "scale = false with center = true: LayerNorm has no bias without a weight");
        if (layer.config().scale) add(layer, layer.gamma(), Form::same, {prefix + "weight"});
        if (layer.config().center) add(layer, layer.beta(), Form::same, {prefix + "bias"});
    }

    static Cell<T> known_cell(const RNN<T>& layer, const RecurrentCell<T>& cell) {
        const auto check = [&](const char* what, Activation activation, Activation theirs) {
            if (activation != theirs) {
                refuse(layer, fmt::format("{} = \"{}\": PyTorch's has \"{}\" and no other", what,
                                          activation.name(), theirs.name()));
            }
        };
        if (const auto* simple = dynamic_cast<const SimpleRNNCell<T>*>(&cell)) {
            const Activation activation = simple->config().activation;
            if (activation != Activation::tanh && activation != Activation::relu) {
                refuse(layer, fmt::format("activation = \"{}\": PyTorch's RNN has \"tanh\" and \"relu\"",
                                          activation.name()));
            }
            return {fmt::format("RNN ({})", activation.name()), simple->config().units, simple->weights(),
                    no_gates, Form::two_sums};
        }
        if (const auto* lstm = dynamic_cast<const LSTMCell<T>*>(&cell)) {
            check("activation", lstm->config().activation, Activation::tanh);
            check("recurrent_activation", lstm->config().recurrent_activation, Activation::sigmoid);
            return {"LSTM", lstm->config().units, lstm->weights(), lstm_gates, Form::two_sums};
        }
        if (const auto* gru = dynamic_cast<const GRUCell<T>*>(&cell)) {
            check("activation", gru->config().activation, Activation::tanh);
            check("recurrent_activation", gru->config().recurrent_activation, Activation::sigmoid);
            if (!gru->config().reset_after) {
                refuse(
                    layer,
                    "reset_after = false: PyTorch's GRU applies the reset gate after the recurrent product");
            }
            return {"GRU", gru->config().units, gru->weights(), gru_gates, Form::two_rows};
        }
        refuse(layer, fmt::format("PyTorch has no {}", cell.type()));
    }

    void add_recurrent(const RNN<T>& layer, const std::string& name) {
        if (layer.config().go_backwards) {
            refuse(layer, "go_backwards: PyTorch's modules go backwards in a bidirectional one only");
        }
        const auto* stack = dynamic_cast<const StackedRNNCells<T>*>(&layer.cell());
        if (stack == nullptr) {
            add_layer(layer, name, {known_cell(layer, layer.cell())});
        } else {
            for (const auto& cell : stack->cells()) add_layer(layer, name, {known_cell(layer, *cell)});
        }
    }

    void add_bidirectional(const Bidirectional<T>& layer, const std::string& name) {
        const RNN<T>& forward = layer.forward_layer();
        const RNN<T>& backward = layer.backward_layer();
        if (layer.config().merge_mode != MergeMode::concat) {
            refuse(layer, fmt::format("merge_mode = \"{}\": PyTorch's modules have \"concat\"",
                                      to_string(layer.config().merge_mode)));
        }
        if (forward.config().go_backwards)
            refuse(layer, "its forward_layer goes backwards; PyTorch puts the forward outputs first");
        const Cell<T> ahead = known_cell(forward, forward.cell());
        const Cell<T> back = known_cell(backward, backward.cell());
        if (ahead.kind != back.kind || ahead.units != back.units ||
            static_cast<bool>(ahead.weights.bias) != static_cast<bool>(back.weights.bias)) {
            refuse(layer, "both layers must be alike in PyTorch");
        }
        add_layer(layer, name, {ahead, back});
    }

    /// One layer of a recurrent module, of a cell for each direction.
    void add_layer(const Module<T>& layer, const std::string& name, const std::vector<Cell<T>>& directions) {
        const Cell<T>& first = directions.front();
        const RecurrentModule mine{first.kind, first.units, static_cast<bool>(first.weights.bias),
                                   directions.size() == 2, 0};
        RecurrentModule& module = recurrent_.try_emplace(name, mine).first->second;
        if (mine.text() != module.text()) {
            refuse(layer,
                   fmt::format("is a {}, and layers before it in PyTorch's module \"{}\" are a {}; there all "
                               "layers of a module are alike",
                               mine.text(), name, module.text()));
        }
        const std::size_t number = module.layers++;
        for (std::size_t d = 0; d < directions.size(); ++d) {
            const auto full_name = [&](const char* tensor) {
                return fmt::format("{}{}{}_l{}{}", name, name.empty() ? "" : ".", tensor, number,
                                   d == 0 ? "" : "_reverse");
            };
            const Cell<T>& cell = directions[d];
            add(layer, cell.weights.kernel, Form::transpose, {full_name("weight_ih")}, cell.gates);
            add(layer, cell.weights.recurrent_kernel, Form::transpose, {full_name("weight_hh")}, cell.gates);
            if (mine.has_bias)
                add(layer, cell.weights.bias, cell.bias, {full_name("bias_ih"), full_name("bias_hh")},
                    cell.gates);
        }
    }

    const PyTorchNames& names_;
    std::vector<bool> named_;
    std::vector<const Module<T>*> done_;
    std::vector<Item<T>> items_;
    std::map<std::string, std::string> owners_;
    std::map<std::string, RecurrentModule> recurrent_;
};

/// The tensors that hold a parameter.
template <class T>
std::vector<std::vector<T>> split(const Item<T>& item) {
    const std::span<const T> values = elements(item.parameter.value());
    switch (item.form) {
        case Form::same:
            return {{values.begin(), values.end()}};
        case Form::transpose:
            return {detail::gates_as_rows(values, item.parameter.shape()[0], item.gates)};
        case Form::two_sums:
            return {detail::gates_in_order(values, item.gates), std::vector<T>(values.size(), T(0))};
        case Form::two_rows: {
            const std::size_t half = values.size() / 2;
            return {detail::gates_in_order(values.first(half), item.gates),
                    detail::gates_in_order(values.subspan(half), item.gates)};
        }
    }
    return {};
}

/// The parameter that tensors hold, as their data.
template <class T>
std::vector<T> join(const Item<T>& item, const std::vector<std::vector<T>>& tensors) {
    const auto in_our_order = [&](std::size_t i) {
        return detail::gates_as_columns<T>(tensors[i], 1, item.gates);
    };
    switch (item.form) {
        case Form::same:
            return tensors[0];
        case Form::transpose:
            return detail::gates_as_columns<T>(tensors[0], item.parameter.shape()[0], item.gates);
        case Form::two_sums: {
            std::vector<T> sum = in_our_order(0);
            std::ranges::transform(sum, in_our_order(1), sum.begin(), std::plus<>());
            return sum;
        }
        case Form::two_rows: {
            std::vector<T> rows = in_our_order(0);
            const std::vector<T> second = in_our_order(1);
            rows.insert(rows.end(), second.begin(), second.end());
            return rows;
        }
    }
    return {};
}

/// A stored tensor's data as T, which holds them exactly.
template <class T>
std::vector<T> data_as(const StoredTensor& tensor) {
    if constexpr (std::is_same_v<T, double>) {
        if (tensor.dtype() == DType::float64) return tensor.data<double>();
    }
    const std::vector<float>& data = tensor.data<float>();
    return {data.begin(), data.end()};
}

}  // namespace

template <class T>
StoredTensors to_pytorch(const Module<T>& module, const PyTorchNames& names) {
    StoredTensors state_dict;
    const Items<T> items(module, names);
    for (const Item<T>& item : items.all()) {
        std::vector<std::vector<T>> tensors = split(item);
        for (std::size_t i = 0; i < tensors.size(); ++i)
            state_dict.add(item.places[i].name, {item.places[i].shape, std::move(tensors[i])});
    }
    return state_dict;
}

template <class T>
void from_pytorch(Module<T>& module, const StoredTensors& state_dict, const PyTorchNames& names,
                  const std::string& source) {
    const Items<T> items(module, names);
    std::vector<std::string> problems;
    std::vector<std::string_view> known;
    for (const Item<T>& item : items.all()) {
        for (const auto& [name, shape] : item.places) {
            known.push_back(name);
            const StoredTensor* const stored = state_dict.find(name);
            if (stored == nullptr) {
                problems.push_back(fmt::format("\"{}\" is missing", name));
                continue;
            }
            if (stored->shape() != shape) {
                problems.push_back(fmt::format("\"{}\": expected shape {}, got {}", name, to_string(shape),
                                               to_string(stored->shape())));
            }
            if (std::is_same_v<T, float> && stored->dtype() == DType::float64)
                problems.push_back(fmt::format("\"{}\": float64 numbers would be rounded to float32", name));
        }
    }
    std::ranges::sort(known);
    for (const auto& entry : state_dict) {
        if (!std::ranges::binary_search(known, std::string_view(entry.name)))
            problems.push_back(fmt::format("\"{}\" is unexpected", entry.name));
    }
    if (!problems.empty()) {
        throw FormatError(fmt::format("{}: does not fit {}, nothing was loaded:\n  {}", source,
                                      module.description(), fmt::join(problems, "\n  ")));
    }
    std::vector<std::vector<T>> values;
    for (const Item<T>& item : items.all()) {
        std::vector<std::vector<T>> tensors;
        for (const Place& place : item.places) tensors.push_back(data_as<T>(*state_dict.find(place.name)));
        values.push_back(join(item, tensors));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        Variable<T> parameter = items.all()[i].parameter;
        std::ranges::copy(values[i], parameter.mutable_data().begin());
    }
}

template <class T>
void save_pytorch(const Module<T>& module, const std::filesystem::path& path, const PyTorchNames& names) {
    write_safetensors(to_pytorch(module, names), path, {{"format", "pt"}});
}

template <class T>
void load_pytorch(Module<T>& module, const std::filesystem::path& path, const PyTorchNames& names,
                  const LoadLimits& limits) {
    from_pytorch(module, read_safetensors(path, limits), names, path.string());
}

template StoredTensors to_pytorch(const Module<float>&, const PyTorchNames&);
template StoredTensors to_pytorch(const Module<double>&, const PyTorchNames&);
template void from_pytorch(Module<float>&, const StoredTensors&, const PyTorchNames&, const std::string&);
template void from_pytorch(Module<double>&, const StoredTensors&, const PyTorchNames&, const std::string&);
template void save_pytorch(const Module<float>&, const std::filesystem::path&, const PyTorchNames&);
template void save_pytorch(const Module<double>&, const std::filesystem::path&, const PyTorchNames&);
template void load_pytorch(Module<float>&, const std::filesystem::path&, const PyTorchNames&,
                           const LoadLimits&);
template void load_pytorch(Module<double>&, const std::filesystem::path&, const PyTorchNames&,
                           const LoadLimits&);

}  // namespace seqgrad
