#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/layers/internal/protobuf.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::detail {

/// A graph of ONNX's operators that grows node by node. Values are known by their names.
class OnnxGraph {
  public:
    using Ints = std::vector<std::int64_t>;
    /// An argument of an operator.
    struct Attribute {
        std::string_view name;
        std::variant<std::int64_t, float, std::string, Ints, std::vector<float>, std::vector<std::string>>
            value;
    };
    using Attributes = std::vector<Attribute>;

    /// The types of elements that there are here, as ONNX numbers them.
    enum class Type : std::int64_t { float32 = 1, int64 = 7, float64 = 11 };
    template <class T>
    static constexpr Type type_of = sizeof(T) == sizeof(float) ? Type::float32 : Type::float64;

    /// Nodes' and weights' names begin so from now on: the path of the layer that they are of.
    void set_place(std::string path) { place_ = std::move(path); }

    void input(const std::string& name, Type type, const PartialShape& shape);
    /// Makes a value an output of the graph, under a name of its own.
    void output(const std::string& name, Type type, const std::string& value, const PartialShape& shape);

    /// The value that an operator of one output gives; "" stands for an input that is not there.
    std::string node(std::string_view op, const std::vector<std::string>& inputs,
                     const Attributes& attributes = {});
    /// The same for output number `index`.
    std::string node_output(std::string_view op, std::size_t index, const std::vector<std::string>& inputs,
                            const Attributes& attributes);

    /// A constant.
    template <class T>
    std::string weights(std::string_view name, const Shape& shape, std::span<const T> values);
    std::string ints(const Ints& values);
    template <class T>
    std::string scalar(T value) {
        return weights<T>("scalar", {}, std::span<const T>(&value, 1));
    }

    /// The whole file.
    std::string file() const;

  private:
    std::string new_name(std::string_view what);
    std::string constant(std::string_view name, Type type, const Shape& shape, std::string_view bytes);

    ProtobufMessage graph_;
    std::string place_;
    std::size_t names_ = 0;
};

}  // namespace seqgrad::detail
