#include "seqgrad/layers/files/pytorch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/files/safetensors.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/internal/assign.hpp"
#include "seqgrad/layers/internal/gates.hpp"
#include "seqgrad/layers/internal/json_file.hpp"
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

/// What is wrong with a tensor for a place of this shape; "" where it fits.
template <class T>
std::string misfit(const StoredTensor& tensor, const Shape& shape) {
    if (tensor.shape() != shape)
        return fmt::format("expected shape {}, got {}", to_string(shape), to_string(tensor.shape()));
    if (std::is_same_v<T, float> && tensor.dtype() == DType::float64)
        return "float64 numbers would be rounded to float32";
    return "";
}

/// A name without what wrappers put into it: torch.compile "_orig_mod", DataParallel and AveragedModel
/// "module".
std::string without_wrappers(std::string_view name) {
    std::string bare;
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find('.', begin), name.size());
        const std::string_view part = name.substr(begin, end - begin);
        begin = end + 1;
        if (part == "_orig_mod" || part == "module") continue;
        if (!bare.empty()) bare += '.';
        bare += part;
    }
    return bare;
}

/// Weight normalisation (Salimans and Kingma 2016): w = g v / ||v||, where the norm is over all axes but one,
/// along which g has its elements, or over all where g has one. Computed in double; of v's type.
std::optional<StoredTensor> with_norm(const StoredTensor& g, const StoredTensor& v) {
    const Shape& shape = v.shape();
    const std::vector<double> lengths = data_as<double>(g), direction = data_as<double>(v);
    std::size_t axis = 0;
    if (g.size() != 1) {
        if (g.shape().size() != shape.size()) return std::nullopt;
        while (axis < shape.size() && g.shape()[axis] == 1) ++axis;
        if (axis == shape.size() || g.shape()[axis] != shape[axis] || g.size() != shape[axis])
            return std::nullopt;
    } else if (g.shape().size() > 1 && !shape.empty() && g.shape().size() != shape.size()) {
        return std::nullopt;
    }
    std::size_t inner = 1;
    for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
    const auto row = [&](std::size_t i) { return g.size() == 1 ? 0 : i / inner % g.size(); };
    std::vector<double> squares(lengths.size(), 0.0);
    for (std::size_t i = 0; i < direction.size(); ++i) squares[row(i)] += direction[i] * direction[i];
    std::vector<double> weight(direction.size());
    for (std::size_t i = 0; i < weight.size(); ++i)
        weight[i] = direction[i] * (lengths[row(i)] / std::sqrt(squares[row(i)]));
    if (v.dtype() == DType::float64) return StoredTensor(shape, std::move(weight));
    return StoredTensor(shape, std::vector<float>(weight.begin(), weight.end()));
}

/// A state_dict in which tensors are found by a module's names for them, whatever wraps it.
class StateDict {
  public:
    struct Found {
        const StoredTensor* tensor;  // null if there is none
        std::string why_not = "";    // there is one that is of no use
    };

    explicit StateDict(const StoredTensors& tensors) : tensors_(tensors) {
        for (const auto& entry : tensors) by_bare_name_[without_wrappers(entry.name)].push_back(entry.name);
        for (const auto& alias : tensors.aliases())
            by_bare_name_[without_wrappers(alias.first)].push_back(alias.first);
        for (const auto& other : tensors.others())
            by_bare_name_[without_wrappers(other.name)].push_back(other.name);
    }

    Found find(const std::string& name) {
        if (const std::optional<std::string> there = name_of(name)) return use(*there);
        const std::size_t dot = name.rfind('.');
        const std::string owner = dot == std::string::npos ? "" : name.substr(0, dot + 1);
        const std::string weight = name.substr(owner.size());
        const std::string parametrized = owner + "parametrizations." + weight + ".original";
        for (const auto& [length, direction] :
             {std::pair(parametrized + "0", parametrized + "1"), std::pair(name + "_g", name + "_v")}) {
            const auto g_name = name_of(length), v_name = name_of(direction);
            if (!g_name || !v_name) continue;
            const Found g = use(*g_name), v = use(*v_name);
            if (g.tensor == nullptr || v.tensor == nullptr) return {nullptr, g.why_not + v.why_not};
            std::optional<StoredTensor> merged = with_norm(*g.tensor, *v.tensor);
            if (!merged) {
                return {
                    nullptr,
                    fmt::format("\"{}\" {} and \"{}\" {} are not those of a weight normalisation", *g_name,
                                to_string(g.tensor->shape()), *v_name, to_string(v.tensor->shape()))};
            }
            return {&merged_.emplace_back(std::move(*merged))};
        }
        const auto original = name_of(parametrized);
        if (!original) return {nullptr};
        used_.insert(*original);
        return {nullptr,
                fmt::format("is parametrized in PyTorch (\"{}\") by something other than weight_norm; call "
                            "torch.nn.utils.parametrize.remove_parametrizations before saving",
                            *original)};
    }

    void report_unused(detail::Loading& loading) const {
        for (const auto& entry : tensors_)
            if (!used_.contains(entry.name)) loading.unexpected(entry.name);
        for (const auto& other : tensors_.others())
            if (!used_.contains(other.name)) loading.ignored(other.name);
    }

  private:
    /// The file's name of a tensor of the module; none where there is no such or several.
    std::optional<std::string> name_of(const std::string& name) const {
        if (tensors_.find(name) != nullptr || tensors_.find_other(name) != nullptr) return name;
        const auto found = by_bare_name_.find(without_wrappers(name));
        if (found == by_bare_name_.end() || found->second.size() != 1) return std::nullopt;
        return found->second.front();
    }

    Found use(const std::string& name) {
        used_.insert(name);
        if (const auto* other = tensors_.find_other(name)) return {nullptr, detail::wrong_type(*other)};
        return {tensors_.find(name)};
    }

    const StoredTensors& tensors_;
    std::map<std::string, std::vector<std::string>> by_bare_name_;
    std::set<std::string, std::less<>> used_;
    std::deque<StoredTensor> merged_;
};

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
LoadReport from_pytorch(Module<T>& module, const StoredTensors& state_dict, const PyTorchNames& names,
                        const std::string& source, LoadMode mode) {
    const Items<T> items(module, names);
    StateDict stored(state_dict);
    detail::Loading loading;
    std::vector<std::pair<const Item<T>*, std::vector<const StoredTensor*>>> fitting;
    for (const Item<T>& item : items.all()) {
        std::vector<const StoredTensor*> tensors;
        std::vector<std::string_view> fit;
        for (const auto& [name, shape] : item.places) {
            const StateDict::Found found = stored.find(name);
            if (found.tensor == nullptr) {
                found.why_not.empty() ? loading.missing(name) : loading.mismatched(name, found.why_not);
            } else if (std::string problem = misfit<T>(*found.tensor, shape); !problem.empty()) {
                loading.mismatched(name, std::move(problem));
            } else {
                tensors.push_back(found.tensor);
                fit.push_back(name);
            }
        }
        const bool is_whole = tensors.size() == item.places.size();
        for (const std::string_view name : fit)
            is_whole ? loading.loaded(name)
                     : loading.mismatched(name, "is one of two, and the other is not there");
        if (is_whole) fitting.emplace_back(&item, std::move(tensors));
    }
    stored.report_unused(loading);
    LoadReport report = detail::with_source(source, [&] { return loading.finish(module, mode); });
    std::vector<std::vector<T>> values;
    for (const auto& [item, tensors] : fitting) {
        std::vector<std::vector<T>> data;
        for (const StoredTensor* tensor : tensors) data.push_back(data_as<T>(*tensor));
        values.push_back(join(*item, data));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        Variable<T> parameter = fitting[i].first->parameter;
        std::ranges::copy(values[i], parameter.mutable_data().begin());
    }
    return report;
}

template <class T>
void save_pytorch(const Module<T>& module, const std::filesystem::path& path, const PyTorchNames& names) {
    write_safetensors(to_pytorch(module, names), path, {{"format", "pt"}});
}

template <class T>
LoadReport load_pytorch(Module<T>& module, const std::filesystem::path& path, const PyTorchNames& names,
                        const LoadLimits& limits, LoadMode mode) {
    return from_pytorch(module, read_safetensors(path, limits), names, path.string(), mode);
}

template StoredTensors to_pytorch(const Module<float>&, const PyTorchNames&);
template StoredTensors to_pytorch(const Module<double>&, const PyTorchNames&);
template LoadReport from_pytorch(Module<float>&, const StoredTensors&, const PyTorchNames&,
                                 const std::string&, LoadMode);
template LoadReport from_pytorch(Module<double>&, const StoredTensors&, const PyTorchNames&,
                                 const std::string&, LoadMode);
template void save_pytorch(const Module<float>&, const std::filesystem::path&, const PyTorchNames&);
template void save_pytorch(const Module<double>&, const std::filesystem::path&, const PyTorchNames&);
template LoadReport load_pytorch(Module<float>&, const std::filesystem::path&, const PyTorchNames&,
                                 const LoadLimits&, LoadMode);
template LoadReport load_pytorch(Module<double>&, const std::filesystem::path&, const PyTorchNames&,
                                 const LoadLimits&, LoadMode);

}  // namespace seqgrad
