#include "seqgrad/core/ops/arithmetic.hpp"

#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {

using detail::accumulate_map;
using detail::map_constant;

template <class T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b) {
    return record("add",
                  map_constant(
                      "add", [](T x, T y) { return x + y; }, a.value(), b.value()),
                  {a, b}, [](Backward<T>& pass) { pass.pass_on(0, 1); });
}

template <class T>
Variable<T> subtract(const Variable<T>& a, const Variable<T>& b) {
    return record("subtract",
                  map_constant(
                      "subtract", [](T x, T y) { return x - y; }, a.value(), b.value()),
                  {a, b}, [](Backward<T>& pass) {
                      accumulate_map(
                          pass, 1, [](T g) { return -g; }, pass.grad());
                      pass.pass_on(0);
                  });
}

template <class T>
Variable<T> multiply(const Variable<T>& a, const Variable<T>& b) {
    return record("multiply",
                  map_constant(
                      "multiply", [](T x, T y) { return x * y; }, a.value(), b.value()),
                  {a, b}, [a = save(a), b = save(b)](Backward<T>& pass) {
                      const auto times = [](T g, T other) { return g * other; };
                      accumulate_map(pass, 0, times, pass.grad(), b.value());
                      accumulate_map(pass, 1, times, pass.grad(), a.value());
                  });
}

template <class T>
Variable<T> divide(const Variable<T>& a, const Variable<T>& b) {
    const Variable<T> quotient = map_constant(
        "divide", [](T x, T y) { return x / y; }, a.value(), b.value());
    return record("divide", quotient, {a, b}, [b = save(b), q = save(quotient)](Backward<T>& pass) {
        accumulate_map(
            pass, 0, [](T g, T y) { return g / y; }, pass.grad(), b.value());
        accumulate_map(
            pass, 1, [](T g, T y, T z) { return -g * z / y; }, pass.grad(), b.value(), q.value());
    });
}

template <class T>
Variable<T> negative(const Variable<T>& x) {
    return record("negative",
                  map_constant(
                      "negative", [](T v) { return -v; }, x.value()),
                  {x}, [](Backward<T>& pass) {
                      accumulate_map(
                          pass, 0, [](T g) { return -g; }, pass.grad());
                  });
}

template Variable<float> add(const Variable<float>&, const Variable<float>&);
template Variable<double> add(const Variable<double>&, const Variable<double>&);
template Variable<float> subtract(const Variable<float>&, const Variable<float>&);
template Variable<double> subtract(const Variable<double>&, const Variable<double>&);
template Variable<float> multiply(const Variable<float>&, const Variable<float>&);
template Variable<double> multiply(const Variable<double>&, const Variable<double>&);
template Variable<float> divide(const Variable<float>&, const Variable<float>&);
template Variable<double> divide(const Variable<double>&, const Variable<double>&);
template Variable<float> negative(const Variable<float>&);
template Variable<double> negative(const Variable<double>&);

}  // namespace seqgrad
