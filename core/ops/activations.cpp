#include "seqgrad/core/ops/activations.hpp"

#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/map_kernel.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/softmax.hpp"

namespace seqgrad {

using detail::accumulate_map;
using detail::map;
using detail::map_constant;
using detail::map_kernel;

template <class T>
Variable<T> tanh(const Variable<T>& x) {
    const Variable<T> result = map_kernel(kernels::tanh<T>, x.value());
    return record("tanh", result, {x}, [y = save(result)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T y) { return g * (1 - y * y); }, pass.grad(), y.value());
    });
}

template <class T>
Variable<T> sigmoid(const Variable<T>& x) {
    const Variable<T> result = map_kernel(kernels::sigmoid<T>, x.value());
    return record("sigmoid", result, {x}, [y = save(result)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T y) { return g * y * (1 - y); }, pass.grad(), y.value());
    });
}

template <class T>
Variable<T> hard_sigmoid(const Variable<T>& x) {
    return record(
        "hard_sigmoid",
        map_constant(
            "hard_sigmoid", [](T v) { return (v < -3  ? T{0}
                                              : v > 3 ? T{6}
                                                      : v + 3) /
                                             6; }, x.value()),
        {x}, [x = save(x)](Backward<T>& pass) {
            accumulate_map(
                pass, 0, [](T g, T v) { return v > -3 && v < 3 ? g / 6 : T{0}; }, pass.grad(), x.value());
        });
}

template <class T>
Variable<T> relu(const Variable<T>& x) {
    // Written so that NaN passes.
    const Variable<T> result = map_constant(
        "relu", [](T v) { return v <= 0 ? T{0} : v; }, x.value());
    return record("relu", result, {x}, [y = save(result)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T y) { return y > 0 ? g : T{0}; }, pass.grad(), y.value());
    });
}

template <class T>
Variable<T> leaky_relu(const Variable<T>& x, std::type_identity_t<T> negative_slope) {
    // Computed whether needed or not, the product is no obstacle to vectorisation.
    const auto choose = [negative_slope](T v, T condition) {
        const T small = negative_slope * v;
        return condition > 0 ? v : small;
    };
    return record("leaky_relu",
                  map_constant(
                      "leaky_relu", [choose](T v) { return choose(v, v); }, x.value()),
                  {x}, [x = save(x), choose](Backward<T>& pass) {
                      accumulate_map(pass, 0, choose, pass.grad(), x.value());
                  });
}

namespace {

template <class T>
Variable<T> scaled_elu(const char* op, const Variable<T>& x, T scale, T alpha) {
    return record(op,
                  map_constant(
                      op, [scale, alpha](T v, T e) { return scale * (v < 0 ? alpha * e : v); }, x.value(),
                      map_kernel(kernels::expm1<T>, x.value()).value()),
                  {x}, [x = save(x), scale, alpha](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0,
                          [scale, alpha](T g, T v, T e) { return g * scale * (v < 0 ? alpha * e : T{1}); },
                          pass.grad(), x.value(), map_kernel(kernels::exp<T>, x.value()).value());
                  });
}

}  // namespace

template <class T>
Variable<T> elu(const Variable<T>& x, std::type_identity_t<T> alpha) {
    return scaled_elu("elu", x, T{1}, alpha);
}

template <class T>
Variable<T> selu(const Variable<T>& x) {
    return scaled_elu("selu", x, T(1.0507009873554805), T(1.6732632423543772));
}

template <class T>
Variable<T> softplus(const Variable<T>& x) {
    return record("softplus", map_kernel(kernels::softplus<T>, x.value()), {x},
                  [x = save(x)](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [](T g, T s) { return g * s; }, pass.grad(),
                          map_kernel(kernels::sigmoid<T>, x.value()).value());
                  });
}

namespace {

/// x share, and its limit 0 where x is -inf.
template <class T>
T part_of(T x, T share) {
    return share == 0 ? T{0} : x * share;
}

template <class T>
Variable<T> exact_gelu(const Variable<T>& x) {
    // In float's digits for double too: so does TensorFlow, and with it Keras.
    constexpr T root_half = T(0.70710678118654752440F);
    Tensor<T> cdf = map(
        "gelu", [](T v) { return v * root_half; }, x.value());
    kernels::erf(cdf.size(), cdf.data(), cdf.data());
    for (T& v : elements(cdf)) v = (1 + v) / 2;
    Tensor<T> value = map(
        "gelu", [](T v, T p) { return part_of(v, p); }, x.value(), cdf);
    return record("gelu", std::move(value), {x}, [x = save(x), cdf = std::move(cdf)](Backward<T>& pass) {
        constexpr T inverse_root_pi = T(0.56418958354775628695);
        Tensor<T> density = map(
            "gelu", [](T v) { return -(v * root_half) * (v * root_half); }, x.value());
        kernels::exp(density.size(), density.data(), density.data());
        accumulate_map(
            pass, 0,
            [](T g, T v, T p, T d) { return g * (p + part_of(v, d * (inverse_root_pi * root_half))); },
            pass.grad(), x.value(), cdf, density);
    });
}

template <class T>
Variable<T> approximate_gelu(const Variable<T>& x) {
    constexpr T scale = T(0.79788456080286535588);  // sqrt(2 / pi)
    constexpr T cubic = T(0.044715F);               // in float's digits, like sqrt(1/2) above
    Tensor<T> t = map(
        "gelu", [](T v) { return scale * (v + cubic * v * v * v); }, x.value());
    kernels::tanh(t.size(), t.data(), t.data());
    Tensor<T> value = map(
        "gelu", [](T v, T t) { return part_of(v, (1 + t) / 2); }, x.value(), t);
    return record("gelu", std::move(value), {x}, [x = save(x), t = std::move(t)](Backward<T>& pass) {
        accumulate_map(
            pass, 0,
            [](T g, T v, T t) {
                const T slope = scale * (1 + 3 * cubic * v * v);
                return g * ((1 + t) / 2 + part_of(v * slope, (1 - t * t) / 2));
            },
            pass.grad(), x.value(), t);
    });
}

}  // namespace

template <class T>
Variable<T> gelu(const Variable<T>& x, bool approximate) {
    return approximate ? approximate_gelu(x) : exact_gelu(x);
}

template <class T>
Variable<T> silu(const Variable<T>& x) {
    const Variable<T> s = map_kernel(kernels::sigmoid<T>, x.value());
    return record("silu",
                  map_constant(
                      "silu", [](T v, T s) { return part_of(v, s); }, x.value(), s.value()),
                  {x}, [x = save(x), s = save(s)](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [](T g, T v, T s) { return g * (s + part_of(v, s * (1 - s))); },
                          pass.grad(), x.value(), s.value());
                  });
}

template <class T>
Variable<T> softsign(const Variable<T>& x) {
    return record(
        "softsign",
        map_constant(
            "softsign", [](T v) { return std::isinf(v) ? std::copysign(T{1}, v) : v / (1 + std::abs(v)); },
            x.value()),
        {x}, [x = save(x)](Backward<T>& pass) {
            accumulate_map(
                pass, 0,
                [](T g, T v) {
                    const T reciprocal = 1 / (1 + std::abs(v));
                    return g * reciprocal * reciprocal;
                },
                pass.grad(), x.value());
        });
}

namespace {

/// In the order of Activation::Kind.
constexpr std::array<std::string_view, 15> activation_names{
    "elu",  "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear",   "log_softmax", "relu",
    "selu", "sigmoid",     "silu", "softmax",      "softplus",   "softsign", "tanh"};

}  // namespace

std::string_view Activation::name() const {
    return activation_names[kind_];
}

Activation activation_from_name(std::string_view name) {
    for (std::size_t k = 0; k < activation_names.size(); ++k) {
        if (activation_names[k] == name) return static_cast<Activation::Kind>(k);
    }
    if (name == "swish") return Activation::silu;
    throw ValueError(
        fmt::format("activation \"{}\" is not known; there are {}", name, fmt::join(activation_names, ", ")));
}

template <class T>
Variable<T> apply(Activation activation, const Variable<T>& x) {
    switch (activation.kind()) {
        case Activation::elu:
            return elu(x);
        case Activation::exponential:
            return exp(x);
        case Activation::gelu:
            return gelu(x);
        case Activation::hard_sigmoid:
            return hard_sigmoid(x);
        case Activation::leaky_relu:
            return leaky_relu(x);
        case Activation::linear:
            return x;
        case Activation::log_softmax:
            return log_softmax(x);
        case Activation::relu:
            return relu(x);
        case Activation::selu:
            return selu(x);
        case Activation::sigmoid:
            return sigmoid(x);
        case Activation::silu:
            return silu(x);
        case Activation::softmax:
            return softmax(x);
        case Activation::softplus:
            return softplus(x);
        case Activation::softsign:
            return softsign(x);
        case Activation::tanh:
            return tanh(x);
    }
    throw ValueError(
        fmt::format("activation {} is not one of Activation's kinds", static_cast<int>(activation.kind())));
}

template Variable<float> tanh(const Variable<float>&);
template Variable<double> tanh(const Variable<double>&);
template Variable<float> sigmoid(const Variable<float>&);
template Variable<double> sigmoid(const Variable<double>&);
template Variable<float> hard_sigmoid(const Variable<float>&);
template Variable<double> hard_sigmoid(const Variable<double>&);
template Variable<float> relu(const Variable<float>&);
template Variable<double> relu(const Variable<double>&);
template Variable<float> leaky_relu(const Variable<float>&, float);
template Variable<double> leaky_relu(const Variable<double>&, double);
template Variable<float> elu(const Variable<float>&, float);
template Variable<double> elu(const Variable<double>&, double);
template Variable<float> selu(const Variable<float>&);
template Variable<double> selu(const Variable<double>&);
template Variable<float> softplus(const Variable<float>&);
template Variable<double> softplus(const Variable<double>&);
template Variable<float> gelu(const Variable<float>&, bool);
template Variable<double> gelu(const Variable<double>&, bool);
template Variable<float> silu(const Variable<float>&);
template Variable<double> silu(const Variable<double>&);
template Variable<float> softsign(const Variable<float>&);
template Variable<double> softsign(const Variable<double>&);
template Variable<float> apply(Activation, const Variable<float>&);
template Variable<double> apply(Activation, const Variable<double>&);

}  // namespace seqgrad
