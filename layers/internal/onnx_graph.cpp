#include "seqgrad/layers/internal/onnx_graph.hpp"

#include <bit>
#include <type_traits>

#include <fmt/format.h>

namespace seqgrad::detail {
namespace {

// Numbers of fields and of kinds of attributes in onnx.proto.
namespace model_field {
constexpr unsigned ir_version = 1, producer_name = 2, graph = 7, opset_import = 8;
}
namespace opset_field {
constexpr unsigned version = 2;
}
namespace graph_field {
constexpr unsigned node = 1, name = 2, initializer = 5, input = 11, output = 12;
}
namespace node_field {
constexpr unsigned input = 1, output = 2, name = 3, op_type = 4, attribute = 5;
}
namespace attribute_field {
constexpr unsigned name = 1, real = 2, number = 3, text = 4, reals = 7, numbers = 8, texts = 9, type = 20;
}
namespace attribute_type {
constexpr std::int64_t real = 1, number = 2, text = 3, reals = 6, numbers = 7, texts = 8;
}
namespace tensor_field {
constexpr unsigned dims = 1, data_type = 2, name = 8, raw_data = 9;
}
namespace value_field {
constexpr unsigned name = 1, type = 2;
}
namespace type_field {
constexpr unsigned tensor = 1, element = 1, shape = 2, dim = 1, dim_value = 1, dim_name = 2;
}

constexpr std::int64_t ir_version = 8;
constexpr std::int64_t operator_set = 17;

static_assert(std::endian::native == std::endian::little, "ONNX's raw data is little-endian");

ProtobufMessage attribute(const OnnxGraph::Attribute& a) {
    ProtobufMessage out;
    out.text(attribute_field::name, a.name);
    std::visit(
        [&](const auto& value) {
            using V = std::remove_cvref_t<decltype(value)>;
            std::int64_t type = 0;
            if constexpr (std::is_same_v<V, std::int64_t>) {
                out.number(attribute_field::number, value);
                type = attribute_type::number;
            } else if constexpr (std::is_same_v<V, float>) {
                out.real(attribute_field::real, value);
                type = attribute_type::real;
            } else if constexpr (std::is_same_v<V, std::string>) {
                out.text(attribute_field::text, value);
                type = attribute_type::text;
            } else if constexpr (std::is_same_v<V, OnnxGraph::Ints>) {
                for (const std::int64_t v : value) out.number(attribute_field::numbers, v);
                type = attribute_type::numbers;
            } else if constexpr (std::is_same_v<V, std::vector<float>>) {
                for (const float v : value) out.real(attribute_field::reals, v);
                type = attribute_type::reals;
            } else {
                for (const std::string& v : value) out.text(attribute_field::texts, v);
                type = attribute_type::texts;
            }
            out.number(attribute_field::type, type);
        },
        a.value);
    return out;
}

ProtobufMessage value_info(const std::string& name, OnnxGraph::Type type, const PartialShape& shape) {
    ProtobufMessage dims;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        ProtobufMessage dim;
        if (shape[axis] != unknown) {
            dim.number(type_field::dim_value, shape[axis]);
        } else {
            dim.text(type_field::dim_name, axis == 0 ? "batch" : fmt::format("{}_axis_{}", name, axis));
        }
        dims.message(type_field::dim, dim);
    }
    ProtobufMessage tensor;
    tensor.number(type_field::element, static_cast<std::int64_t>(type));
    tensor.message(type_field::shape, dims);
    ProtobufMessage type_message;
    type_message.message(type_field::tensor, tensor);
    ProtobufMessage out;
    out.text(value_field::name, name);
    out.message(value_field::type, type_message);
    return out;
}

}  // namespace

void OnnxGraph::input(const std::string& name, Type type, const PartialShape& shape) {
    graph_.message(graph_field::input, value_info(name, type, shape));
}

void OnnxGraph::output(const std::string& name, Type type, const std::string& value,
                       const PartialShape& shape) {
    ProtobufMessage rename;
    rename.text(node_field::input, value);
    rename.text(node_field::output, name);
    rename.text(node_field::name, name);
    rename.text(node_field::op_type, "Identity");
    graph_.message(graph_field::node, rename);
    graph_.message(graph_field::output, value_info(name, type, shape));
}

std::string OnnxGraph::new_name(std::string_view what) {
    return fmt::format("{}{}{}_{}", place_, place_.empty() ? "" : "/", what, names_++);
}

std::string OnnxGraph::node(std::string_view op, const std::vector<std::string>& inputs,
                            const Attributes& attributes) {
    return node_output(op, 0, inputs, attributes);
}

std::string OnnxGraph::node_output(std::string_view op, std::size_t index,
                                   const std::vector<std::string>& inputs, const Attributes& attributes) {
    std::string name = new_name(op);
    ProtobufMessage node;
    for (const std::string& value : inputs) node.text(node_field::input, value);
    for (std::size_t i = 0; i < index; ++i) node.text(node_field::output, "");
    node.text(node_field::output, name);
    node.text(node_field::name, name);
    node.text(node_field::op_type, op);
    for (const Attribute& a : attributes) node.message(node_field::attribute, attribute(a));
    graph_.message(graph_field::node, node);
    return name;
}

std::string OnnxGraph::constant(std::string_view name, Type type, const Shape& shape,
                                std::string_view bytes) {
    std::string full_name = new_name(name);
    ProtobufMessage tensor;
    for (const std::size_t size : shape) tensor.number(tensor_field::dims, static_cast<std::int64_t>(size));
    tensor.number(tensor_field::data_type, static_cast<std::int64_t>(type));
    tensor.text(tensor_field::name, full_name);
    tensor.text(tensor_field::raw_data, bytes);
    graph_.message(graph_field::initializer, tensor);
    return full_name;
}

template <class T>
std::string OnnxGraph::weights(std::string_view name, const Shape& shape, std::span<const T> values) {
    return constant(name, type_of<T>, shape,
                    {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

std::string OnnxGraph::ints(const Ints& values) {
    return constant("sizes", Type::int64, {values.size()},
                    {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)});
}

std::string OnnxGraph::file() const {
    ProtobufMessage graph = graph_;
    graph.text(graph_field::name, "seqgrad");
    ProtobufMessage operators;
    operators.number(opset_field::version, operator_set);
    ProtobufMessage model;
    model.number(model_field::ir_version, ir_version);
    model.text(model_field::producer_name, "seqgrad");
    model.message(model_field::graph, graph);
    model.message(model_field::opset_import, operators);
    return model.bytes();
}

template std::string OnnxGraph::weights(std::string_view, const Shape&, std::span<const float>);
template std::string OnnxGraph::weights(std::string_view, const Shape&, std::span<const double>);

}  // namespace seqgrad::detail
