#include "seqgrad/core/ops/elementary.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/map_kernel.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {

using detail::accumulate_map;
using detail::map;
using detail::map_constant;
using detail::map_kernel;

template <class T>
Variable<T> power(const Variable<T>& x, const Variable<T>& y) {
    const Variable<T> result = map_constant(
        "power", [](T a, T b) { return std::pow(a, b); }, x.value(), y.value());
    return record("power", result, {x, y}, [x = save(x), y = save(y), z = save(result)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T a, T b) { return b == 0 ? T{0} : g * b * std::pow(a, b - 1); }, pass.grad(),
            x.value(), y.value());
        accumulate_map(
            pass, 1, [](T g, T a, T c) { return a > 0 ? g * c * std::log(a) : T{0}; }, pass.grad(), x.value(),
            z.value());
    });
}

template <class T>
Variable<T> power(const Variable<T>& x, std::type_identity_t<T> exponent) {
    if (exponent == 2) return square(x);
    return record("power",
                  map_constant(
                      "power", [exponent](T v) { return std::pow(v, exponent); }, x.value()),
                  {x}, [x = save(x), exponent](Backward<T>& pass) {
                      if (exponent == 0) {
                          accumulate_map(
                              pass, 0, [](T) { return T{0}; }, pass.grad());
                          return;
                      }
                      accumulate_map(
                          pass, 0, [exponent](T g, T v) { return g * exponent * std::pow(v, exponent - 1); },
                          pass.grad(), x.value());
                  });
}

template <class T>
Variable<T> exp(const Variable<T>& x) {
    const Variable<T> result = map_kernel(kernels::exp<T>, x.value());
    return record("exp", result, {x}, [y = save(result)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T y) { return g * y; }, pass.grad(), y.value());
    });
}

template <class T>
Variable<T> expm1(const Variable<T>& x) {
    return record("expm1", map_kernel(kernels::expm1<T>, x.value()), {x}, [x = save(x)](Backward<T>& pass) {
        // Not from the result: near -1 it has too few digits of e^x left.
        accumulate_map(
            pass, 0, [](T g, T e) { return g * e; }, pass.grad(),
            map_kernel(kernels::exp<T>, x.value()).value());
    });
}

template <class T>
Variable<T> log(const Variable<T>& x) {
    return record("log", map_kernel(kernels::log<T>, x.value()), {x}, [x = save(x)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T v) { return g / v; }, pass.grad(), x.value());
    });
}

template <class T>
Variable<T> log1p(const Variable<T>& x) {
    return record("log1p", map_kernel(kernels::log1p<T>, x.value()), {x}, [x = save(x)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T v) { return g / (1 + v); }, pass.grad(), x.value());
    });
}

template <class T>
Variable<T> sqrt(const Variable<T>& x) {
    const Variable<T> result = map_constant(
        "sqrt", [](T v) { return std::sqrt(v); }, x.value());
    return record("sqrt", result, {x}, [y = save(result)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T y) { return g / (2 * y); }, pass.grad(), y.value());
    });
}

template <class T>
Variable<T> square(const Variable<T>& x) {
    return record("square",
                  map_constant(
                      "square", [](T v) { return v * v; }, x.value()),
                  {x}, [x = save(x)](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [](T g, T v) { return 2 * g * v; }, pass.grad(), x.value());
                  });
}

template <class T>
Variable<T> abs(const Variable<T>& x) {
    return record("abs",
                  map_constant(
                      "abs", [](T v) { return std::abs(v); }, x.value()),
                  {x}, [x = save(x)](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [](T g, T v) { return v > 0   ? g
                                                         : v < 0 ? -g
                                                                 : T{0}; }, pass.grad(),
                          x.value());
                  });
}

template <class T>
Variable<T> reciprocal(const Variable<T>& x) {
    const Variable<T> result = map_constant(
        "reciprocal", [](T v) { return 1 / v; }, x.value());
    return record("reciprocal", result, {x}, [y = save(result)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T y) { return -g * y * y; }, pass.grad(), y.value());
    });
}

template <class T>
Variable<T> sin(const Variable<T>& x) {
    return record("sin",
                  map_constant(
                      "sin", [](T v) { return std::sin(v); }, x.value()),
                  {x}, [x = save(x)](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [](T g, T v) { return g * std::cos(v); }, pass.grad(), x.value());
                  });
}

template <class T>
Variable<T> cos(const Variable<T>& x) {
    return record("cos",
                  map_constant(
                      "cos", [](T v) { return std::cos(v); }, x.value()),
                  {x}, [x = save(x)](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [](T g, T v) { return -g * std::sin(v); }, pass.grad(), x.value());
                  });
}

template <class T>
Variable<T> clip(const Variable<T>& x, std::type_identity_t<T> min, std::type_identity_t<T> max) {
    if (!(min <= max)) {
        throw ValueError(fmt::format("clip: min must not exceed max, got min = {} and max = {}", min, max));
    }
    // Comparisons are written so that NaN passes.
    return record("clip",
                  map_constant(
                      "clip", [min, max](T v) { return v < min   ? min
                                                       : v > max ? max
                                                                 : v; }, x.value()),
                  {x}, [x = save(x), min, max](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [min, max](T g, T v) { return v < min || v > max ? T{0} : g; },
                          pass.grad(), x.value());
                  });
}

namespace {

/// The choice that minimum and maximum make is made again in the backward pass, from the saved operands.
template <class T, class Chooses>
Variable<T> choose(const char* op, Chooses first, const Variable<T>& a, const Variable<T>& b) {
    return record(op,
                  map(
                      op, [first](T x, T y) { return first(x, y) ? x : y; }, a.value(), b.value()),
                  {a, b}, [a = save(a), b = save(b), first](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [first](T g, T x, T y) { return first(x, y) ? g : T{0}; }, pass.grad(),
                          a.value(), b.value());
                      accumulate_map(
                          pass, 1, [first](T g, T x, T y) { return first(x, y) ? T{0} : g; }, pass.grad(),
                          a.value(), b.value());
                  });
}

}  // namespace

template <class T>
Variable<T> minimum(const Variable<T>& a, const Variable<T>& b) {
    return choose(
        "minimum", [](T x, T y) { return x <= y || x != x; }, a, b);
}

template <class T>
Variable<T> maximum(const Variable<T>& a, const Variable<T>& b) {
    return choose(
        "maximum", [](T x, T y) { return x >= y || x != x; }, a, b);
}

template <class T>
Variable<T> where(Tensor<bool> condition, const Variable<T>& a, const Variable<T>& b) {
    Tensor<T> value = map(
        "where", [](bool c, T x, T y) { return c ? x : y; }, condition, a.value(), b.value());
    return record("where", std::move(value), {a, b}, [condition = std::move(condition)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, bool c) { return c ? g : T{0}; }, pass.grad(), condition);
        accumulate_map(
            pass, 1, [](T g, bool c) { return c ? T{0} : g; }, pass.grad(), condition);
    });
}

template Variable<float> power(const Variable<float>&, const Variable<float>&);
template Variable<double> power(const Variable<double>&, const Variable<double>&);
template Variable<float> power(const Variable<float>&, float);
template Variable<double> power(const Variable<double>&, double);
template Variable<float> exp(const Variable<float>&);
template Variable<double> exp(const Variable<double>&);
template Variable<float> expm1(const Variable<float>&);
template Variable<double> expm1(const Variable<double>&);
template Variable<float> log(const Variable<float>&);
template Variable<double> log(const Variable<double>&);
template Variable<float> log1p(const Variable<float>&);
template Variable<double> log1p(const Variable<double>&);
template Variable<float> sqrt(const Variable<float>&);
template Variable<double> sqrt(const Variable<double>&);
template Variable<float> square(const Variable<float>&);
template Variable<double> square(const Variable<double>&);
template Variable<float> abs(const Variable<float>&);
template Variable<double> abs(const Variable<double>&);
template Variable<float> reciprocal(const Variable<float>&);
template Variable<double> reciprocal(const Variable<double>&);
template Variable<float> sin(const Variable<float>&);
template Variable<double> sin(const Variable<double>&);
template Variable<float> cos(const Variable<float>&);
template Variable<double> cos(const Variable<double>&);
template Variable<float> clip(const Variable<float>&, float, float);
template Variable<double> clip(const Variable<double>&, double, double);
template Variable<float> minimum(const Variable<float>&, const Variable<float>&);
template Variable<double> minimum(const Variable<double>&, const Variable<double>&);
template Variable<float> maximum(const Variable<float>&, const Variable<float>&);
template Variable<double> maximum(const Variable<double>&, const Variable<double>&);
template Variable<float> where(Tensor<bool>, const Variable<float>&, const Variable<float>&);
template Variable<double> where(Tensor<bool>, const Variable<double>&, const Variable<double>&);

}  // namespace seqgrad
