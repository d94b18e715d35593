#include "seqgrad/layers/model.hpp"

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

template <class T>
void Model<T>::check_inputs(const std::vector<Variable<T>>& inputs, std::size_t count) const {
    if (inputs.size() != count) {
        throw ValueError(fmt::format("{}: takes {} input{}, got {}", this->description(), count,
                                     count == 1 ? "" : "s", inputs.size()));
    }
}

template class Model<float>;
template class Model<double>;

}  // namespace seqgrad
