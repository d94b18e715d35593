#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/layers/files/file_options.hpp"
#include "seqgrad/layers/module.hpp"

// Tensors as files hold them: what every format is read into and written from.

namespace seqgrad {

/// The type of a stored tensor's elements.
enum class DType { float32, float64 };

/// "float32" or "float64".
const char* to_string(DType dtype);

/// A tensor in a file: a shape, and the elements in row-major order, of either type.
class StoredTensor {
  public:
    /// An empty one: shape [0], float32.
    StoredTensor() : shape_{0} {}
    /// Throws ValueError unless the shape holds exactly so many elements.
    StoredTensor(Shape shape, std::vector<float> data);
    StoredTensor(Shape shape, std::vector<double> data);

    const Shape& shape() const noexcept { return shape_; }
    DType dtype() const noexcept { return data_.index() == 0 ? DType::float32 : DType::float64; }
    /// Number of elements.
    std::size_t size() const noexcept;

    /// The elements. Throws ValueError where they are of the other type.
    template <class T>
    const std::vector<T>& data() const;

  private:
    Shape shape_;
    std::variant<std::vector<float>, std::vector<double>> data_;
};

/// Tensors by name, in the order of their file.
class StoredTensors {
  public:
    struct Entry {
        std::string name;
        StoredTensor tensor;
    };
    using const_iterator = std::vector<Entry>::const_iterator;
    /// A tensor of integers, bools or other elements that no parameter can have: its bytes as they are.
    struct Other {
        std::string name;
        Shape shape;
        std::string dtype;  ///< as safetensors names it: "I64"
        std::vector<std::uint8_t> bytes;
    };

    /// Puts one at the end. Throws ValueError for a name that is there already.
    void add(std::string name, StoredTensor tensor);
    /// The tensor of that name, or the one that the name is an alias of; null where there is none. What is
    /// added may move it.
    const StoredTensor* find(std::string_view name) const;

    /// Lets `find` give the tensor `of` by another name too, as files of tied weights hold them once. Throws
    /// ValueError for an alias that is a name already, and if there is no tensor `of`.
    void add_alias(std::string alias, std::string_view of);
    /// What each alias stands for.
    const std::map<std::string, std::string, std::less<>>& aliases() const noexcept { return aliases_; }

    /// Throws ValueError for a name that is there already.
    void add_other(Other other);
    /// The tensors of other elements; iteration leaves them out.
    const std::vector<Other>& others() const noexcept { return others_; }
    /// The one of that name; null where there is none.
    const Other* find_other(std::string_view name) const;

    const_iterator begin() const noexcept { return entries_.begin(); }
    const_iterator end() const noexcept { return entries_.end(); }
    std::size_t size() const noexcept { return entries_.size(); }
    bool empty() const noexcept { return entries_.empty(); }

  private:
    std::vector<Entry> entries_;
    std::map<std::string, std::size_t, std::less<>> positions_;
    std::map<std::string, std::string, std::less<>> aliases_;
    std::vector<Other> others_;
};

/// A copy of the module's parameters, by their dotted paths. Throws ValueError when the module is not built.
template <class T>
StoredTensors stored_weights(const Module<T>& module);

/// Gives the module's parameters the elements of the tensors of their names.
///
/// They must be the module's parameters and nothing else, but for tensors of other elements: what is missing,
/// unexpected or of another shape is listed in one FormatError, in which `source` says where the tensors are
/// from, and no parameter changes. With LoadMode::partial what fits is loaded, and that nothing does is the
/// only error. float32 elements become double exactly; float64 elements are not rounded to float. Throws
/// ValueError when the module is not built.
template <class T>
LoadReport assign_weights(Module<T>& module, const StoredTensors& tensors, const std::string& source,
                          LoadMode mode = LoadMode::exact);

}  // namespace seqgrad
