#include "seqgrad/layers/files/stored_tensors.hpp"

#include <algorithm>
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
    if (find_other(name) != nullptr || aliases_.contains(name))
        throw ValueError(fmt::format("StoredTensors: \"{}\" is there already", name));
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
    const auto alias = aliases_.find(name);
    const auto found = positions_.find(alias == aliases_.end() ? name : std::string_view(alias->second));
    return found == positions_.end() ? nullptr : &entries_[found->second].tensor;
}

void StoredTensors::add_alias(std::string alias, std::string_view of) {
    if (find(alias) != nullptr || find_other(alias) != nullptr)
        throw ValueError(fmt::format("StoredTensors: \"{}\" is there already", alias));
    const auto found = positions_.find(of);
    if (found == positions_.end())
        throw ValueError(fmt::format("StoredTensors: no tensor \"{}\" for \"{}\" to stand for", of, alias));
    aliases_.emplace(std::move(alias), found->first);
}

void StoredTensors::add_other(Other other) {
    if (find(other.name) != nullptr || find_other(other.name) != nullptr)
        throw ValueError(fmt::format("StoredTensors: \"{}\" is there already", other.name));
    others_.push_back(std::move(other));
}

const StoredTensors::Other* StoredTensors::find_other(std::string_view name) const {
    const auto found = std::ranges::find(others_, name, &Other::name);
    return found == others_.end() ? nullptr : &*found;
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
LoadReport assign_weights(Module<T>& module, const StoredTensors& tensors, const std::string& source,
                          LoadMode mode) {
    auto parameters = detail::built_parameters("assign_weights", module);
    std::vector<detail::Offered> offered;
    const auto offer = [&](std::string_view name, const StoredTensor& tensor) {
        offered.push_back({name, tensor.shape(), tensor.dtype(), detail::elements_of(tensor)});
    };
    for (const StoredTensors::Entry& entry : tensors) offer(entry.name, entry.tensor);
    for (const NamedParameter<T>& p : parameters) {
        const auto alias = tensors.aliases().find(p.name);
        if (alias != tensors.aliases().end()) offer(alias->first, *tensors.find(alias->first));
    }
    return detail::with_source(
        source, [&] { return detail::assign(module, parameters, offered, tensors.others(), mode); });
}

std::string to_string(const LoadReport& report) {
    std::string text = fmt::format("{} parameters loaded\n", report.loaded.size());
    for (const std::string& name : report.missing) text += fmt::format("\"{}\" is missing\n", name);
    for (const auto& [name, why] : report.mismatched) text += fmt::format("\"{}\": {}\n", name, why);
    for (const std::string& name : report.unexpected) text += fmt::format("\"{}\" is unexpected\n", name);
    for (const std::string& name : report.ignored) text += fmt::format("\"{}\" is left out\n", name);
    return text;
}

template const std::vector<float>& StoredTensor::data() const;
template const std::vector<double>& StoredTensor::data() const;
template StoredTensors stored_weights(const Module<float>&);
template StoredTensors stored_weights(const Module<double>&);
template LoadReport assign_weights(Module<float>&, const StoredTensors&, const std::string&, LoadMode);
template LoadReport assign_weights(Module<double>&, const StoredTensors&, const std::string&, LoadMode);

}  // namespace seqgrad
