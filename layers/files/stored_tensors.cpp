#include "seqgrad/layers/files/stored_tensors.hpp"

#include <span>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"
#include "seqgrad/layers/internal/assign.hpp"
#include "seqgrad/layers/internal/json_file.hpp"

namespace seqgrad {
namespace {

void check_holds(const Shape& shape, std::size_t count) {
    if (!detail::holds(shape, count)) {
        throw ValueError(
            fmt::format("StoredTensor: shape {} does not hold {} elements", to_string(shape), count));
    }
}

}  // namespace

const char* to_string(DType dtype) {
    return dtype == DType::float32 ? detail::dtype_name<float> : detail::dtype_name<double>;
}

StoredTensor::StoredTensor(Shape shape, std::vector<float> data)
    : shape_(std::move(shape)), data_(std::move(data)) {
    check_holds(shape_, size());
}

StoredTensor::StoredTensor(Shape shape, std::vector<double> data)
    : shape_(std::move(shape)), data_(std::move(data)) {
    check_holds(shape_, size());
}

std::size_t StoredTensor::size() const noexcept {
    const auto* narrow = std::get_if<std::vector<float>>(&data_);
    return narrow != nullptr ? narrow->size() : std::get_if<std::vector<double>>(&data_)->size();
}

template <class T>
const std::vector<T>& StoredTensor::data() const {
    const auto* data = std::get_if<std::vector<T>>(&data_);
    if (data == nullptr) {
        throw ValueError(fmt::format("StoredTensor: the elements are {}, not {}", to_string(dtype()),
                                     detail::dtype_name<T>));
    }
    return *data;
}

void StoredTensors::add(std::string name, StoredTensor tensor) {
    const auto [place, is_new] = positions_.try_emplace(name, entries_.size());
    if (!is_new) throw ValueError(fmt::format("StoredTensors: \"{}\" is there already", name));
    try {
        entries_.push_back({std::move(name), std::move(tensor)});
    } catch (...) {
        positions_.erase(place);
        throw;
    }
}

const StoredTensor* StoredTensors::find(std::string_view name) const {
    const auto found = positions_.find(name);
    return found == positions_.end() ? nullptr : &entries_[found->second].tensor;
}

template <class T>
StoredTensors stored_weights(const Module<T>& module) {
    StoredTensors tensors;
    for (const auto& [name, variable] : detail::built_parameters("stored_weights", module)) {
        const auto values = elements(variable.value());
        tensors.add(name, {variable.shape(), std::vector<T>(values.begin(), values.end())});
    }
    return tensors;
}

template <class T>
void assign_weights(Module<T>& module, const StoredTensors& tensors, const std::string& source) {
    auto parameters = detail::built_parameters("assign_weights", module);
    std::vector<detail::Offered> offered;
    for (const StoredTensors::Entry& entry : tensors) {
        const StoredTensor& tensor = entry.tensor;
        offered.push_back({entry.name, tensor.shape(), tensor.dtype(), detail::elements_of(tensor)});
    }
    detail::with_source(source, [&] { detail::assign(module, parameters, offered); });
}

template const std::vector<float>& StoredTensor::data() const;
template const std::vector<double>& StoredTensor::data() const;
template StoredTensors stored_weights(const Module<float>&);
template StoredTensors stored_weights(const Module<double>&);
template void assign_weights(Module<float>&, const StoredTensors&, const std::string&);
template void assign_weights(Module<double>&, const StoredTensors&, const std::string&);

}  // namespace seqgrad
