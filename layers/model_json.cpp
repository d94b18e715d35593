#include "seqgrad/layers/model_json.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/memory_limit.hpp"
#include "seqgrad/layers/internal/config_fields.hpp"
#include "seqgrad/layers/internal/model_tree.hpp"
#include "seqgrad/layers/internal/strict_json.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"

namespace seqgrad {
namespace {

using detail::Json;
using Place = detail::JsonPlace;

/// The largest size of anything, so that products of a few of them do not overflow.
constexpr std::uint64_t largest_size = std::numeric_limits<std::int32_t>::max();

/// The most layers of a chain: adding one takes the longer the more there are.
constexpr std::size_t most_layers = 10'000;

/// A regularizer or constraint by its class and by Keras's other name for it, in the order of the variant.
struct RuleName {
    std::string_view class_name, other;
};
constexpr RuleName regularizer_names[] = {
    {"L1", "l1"}, {"L2", "l2"}, {"L1L2", "l1_l2"}, {"OrthogonalRegularizer", "orthogonal_regularizer"}};
constexpr RuleName constraint_names[] = {{"MaxNorm", "max_norm"},
                                         {"NonNeg", "non_neg"},
                                         {"UnitNorm", "unit_norm"},
                                         {"MinMaxNorm", "min_max_norm"}};

/// The rule of a variant that begins with "none", with its default arguments.
template <class Rule>
Rule rule_named(const char* kind, std::span<const RuleName> names, std::string_view name) {
    const auto found = std::ranges::find_if(
        names, [&](const RuleName& n) { return n.class_name == name || n.other == name; });
    if (found == names.end()) {
        std::vector<std::string_view> known;
        for (const RuleName& n : names) known.push_back(n.class_name);
        throw ValueError(
            fmt::format("there is no {} \"{}\"; known are {}", kind, name, fmt::join(known, ", ")));
    }
    const auto index = static_cast<std::size_t>(found - names.begin()) + 1;
    Rule rule;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((I == index ? static_cast<void>(rule.template emplace<I>()) : void()), ...);
    }
    (std::make_index_sequence<std::variant_size_v<Rule>>{});
    return rule;
}

Initializer::Rule rule_named(std::type_identity<Initializer>, std::string_view name) {
    return Initializer(name).rule();
}

Regularizer::Rule rule_named(std::type_identity<Regularizer>, std::string_view name) {
    return rule_named<Regularizer::Rule>("regularizer", regularizer_names, name);
}

Constraint::Rule rule_named(std::type_identity<Constraint>, std::string_view name) {
    return rule_named<Constraint::Rule>("constraint", constraint_names, name);
}

template <class V>
concept AnyRule = std::same_as<V, Initializer> || std::same_as<V, Regularizer> || std::same_as<V, Constraint>;

// Reading

/// What f gives, with the path of a place before the message of any error of the library's that it throws.
template <class F>
auto wrap(const Place& at, F f) {
    try {
        return f();
    } catch (const FormatError&) {
        throw;
    } catch (const Error& e) {
        at.fail(e.what());
    } catch (const std::bad_alloc&) {
        at.fail("there is no memory for so large a layer, or it is beyond the limit");
    }
}

/// An object of arguments; those that are not there leave their values as they are.
class ObjectReader : public detail::JsonObjectReader {
  public:
    using JsonObjectReader::JsonObjectReader;

    // The visitor of config_fields.hpp.

    template <class V>
    void operator()(std::string_view key, V& value) {
        if (const std::optional<Place> at = find(key)) read(*at, value);
    }
    void shape(std::string_view key, PartialShape& value) {
        if (const std::optional<Place> at = find(key)) value = read_shape(*at);
    }
    void shape(std::string_view key, std::optional<PartialShape>& value) {
        const std::optional<Place> at = find(key);
        if (!at) return;
        if (at->json.is_null()) {
            value.reset();
        } else {
            value = read_shape(*at);
        }
    }
    void axes(std::string_view key, FanAxes& value) {
        const std::optional<Place> at = find(key);
        if (!at) return;
        if (!at->json.is_array()) at->expected("an array of axes");
        value.clear();
        for (std::size_t i = 0; i < at->json.size(); ++i) read(at->element(i), value.emplace_back());
    }
    template <class E, std::size_t n>
    void choice(std::string_view key, E& value, const std::array<const char*, n>& names) {
        const std::optional<Place> at = find(key);
        if (!at) return;
        std::vector<std::string> known;
        for (std::size_t i = 0; i < n; ++i) {
            const Json name = names[i] == nullptr ? Json() : Json(names[i]);
            if (at->json == name) {
                value = static_cast<E>(i);
                return;
            }
            known.push_back(name.dump());
        }
        at->expected(fmt::format("one of {}", fmt::join(known, ", ")));
    }

  private:
    static void read(const Place& at, bool& value) {
        if (!at.json.is_boolean()) at.expected("true or false");
        value = at.json.get<bool>();
    }
    static void read(const Place& at, double& value) {
        if (!at.json.is_number()) at.expected("a number");
        value = at.json.get<double>();
    }
    static void read(const Place& at, std::size_t& value) {
        if (!at.json.is_number_unsigned() || at.json.get<std::uint64_t>() > largest_size)
            at.expected(fmt::format("a whole number from 0 to {}", largest_size));
        value = at.json.get<std::size_t>();
    }
    static void read(const Place& at, std::ptrdiff_t& value) {
        constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        const bool too_large = at.json.is_number_unsigned() && at.json.get<std::uint64_t>() > largest;
        if (!at.json.is_number_integer() || too_large) at.expected("a whole number of 64 bits");
        value = at.json.get<std::ptrdiff_t>();
    }
    static void read(const Place& at, std::string& value) {
        if (!at.json.is_string()) at.expected("a string");
        value = at.json.get<std::string>();
    }
    template <class V>
    static void read(const Place& at, std::optional<V>& value) {
        if (at.json.is_null()) {
            value.reset();
        } else {
            read(at, value.emplace());
        }
    }
    static void read(const Place& at, Activation& value) {
        if (!at.json.is_string()) at.expected("the name of an activation");
        value = wrap(at, [&] { return Activation(at.json.get<std::string>()); });
    }
    static PartialShape read_shape(const Place& at) {
        if (!at.json.is_array()) at.expected("an array of sizes");
        PartialShape shape;
        for (std::size_t i = 0; i < at.json.size(); ++i) {
            std::optional<std::size_t> size;
            read(at.element(i), size);
            shape.push_back(size ? static_cast<std::ptrdiff_t>(*size) : unknown);
        }
        return shape;
    }

    /// A name, {"class_name": name, "config": arguments}, or null for none.
    template <AnyRule V>
    static void read(const Place& at, V& value) {
        constexpr bool optional = std::is_default_constructible_v<V>;
        if constexpr (optional) {
            if (at.json.is_null()) {
                value = V();
                return;
            }
        }
        const auto named = [](const Place& place) {
            if (!place.json.is_string()) place.expected("a name");
            return wrap(place,
                        [&] { return rule_named(std::type_identity<V>(), place.json.get<std::string>()); });
        };
        if (at.json.is_string()) {
            value = wrap(at, [&] { return made(std::type_identity<V>(), named(at)); });
            return;
        }
        if (!at.json.is_object()) {
            at.expected(optional ? "a name, null or an object with class_name and config"
                                 : "a name or an object with class_name and config");
        }
        ObjectReader object(at);
        typename V::Rule rule = named(object.get("class_name"));
        if (const std::optional<Place> config = object.find("config")) {
            ObjectReader arguments(*config);
            std::visit(
                [&](auto& r) {
                    if constexpr (!std::same_as<decltype(r), std::monostate&>) detail::fields(arguments, r);
                },
                rule);
            arguments.finish();
        }
        object.finish();
        value = wrap(at, [&] { return made(std::type_identity<V>(), std::move(rule)); });
    }

    static Initializer made(std::type_identity<Initializer>, Initializer::Rule rule) {
        return Initializer(std::move(rule));
    }
    template <AnyRule V>
    static V made(std::type_identity<V>, typename V::Rule rule) {
        return std::visit(
            [](auto& r) {
                if constexpr (std::same_as<decltype(r), std::monostate&>) {
                    return V();
                } else {
                    return V(std::move(r));
                }
            },
            rule);
    }
};

// Writing

/// An object that the fields of a configuration are put into, see config_fields.hpp.
class ObjectWriter {
  public:
    explicit ObjectWriter(std::string path) : path_(std::move(path)) {}

    const std::string& path() const { return path_; }
    Json take() { return std::move(object_); }
    void put(std::string_view key, Json value) { object_[std::string(key)] = std::move(value); }

    template <class V>
    void operator()(std::string_view key, const V& value) {
        put(key, written(key, value));
    }
    void shape(std::string_view key, const PartialShape& value) {
        Json sizes = Json::array();
        for (const std::ptrdiff_t size : value) sizes.push_back(size == unknown ? Json() : Json(size));
        put(key, std::move(sizes));
    }
    void shape(std::string_view key, const std::optional<PartialShape>& value) {
        put(key, nullptr);
        if (value) shape(key, *value);
    }
    void axes(std::string_view key, const FanAxes& value) { put(key, Json(value)); }
    template <class E>
    void choice(std::string_view key, E value, std::span<const char* const> names) {
        const char* const name = names[static_cast<std::size_t>(value)];
        put(key, name == nullptr ? Json() : Json(name));
    }

  private:
    Json written(std::string_view, bool value) const { return value; }
    Json written(std::string_view, std::ptrdiff_t value) const { return value; }
    Json written(std::string_view, const std::string& value) const { return value; }
    Json written(std::string_view, Activation value) const { return value.name(); }
    Json written(std::string_view key, std::size_t value) const {
        if (value > largest_size) {
            throw ValueError(fmt::format("to_json: {}/{}: {} is larger than {}, the largest size there",
                                         path_, key, value, largest_size));
        }
        return value;
    }
    Json written(std::string_view key, double value) const {
        if (!std::isfinite(value)) {
            throw ValueError(fmt::format("to_json: {}/{}: JSON has no number {}", path_, key, value));
        }
        return value;
    }
    template <class V>
    Json written(std::string_view key, const std::optional<V>& value) const {
        return value ? written(key, *value) : Json();
    }
    template <AnyRule V>
    Json written(std::string_view key, const V& value) const {
        return std::visit(
            [&](const auto& rule) -> Json {
                if constexpr (std::same_as<decltype(rule), const std::monostate&>) {
                    return nullptr;
                } else {
                    ObjectWriter config(fmt::format("{}/{}/config", path_, key));
                    detail::fields(config, rule);
                    return {{"class_name", value.name()}, {"config", config.take()}};
                }
            },
            value.rule());
    }

    std::string path_;
    Json object_ = Json::object();
};

// Modules

/// Writes a module and all inside it.
template <class T>
class Writer {
  public:
    Json module(const Module<T>& module, const std::string& path);

  private:
    std::vector<const Module<T>*> written_;
};

template <class T>
std::unique_ptr<Module<T>> read_module(const Place& at);

/// The module at a place as a Base, "a cell" or "a recurrent layer".
template <class Base, class T>
std::shared_ptr<Base> read_as(const char* what, const Place& at) {
    std::shared_ptr<Module<T>> module = read_module<T>(at);
    std::shared_ptr<Base> found = std::dynamic_pointer_cast<Base>(module);
    if (!found) at.fail(fmt::format("expected {}, got {}", what, module->type()));
    return found;
}

/// One class of module that a text may name: how it is read, recognised and written.
template <class T>
struct ModuleClass {
    std::string_view name;
    std::unique_ptr<Module<T>> (*read)(ObjectReader& config, const std::string& name);
    bool (*is)(const Module<T>& module);
    void (*write)(Writer<T>& writer, ObjectWriter& config, const Module<T>& module);
};

/// The class of `Layer`, of which nothing derived is recognised.
template <class T, class Layer>
constexpr ModuleClass<T> module_class(std::string_view name,
                                      std::unique_ptr<Module<T>> (*read)(ObjectReader&, const std::string&),
                                      void (*write)(Writer<T>&, ObjectWriter&, const Module<T>&)) {
    return {name, read, [](const Module<T>& module) { return typeid(module) == typeid(Layer); }, write};
}

/// A layer that its configuration says everything about.
template <class T, class Layer>
constexpr ModuleClass<T> plain(std::string_view name) {
    return module_class<T, Layer>(
        name,
        [](ObjectReader& config, const std::string& layer_name) -> std::unique_ptr<Module<T>> {
            typename Layer::Config c;
            c.name = layer_name;
            detail::fields(config, c);
            config.finish();
            return wrap(config.place(), [&] { return std::make_unique<Layer>(std::move(c)); });
        },
        [](Writer<T>&, ObjectWriter& config, const Module<T>& module) {
            detail::fields(config, static_cast<const Layer&>(module).config());
        });
}

template <class T>
constexpr ModuleClass<T> bidirectional() {
    return module_class<T, Bidirectional<T>>(
        "Bidirectional",
        [](ObjectReader& config, const std::string& name) -> std::unique_ptr<Module<T>> {
            const char* const what = "a recurrent layer";
            BidirectionalConfig c{.name = name};
            auto layer = read_as<RNN<T>, T>(what, config.get("layer"));
            std::shared_ptr<RNN<T>> backward;
            if (const auto at = config.find("backward_layer"); at && !at->json.is_null())
                backward = read_as<RNN<T>, T>(what, *at);
            detail::fields(config, c);
            config.finish();
            return wrap(config.place(), [&] {
                return std::make_unique<Bidirectional<T>>(std::move(layer), std::move(backward),
                                                          std::move(c));
            });
        },
        [](Writer<T>& writer, ObjectWriter& config, const Module<T>& module) {
            const auto& both = static_cast<const Bidirectional<T>&>(module);
            config.put("layer", writer.module(both.forward_layer(), config.path() + "/layer"));
            if (both.has_own_backward_layer()) {
                config.put("backward_layer",
                           writer.module(both.backward_layer(), config.path() + "/backward_layer"));
            }
            detail::fields(config, both.config());
        });
}

template <class T>
constexpr ModuleClass<T> rnn() {
    return module_class<T, RNN<T>>(
        "RNN",
        [](ObjectReader& config, const std::string& name) -> std::unique_ptr<Module<T>> {
            RNNConfig c{.name = name};
            auto cell = read_as<RecurrentCell<T>, T>("a cell", config.get("cell"));
            detail::fields(config, c);
            config.finish();
            return wrap(config.place(),
                        [&] { return std::make_unique<RNN<T>>(std::move(cell), std::move(c)); });
        },
        [](Writer<T>& writer, ObjectWriter& config, const Module<T>& module) {
            const auto& layer = static_cast<const RNN<T>&>(module);
            config.put("cell", writer.module(layer.cell(), config.path() + "/cell"));
            detail::fields(config, layer.config());
        });
}

template <class T>
constexpr ModuleClass<T> attention_decoder() {
    return module_class<T, AttentionDecoder<T>>(
        "AttentionDecoder",
        [](ObjectReader& config, const std::string& name) -> std::unique_ptr<Module<T>> {
            AttentionDecoderConfig c{.name = name};
            auto cell = read_as<RecurrentCell<T>, T>("a cell", config.get("cell"));
            detail::fields(config, c);
            config.finish();
            return wrap(config.place(),
                        [&] { return std::make_unique<AttentionDecoder<T>>(std::move(cell), std::move(c)); });
        },
        [](Writer<T>& writer, ObjectWriter& config, const Module<T>& module) {
            const auto& layer = static_cast<const AttentionDecoder<T>&>(module);
            config.put("cell", writer.module(layer.cell(), config.path() + "/cell"));
            detail::fields(config, layer.config());
        });
}

template <class T>
constexpr ModuleClass<T> stacked_rnn_cells() {
    return module_class<T, StackedRNNCells<T>>(
        "StackedRNNCells",
        [](ObjectReader& config, const std::string& name) -> std::unique_ptr<Module<T>> {
            const Place list = config.get("cells");
            if (!list.json.is_array()) list.expected("an array of cells");
            std::vector<std::shared_ptr<RecurrentCell<T>>> cells;
            for (std::size_t i = 0; i < list.json.size(); ++i) {
                const Place at = list.element(i);
                cells.push_back(read_as<RecurrentCell<T>, T>("a cell", at));
            }
            config.finish();
            return wrap(config.place(),
                        [&] { return std::make_unique<StackedRNNCells<T>>(std::move(cells), name); });
        },
        [](Writer<T>& writer, ObjectWriter& config, const Module<T>& module) {
            const auto& stack = static_cast<const StackedRNNCells<T>&>(module);
            Json cells = Json::array();
            for (const auto& cell : stack.cells())
                cells.push_back(
                    writer.module(*cell, fmt::format("{}/cells/{}", config.path(), cells.size())));
            config.put("cells", std::move(cells));
        });
}

template <class T>
constexpr ModuleClass<T> time_distributed() {
    return module_class<T, TimeDistributed<T>>(
        "TimeDistributed",
        [](ObjectReader& config, const std::string& name) -> std::unique_ptr<Module<T>> {
            auto layer = read_as<Module<T>, T>("a layer", config.get("layer"));
            config.finish();
            return wrap(config.place(), [&] {
                return std::make_unique<TimeDistributed<T>>(std::move(layer),
                                                            TimeDistributedConfig{.name = name});
            });
        },
        [](Writer<T>& writer, ObjectWriter& config, const Module<T>& module) {
            const auto& steps = static_cast<const TimeDistributed<T>&>(module);
            config.put("layer", writer.module(steps.layer(), config.path() + "/layer"));
        });
}

template <class T>
constexpr ModuleClass<T> sequential() {
    return module_class<T, Sequential<T>>(
        "Sequential",
        [](ObjectReader& config, const std::string& name) -> std::unique_ptr<Module<T>> {
            const Place list = config.get("layers");
            if (!list.json.is_array() || list.json.size() > most_layers)
                list.expected(fmt::format("an array of at most {} layers", most_layers));
            config.finish();
            auto model = std::make_unique<Sequential<T>>();
            model->set_name(name);
            for (std::size_t i = 0; i < list.json.size(); ++i) {
                const Place at = list.element(i);
                std::shared_ptr<Module<T>> layer = read_module<T>(at);
                wrap(at, [&] { model->add(std::move(layer)); });
            }
            return model;
        },
        [](Writer<T>& writer, ObjectWriter& config, const Module<T>& module) {
            const auto& chain = static_cast<const Sequential<T>&>(module);
            Json layers = Json::array();
            for (std::size_t i = 0; i < chain.size(); ++i)
                layers.push_back(writer.module(chain[i], fmt::format("{}/layers/{}", config.path(), i)));
            config.put("layers", std::move(layers));
        });
}

/// All that a text may name.
template <class T>
constexpr ModuleClass<T> module_classes[] = {
    plain<T, ActivationLayer<T>>("Activation"),
    plain<T, AdditiveAttention<T>>("AdditiveAttention"),
    plain<T, Attention<T>>("Attention"),
    plain<T, BahdanauAttention<T>>("BahdanauAttention"),
    bidirectional<T>(),
    plain<T, Dense<T>>("Dense"),
    plain<T, Dropout<T>>("Dropout"),
    plain<T, Embedding<T>>("Embedding"),
    plain<T, Flatten<T>>("Flatten"),
    plain<T, GRU<T>>("GRU"),
    plain<T, GRUCell<T>>("GRUCell"),
    plain<T, InputLayer<T>>("InputLayer"),
    plain<T, LSTM<T>>("LSTM"),
    plain<T, LSTMCell<T>>("LSTMCell"),
    plain<T, LayerNormalization<T>>("LayerNormalization"),
    plain<T, LuongAttention<T>>("LuongAttention"),
    plain<T, Masking<T>>("Masking"),
    plain<T, MultiHeadAttention<T>>("MultiHeadAttention"),
    attention_decoder<T>(),
    rnn<T>(),
    plain<T, RepeatVector<T>>("RepeatVector"),
    sequential<T>(),
    plain<T, SimpleRNN<T>>("SimpleRNN"),
    plain<T, SimpleRNNCell<T>>("SimpleRNNCell"),
    stacked_rnn_cells<T>(),
    time_distributed<T>(),
};

template <class T>
Json Writer<T>::module(const Module<T>& module, const std::string& path) {
    const auto refuse = [&](const char* why) {
        throw ValueError(
            fmt::format("to_json: {}: {} {}", path.empty() ? "/" : path, module.description(), why));
    };
    const auto found =
        std::ranges::find_if(module_classes<T>, [&](const ModuleClass<T>& c) { return c.is(module); });
    if (found == std::end(module_classes<T>)) refuse("is none of the library's layers");
    if (std::ranges::find(written_, &module) != written_.end())
        refuse("is used twice, and the text would make two of it");
    written_.push_back(&module);
    ObjectWriter config(path + "/config");
    if (!module.name().empty()) config("name", module.name());
    found->write(*this, config, module);
    return {{"class_name", found->name}, {"config", config.take()}};
}

template <class T>
std::unique_ptr<Module<T>> read_module(const Place& at) {
    ObjectReader object(at);
    const Place class_name = object.get("class_name");
    if (!class_name.json.is_string()) class_name.expected("the name of a class");
    const auto found =
        std::ranges::find(module_classes<T>, class_name.json.get<std::string>(), &ModuleClass<T>::name);
    if (found == std::end(module_classes<T>)) {
        std::vector<std::string_view> known;
        for (const ModuleClass<T>& c : module_classes<T>) known.push_back(c.name);
        class_name.expected(fmt::format("one of {}", fmt::join(known, ", ")));
    }
    static const Json no_arguments = Json::object();
    const std::optional<Place> given = object.find("config");
    object.finish();
    ObjectReader config(given ? *given : Place{no_arguments, at.path + "/config"});
    std::string name;
    config("name", name);
    return found->read(config, name);
}

}  // namespace

template <class T>
detail::Json detail::tree_of(const Module<T>& module, const std::string& path) {
    return Writer<T>().module(module, path);
}

template <class T>
Sequential<T> detail::sequential_of(const JsonPlace& at) {
    const std::unique_ptr<Module<T>> module = read_module<T>(at);
    auto* const model = dynamic_cast<Sequential<T>*>(module.get());
    if (model == nullptr) {
        throw FormatError(
            fmt::format("{}/class_name: expected \"Sequential\", got \"{}\"; layer_from_json reads "
                        "single layers",
                        at.path, module->type()));
    }
    return std::move(*model);
}

template <class T>
std::string to_json(const Module<T>& module) {
    constexpr int indent = 2;
    const Json json = Writer<T>().module(module, "");
    try {
        return json.dump(indent);
    } catch (const Json::exception&) {
        throw ValueError(fmt::format("to_json: {}: a name in it is not UTF-8", module.description()));
    }
}

template <class T>
Sequential<T> model_from_json(std::string_view json, const LoadLimits& limits) {
    const Json parsed = detail::parse_strictly(json, limits);
    const detail::MemoryLimit memory(limits.max_model_bytes);
    return detail::sequential_of<T>({parsed, ""});
}

template <class T>
std::unique_ptr<Module<T>> layer_from_json(std::string_view json, const LoadLimits& limits) {
    const Json parsed = detail::parse_strictly(json, limits);
    const detail::MemoryLimit memory(limits.max_model_bytes);
    return read_module<T>({parsed, ""});
}

template detail::Json detail::tree_of(const Module<float>&, const std::string&);
template detail::Json detail::tree_of(const Module<double>&, const std::string&);
template Sequential<float> detail::sequential_of(const JsonPlace&);
template Sequential<double> detail::sequential_of(const JsonPlace&);
template std::string to_json(const Module<float>&);
template std::string to_json(const Module<double>&);
template Sequential<float> model_from_json(std::string_view, const LoadLimits&);
template Sequential<double> model_from_json(std::string_view, const LoadLimits&);
template std::unique_ptr<Module<float>> layer_from_json(std::string_view, const LoadLimits&);
template std::unique_ptr<Module<double>> layer_from_json(std::string_view, const LoadLimits&);

}  // namespace seqgrad
