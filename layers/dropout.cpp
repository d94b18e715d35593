#include "seqgrad/layers/dropout.hpp"

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/dropout.hpp"
#include "seqgrad/layers/internal/draw_scope.hpp"

namespace seqgrad {

template <class T>
Dropout<T>::Dropout(DropoutConfig config)
    : Module<T>(config.name),
      config_(std::move(config)),
      // A layer that never draws takes no seed from the default generator either.
      generator_(config_.seed || config_.rate == 0.0 ? config_.seed.value_or(0) : make_default_seed()) {
    if (!(config_.rate >= 0.0 && config_.rate <= 1.0)) {
        throw ValueError(
            fmt::format("{}: rate must be in [0, 1], got {}", this->description(), config_.rate));
    }
    if (!config_.noise_shape) return;
    for (const std::ptrdiff_t size : *config_.noise_shape) {
        if (size <= 0 && size != unknown) {
            throw ValueError(fmt::format("{}: sizes in noise_shape must be at least 1, got {}",
                                         this->description(), to_string(*config_.noise_shape)));
        }
    }
}

template <class T>
Variable<T> Dropout<T>::call(const Variable<T>& x) {
    if (!this->training() || config_.rate == 0.0) return x;
    if (config_.rate == 1.0) return constant(zeros<T>(x.shape()));
    detail::DrawScope::note(generator_);
    if (!config_.noise_shape) return dropout(x, config_.rate, generator_);
    const PartialShape& wanted = *config_.noise_shape;
    Shape noise_shape;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (i >= x.rank()) {
            throw ShapeError(fmt::format("{}: noise_shape {} has more axes than x {}", this->description(),
                                         to_string(wanted), to_string(x.shape())));
        }
        noise_shape.push_back(wanted[i] == unknown ? x.shape()[i] : static_cast<std::size_t>(wanted[i]));
    }
    return dropout(x, config_.rate, generator_, noise_shape);
}

template class Dropout<float>;
template class Dropout<double>;

}  // namespace seqgrad
