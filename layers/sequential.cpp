#include "seqgrad/layers/sequential.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/internal/snake_case.hpp"
#include "seqgrad/layers/internal/unknown_output_shape.hpp"

namespace seqgrad {

template <class T>
Sequential<T>& Sequential<T>::add(std::shared_ptr<Module<T>> layer) {
    if (!layer) throw ValueError(fmt::format("{}: add was given no layer", this->description()));
    if (layer->path_to(*this))
        throw ValueError(
            fmt::format("{}: add was given a layer that holds this model, which would contain itself",
                        this->description()));
    const auto* const input = dynamic_cast<const InputLayer<T>*>(layer.get());
    if (input != nullptr && !layers_.empty()) {
        throw ValueError(
            fmt::format("{}: {} must be the first layer", this->description(), layer->description()));
    }
    std::unordered_set<std::string_view> names;
    for (const auto& other : layers_) names.insert(other->name());
    const auto taken = [&](const std::string& name) { return names.contains(name); };
    std::string name = layer->name();
    if (name.empty()) {
        const std::string base = detail::snake_case(layer->type());
        name = base;
        for (std::size_t n = 1; taken(name); ++n) name = fmt::format("{}_{}", base, n);
    } else if (taken(name)) {
        throw ValueError(fmt::format("{}: two layers are named \"{}\"", this->description(), name));
    } else if (name.find('.') != std::string::npos) {
        throw ValueError(fmt::format("{}: a layer is named \"{}\"; the dot separates names in paths",
                                     this->description(), name));
    }
    if (this->built()) {
        std::optional<PartialShape> shape;
        try {
            shape = layer->compute_output_shape(this->output_shape());
        } catch (const detail::UnknownOutputShape&) {
            if (layer->built()) throw;  // for what inputs is not known
        }
        layer->build(this->output_shape());
        if (shape) this->set_output_shape(*layer, *shape);
        this->set_output_shape(*this, PartialShape(layer->output_shape()));
    }
    layer->set_name(std::move(name));
    layers_.push_back(std::move(layer));
    if (input != nullptr) this->build(input->batch_shape());
    return *this;
}

template <class T>
Module<T>& Sequential<T>::operator[](std::size_t i) const {
    if (i >= layers_.size()) {
        throw ValueError(
            fmt::format("{}: layer {} asked for, there are {}", this->description(), i, layers_.size()));
    }
    return *layers_[i];
}

template <class T>
PartialShape Sequential<T>::compute_output_shape(const PartialShape& input_shape) const {
    PartialShape shape = input_shape;
    for (const auto& layer : layers_) shape = layer->compute_output_shape(shape);
    return shape;
}

template <class T>
void Sequential<T>::members(Members<T>& members) {
    for (const auto& layer : layers_) members.child(layer->name(), *layer);
}

template <class T>
void Sequential<T>::build_parameters(const PartialShape& input_shape) {
    // Shapes first: a layer that does not fit leaves the others unbuilt. From one on that does not say its
    // output shape, as a user's own need not, layers are built by the first call.
    std::vector<PartialShape> shapes{input_shape};
    try {
        for (const auto& layer : layers_) shapes.push_back(layer->compute_output_shape(shapes.back()));
    } catch (const detail::UnknownOutputShape&) {
    }
    for (std::size_t i = 0; i + 1 < shapes.size(); ++i) {
        layers_[i]->build(shapes[i]);
        this->set_output_shape(*layers_[i], shapes[i + 1]);
    }
    if (shapes.size() > layers_.size()) this->set_output_shape(*this, shapes.back());
    input_shape_ = input_shape;
}

template <class T>
Variable<T> Sequential<T>::call(const Variable<T>& x) {
    Variable<T> y = x;
    for (const auto& layer : layers_) y = (*layer)(y);
    return y;
}

template class Sequential<float>;
template class Sequential<double>;

}  // namespace seqgrad
