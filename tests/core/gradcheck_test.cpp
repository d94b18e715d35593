#include "seqgrad/core/gradcheck.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "gradcheck_example.hpp"  // written by CMake from docs/gradcheck.md
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;

namespace {

using V = Variable<double>;
using In = std::span<const V>;
using Pass = Backward<double>;
using T = Tensor<double>;

V vector_of(std::initializer_list<double> values) {
    return parameter(tensor<double>({values.size()}, values));
}
V matrix_of(std::size_t rows, std::size_t columns, std::initializer_list<double> values) {
    return parameter(tensor<double>({rows, columns}, values));
}

template <class F>
T each(const T& x, F&& f) {
    T out(x.shape());
    for (std::size_t i = 0; i < x.size(); ++i) out.data()[i] = f(x.data()[i]);
    return out;
}
template <class F>
T each(const T& x, const T& y, F&& f) {
    T out(x.shape());
    for (std::size_t i = 0; i < x.size(); ++i) out.data()[i] = f(x.data()[i], y.data()[i]);
    return out;
}

/// An elementwise operation from its value and its derivative as functions of one number.
V elementwise(const V& x, const std::function<double(double)>& f, const std::function<double(double)>& df) {
    return record("elementwise", each(x.value(), f), {x}, [x = save(x), df](Pass& pass) {
        pass.accumulate(0, each(pass.grad(), x.value(), [&](double g, double v) { return g * df(v); }));
    });
}

double total(const T& x) {
    double sum = 0;
    for (const double v : elements(x)) sum += v;
    return sum;
}

V scalar_of(double v) {
    return constant(full<double>({}, v));
}

/// h_t = a h_{t-1} + x_t with a scalar a and h_0 given: all h_t.
struct Scan {
    bool off_by_one = false;
    bool truncated = false;
    bool undecayed_start = false;
    V operator()(const V& x, const V& a, const V& h0) const {
        const std::size_t steps = x.size();
        T h(Shape{steps});
        double state = h0.value()();
        for (std::size_t t = 0; t < steps; ++t) h(t) = state = a.value()() * state + x.value()(t);
        const V result = constant(h);
        return record("scan", result, {x, a, h0},
                      [h = save(result), a = save(a), h0 = save(h0), fault = *this](Pass& pass) {
                          const std::size_t n = h.shape()[0];
                          T dx(Shape{n});
                          double da = 0;
                          double carry = 0;
                          for (std::size_t t = n; t-- > 0;) {
                              const double dh = pass.grad()(t) + (fault.truncated ? 0 : carry);
                              dx(t) = dh;
                              const double previous = t > 0 ? h.value()(t - 1) : h0.value()();
                              da += dh * (fault.off_by_one ? h.value()(t) : previous);
                              carry = dh * a.value()();
                          }
                          pass.accumulate(0, dx);
                          pass.accumulate(1, full<double>({}, da));
                          pass.accumulate(2, full<double>({}, fault.undecayed_start ? dx(0) : carry));
                      });
    }
};

/// One operation in two versions. `f(true, x)` has the fault.
struct SeededFault {
    const char* name;
    std::vector<V> inputs;
    std::function<std::vector<V>(bool faulty, In x)> f;
    GradcheckOptions options{};
};

V reverse(const V& x, bool faulty) {
    const auto turn = [](const T& t) {
        T out(t.shape());
        for (std::size_t i = 0; i < t.size(); ++i) out.data()[i] = t.data()[t.size() - 1 - i];
        return out;
    };
    return record("reverse", turn(x.value()), {x}, [turn, faulty](Pass& pass) {
        pass.accumulate(0, faulty ? pass.grad() : turn(pass.grad()));
    });
}

V matrix_product(const V& x, const V& w, bool faulty) {
    const std::size_t n = x.shape()[0];
    const std::size_t k = x.shape()[1];
    const std::size_t m = w.shape()[1];
    T y = zeros<double>({n, m});
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < m; ++j)
            for (std::size_t l = 0; l < k; ++l) y(i, j) += x.value()(i, l) * w.value()(l, j);
    return record("matrix_product", y, {x, w}, [=, x = save(x), w = save(w)](Pass& pass) {
        T dx = zeros<double>({n, k});
        T dw = zeros<double>({k, m});
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < m; ++j)
                for (std::size_t l = 0; l < k; ++l) {
                    dx(i, l) += pass.grad()(i, j) * (faulty ? w.value()(j, l) : w.value()(l, j));
                    dw(l, j) += x.value()(i, l) * pass.grad()(i, j);
                }
        pass.accumulate(0, dx);
        pass.accumulate(1, dw);
    });
}

/// x [n, m] + bias [m]; `sum` gives the bias's gradient.
V add_bias(const V& x, const V& bias, const std::function<T(const T&)>& sum) {
    return record("add_bias", T(x.value() + bias.value()), {x, bias}, [sum](Pass& pass) {
        pass.accumulate(0, pass.grad());
        pass.accumulate(1, sum(pass.grad()));
    });
}
T sum_rows(const T& g) {
    T out = zeros<double>({g.shape()[1]});
    for (std::size_t i = 0; i < g.shape()[0]; ++i)
        for (std::size_t j = 0; j < g.shape()[1]; ++j) out(j) += g(i, j);
    return out;
}
T sum_columns(const T& g) {
    T out = zeros<double>({g.shape()[0]});
    for (std::size_t i = 0; i < g.shape()[0]; ++i)
        for (std::size_t j = 0; j < g.shape()[1]; ++j) out(i) += g(i, j);
    return out;
}

/// Rows of a table at fixed indices.
V gather(const V& table, const std::vector<std::size_t>& rows, bool faulty) {
    const std::size_t width = table.shape()[1];
    T out(Shape{rows.size(), width});
    for (std::size_t r = 0; r < rows.size(); ++r)
        for (std::size_t j = 0; j < width; ++j) out(r, j) = table.value()(rows[r], j);
    return record("gather", out, {table}, [=](Pass& pass) {
        T d = zeros<double>(pass.input_shape(0));
        for (std::size_t r = 0; r < rows.size(); ++r)
            for (std::size_t j = 0; j < width; ++j)
                d(rows[r], j) = (faulty ? 0 : d(rows[r], j)) + pass.grad()(r, j);
        pass.accumulate(0, d);
    });
}

/// (sin x, cos x), as one operation with two results.
std::vector<V> sin_cos(const V& x, bool forgets_second, bool swaps) {
    return record_several<double>(
        "sin_cos",
        {constant(each(x.value(), [](double v) { return std::sin(v); })),
         constant(each(x.value(), [](double v) { return std::cos(v); }))},
        {x}, [x = save(x), forgets_second, swaps](Pass& pass) {
            const T* first = pass.grad(swaps ? 1 : 0);
            const T* second = pass.grad(swaps ? 0 : 1);
            if (first)
                pass.accumulate(0,
                                each(*first, x.value(), [](double g, double v) { return g * std::cos(v); }));
            if (second && !(first && forgets_second))
                pass.accumulate(
                    0, each(*second, x.value(), [](double g, double v) { return -g * std::sin(v); }));
        });
}

std::vector<SeededFault> seeded_faults() {
    const V x = vector_of({0.3, -0.7, 1.1, 0.45});
    const V positive = vector_of({0.3, 0.7, 1.1, 2.45});
    const V other = vector_of({-0.6, 0.9, 0.2, 1.3});
    const V square = matrix_of(3, 3, {0.1, -0.4, 0.7, 1.2, 0.5, -0.3, 0.8, -0.9, 0.6});
    const V square2 = matrix_of(3, 3, {0.9, 0.2, -0.5, 0.3, -1.1, 0.4, -0.7, 0.6, 1.3});
    const V triple = vector_of({0.2, -0.8, 0.5});
    const V rate = parameter(full<double>({}, 0.8));
    const V start = parameter(full<double>({}, -0.4));
    V frozen = vector_of({1.0, 2.0, 3.0, 4.0});
    frozen.set_requires_grad(false);

    std::vector<SeededFault> faults;
    const auto add = [&](const char* name, std::vector<V> inputs, std::function<V(bool, In)> f) {
        faults.push_back(
            {name, std::move(inputs), [f](bool faulty, In in) { return std::vector<V>{f(faulty, in)}; }});
    };
    const auto unary = [&](const char* name, const V& input, double (*f)(double), double (*right)(double),
                           double (*wrong)(double)) {
        add(name, {input}, [=](bool faulty, In in) { return elementwise(in[0], f, faulty ? wrong : right); });
    };

    // Wrong derivatives.
    unary(
        "sign", x, [](double v) { return std::tanh(v); },
        [](double v) { return 1 - std::pow(std::tanh(v), 2); },
        [](double v) { return std::pow(std::tanh(v), 2) - 1; });
    unary(
        "factor 2", x, [](double v) { return v * v; }, [](double v) { return 2 * v; },
        [](double v) { return v; });
    unary(
        "relative error of 1e-5", x, [](double v) { return std::exp(v); },
        [](double v) { return std::exp(v); }, [](double v) { return std::exp(v) * (1 + 1e-5); });
    unary(
        "relative error of 3e-7", x, [](double v) { return std::exp(v); },
        [](double v) { return std::exp(v); }, [](double v) { return std::exp(v) * (1 + 3e-7); });
    unary(
        "degrees taken for radians", x, [](double v) { return std::sin(v * std::numbers::pi / 180); },
        [](double v) { return std::cos(v * std::numbers::pi / 180) * std::numbers::pi / 180; },
        [](double v) { return std::cos(v * std::numbers::pi / 180); });
    unary(
        "ln 10 forgotten", positive, [](double v) { return std::log10(v); },
        [](double v) { return 1 / (v * std::numbers::ln10); }, [](double v) { return 1 / v; });
    unary(
        "a missing term of the product rule", x, [](double v) { return v * std::sin(v); },
        [](double v) { return std::sin(v) + v * std::cos(v); }, [](double v) { return v * std::cos(v); });
    unary(
        "the gradient of a small term lost", x, [](double v) { return v + 1e-5 * std::sin(3 * v); },
        [](double v) { return 1 + 3e-5 * std::cos(3 * v); }, [](double) { return 1.0; });
    unary(
        "clipped derivative", x, [](double v) { return std::exp(2 * v); },
        [](double v) { return 2 * std::exp(2 * v); },
        [](double v) { return std::min(2 * std::exp(2 * v), 5.0); });
    unary(
        "derivative passes where the value is clipped", x, [](double v) { return std::clamp(v, -0.5, 0.5); },
        [](double v) { return std::abs(v) < 0.5 ? 1.0 : 0.0; },
        [](double v) { return v > -0.5 ? 1.0 : 0.0; });
    unary(
        "not a number", x, [](double v) { return std::pow(v, 3); }, [](double v) { return 3 * v * v; },
        [](double v) { return 3 * std::pow(v, 3) / v * (v > 0 ? 1 : std::sqrt(v)); });
    unary(
        "factor 2 beside a large value", x, [](double v) { return 1e6 + std::sin(v); },
        [](double v) { return std::cos(v); }, [](double v) { return 2 * std::cos(v); });
    unary(
        "sign of a tiny gradient", x, [](double v) { return 1e-12 * v * v; },
        [](double v) { return 2e-12 * v; }, [](double v) { return -2e-12 * v; });
    unary(
        "wrong beyond a threshold only", positive, [](double v) { return std::log1p(std::exp(v)); },
        [](double v) { return 1 / (1 + std::exp(-v)); },
        [](double v) { return v > 2 ? 1.0 : 1 / (1 + std::exp(-v)); });

    // Wrong values saved, or taken for the output's gradient.
    add("wrong saved value", {x}, [](bool faulty, In in) {
        const V y = constant(each(in[0].value(), [](double v) { return std::exp(v); }));
        return record("exp", y, {in[0]}, [saved = save(faulty ? in[0] : y)](Pass& pass) {
            pass.accumulate(0, T(pass.grad() * saved.value()));
        });
    });
    add("saved value of an earlier call", {x}, [memory = std::make_shared<T>()](bool faulty, In in) {
        const T now = in[0].value();
        const T used = faulty && memory->size() == now.size() ? *memory : now;
        *memory = T(now * 0.9);
        return record("square", T(now * now), {in[0]},
                      [used](Pass& pass) { pass.accumulate(0, T(2.0 * used * pass.grad())); });
    });
    add("output gradient taken for one", {x}, [](bool faulty, In in) {
        return record("square", T(in[0].value() * in[0].value()), {in[0]},
                      [x = save(in[0]), faulty](Pass& pass) {
                          const T g = faulty ? ones<double>(pass.grad().shape()) : pass.grad();
                          pass.accumulate(0, T(2.0 * x.value() * g));
                      });
    });
    add("right for symmetric output gradients only", {x},
        [](bool faulty, In in) { return reverse(in[0], faulty); });
    add("zero gradient", {x},
        [](bool faulty, In in) { return faulty ? (in[0] * in[0]).detach() : in[0] * in[0]; });
    add("stale buffer", {x}, [](bool faulty, In in) {
        return record("twice", T(2.0 * in[0].value()), {in[0]},
                      [faulty, buffer = zeros<double>(in[0].shape())](Pass& pass) mutable {
                          if (!faulty) buffer.fill(0);
                          buffer += 2.0 * pass.grad();
                          pass.accumulate(0, buffer);
                      });
    });
    add("saved value used up by the first pass", {x}, [](bool faulty, In in) {
        return record("square", T(in[0].value() * in[0].value()), {in[0]},
                      [faulty, saved = T(in[0].value())](Pass& pass) mutable {
                          pass.accumulate(0, T(2.0 * saved * pass.grad()));
                          if (faulty) saved.fill(0);
                      });
    });
    add("gradient not linear in the output's", {x}, [](bool faulty, In in) {
        return record("same", T(in[0].value()), {in[0]}, [faulty](Pass& pass) {
            T g = pass.grad();
            double norm = 0;
            for (const double v : elements(g)) norm += v * v;
            if (faulty && norm > 1) g /= std::sqrt(norm);
            pass.accumulate(0, g);
        });
    });

    // Wrong sums and shapes.
    add("factor 1/T", {x}, [](bool faulty, In in) {
        const double n = static_cast<double>(in[0].size());
        return record("mean", full<double>({}, total(in[0].value()) / n), {in[0]}, [n, faulty](Pass& pass) {
            pass.accumulate(0, full<double>(pass.input_shape(0), pass.grad()() / (faulty ? 1 : n)));
        });
    });
    add("divisor n - 1 for n", {x}, [](bool faulty, In in) {
        const double n = static_cast<double>(in[0].size());
        const double mean = total(in[0].value()) / n;
        const double var = total(each(in[0].value(), [&](double v) { return (v - mean) * (v - mean); })) / n;
        return record("variance", full<double>({}, var), {in[0]}, [=, x = save(in[0])](Pass& pass) {
            pass.accumulate(0, each(x.value(), [&](double v) {
                                return 2 * (v - mean) / (faulty ? n - 1 : n) * pass.grad()();
                            }));
        });
    });
    add("right at size 1 only", {positive}, [](bool faulty, In in) {
        const double sum = total(in[0].value());
        const V y = constant(T(in[0].value() / sum));
        return record("normalize", y, {in[0]}, [=, y = save(y)](Pass& pass) {
            const T product = pass.grad() * y.value();
            const double dot = total(product);
            pass.accumulate(0, each(pass.grad(), product,
                                    [&](double g, double p) { return (g - (faulty ? p : dot)) / sum; }));
        });
    });
    add("missing un-broadcast sum", {square, triple}, [](bool faulty, In in) {
        return add_bias(in[0], in[1], [faulty](const T& g) {
            if (!faulty) return sum_rows(g);
            return tensor<double>({3}, {g(0, 0), g(0, 1), g(0, 2)});
        });
    });
    add("mean for the un-broadcast sum", {square, triple}, [](bool faulty, In in) {
        return add_bias(in[0], in[1], [faulty](const T& g) { return T(sum_rows(g) / (faulty ? 3.0 : 1.0)); });
    });
    add("wrong axis reduced", {square, triple}, [](bool faulty, In in) {
        return add_bias(in[0], in[1], [faulty](const T& g) { return faulty ? sum_columns(g) : sum_rows(g); });
    });
    add("transposed Jacobian", {square, square2},
        [](bool faulty, In in) { return matrix_product(in[0], in[1], faulty); });
    add("reshaped where it should be transposed", {square}, [](bool faulty, In in) {
        const auto turn = [](const T& t) {
            T out(Shape{3, 3});
            for (std::size_t i = 0; i < 3; ++i)
                for (std::size_t j = 0; j < 3; ++j) out(j, i) = t(i, j);
            return out;
        };
        return record("transpose", turn(in[0].value()), {in[0]},
                      [=](Pass& pass) { pass.accumulate(0, faulty ? pass.grad() : turn(pass.grad())); });
    });
    add("wrong in the last element only", {x}, [](bool faulty, In in) {
        return record("three times", T(3.0 * in[0].value()), {in[0]}, [faulty](Pass& pass) {
            T g = 3.0 * pass.grad();
            if (faulty) g.data()[g.size() - 1] = pass.grad().data()[g.size() - 1];
            pass.accumulate(0, g);
        });
    });
    add("step of a slice forgotten", {x}, [](bool faulty, In in) {
        return record("every second", tensor<double>({2}, {in[0].value()(0), in[0].value()(2)}), {in[0]},
                      [faulty](Pass& pass) {
                          T g = zeros<double>({4});
                          g(0) = pass.grad()(0);
                          g(faulty ? 1 : 2) = pass.grad()(1);
                          pass.accumulate(0, g);
                      });
    });
    add("offset of a joined part", {x, other}, [](bool faulty, In in) {
        T joined(Shape{8});
        std::copy_n(in[0].value().data(), 4, joined.data());
        std::copy_n(in[1].value().data(), 4, joined.data() + 4);
        return record("join", joined, {in[0], in[1]}, [faulty](Pass& pass) {
            T first(Shape{4});
            T second(Shape{4});
            std::copy_n(pass.grad().data(), 4, first.data());
            std::copy_n(pass.grad().data() + (faulty ? 3 : 4), 4, second.data());
            pass.accumulate(0, first);
            pass.accumulate(1, second);
        });
    });
    add("maximum's gradient at the wrong place", {x}, [](bool faulty, In in) {
        const auto e = elements(in[0].value());
        const auto at = static_cast<std::size_t>(std::ranges::max_element(e) - e.begin());
        return record("max", full<double>({}, e[at]), {in[0]}, [=](Pass& pass) {
            T g = zeros<double>(pass.input_shape(0));
            g(faulty ? 0 : at) = pass.grad()();
            pass.accumulate(0, g);
        });
    });
    add("ignored mask", {x}, [](bool faulty, In in) {
        const auto keep = [](std::size_t i) { return i % 3 != 1; };
        T out = in[0].value();
        for (std::size_t i = 0; i < out.size(); ++i) out(i) *= keep(i) ? 1.0 : 0.0;
        return record("masked", out, {in[0]}, [=](Pass& pass) {
            T g = pass.grad();
            for (std::size_t i = 0; i < g.size() && !faulty; ++i) g(i) *= keep(i) ? 1.0 : 0.0;
            pass.accumulate(0, g);
        });
    });
    add("repeated indices overwrite", {square}, [](bool faulty, In in) {
        return gather(in[0], {2, 0, 2, 2}, faulty);
    });

    // Wrong steps in time.
    add("off by one time step", {x, rate, start},
        [](bool faulty, In in) { return Scan{.off_by_one = faulty}(in[0], in[1], in[2]); });
    add("nothing carried back in time", {x, rate, start},
        [](bool faulty, In in) { return Scan{.truncated = faulty}(in[0], in[1], in[2]); });
    add("initial state one step late", {x, rate, start},
        [](bool faulty, In in) { return Scan{.undecayed_start = faulty}(in[0], in[1], in[2]); });

    // Wrong operands.
    add("operands swapped", {x, other}, [](bool faulty, In in) {
        return record("subtract", T(in[0].value() - in[1].value()), {in[0], in[1]}, [faulty](Pass& pass) {
            pass.accumulate(faulty ? 1 : 0, pass.grad());
            pass.accumulate(faulty ? 0 : 1, T(-pass.grad()));
        });
    });
    add("gates swapped", {x, other}, [](bool faulty, In in) {
        const auto s = [](double v) { return 1 / (1 + std::exp(-v)); };
        return record(
            "gate",
            each(in[0].value(), in[1].value(), [s](double a, double b) { return s(a) * std::tanh(b); }),
            {in[0], in[1]}, [=, a = save(in[0]), b = save(in[1])](Pass& pass) {
                const T da = each(a.value(), b.value(),
                                  [s](double p, double q) { return s(p) * (1 - s(p)) * std::tanh(q); });
                const T db = each(a.value(), b.value(),
                                  [s](double p, double q) { return s(p) * (1 - std::pow(std::tanh(q), 2)); });
                pass.accumulate(0, T((faulty ? db : da) * pass.grad()));
                pass.accumulate(1, T((faulty ? da : db) * pass.grad()));
            });
    });
    add("overwrites instead of accumulating", {x}, [](bool faulty, In in) {
        return record("twice", T(2.0 * in[0].value()), {in[0]}, [faulty](Pass& pass) {
            const GradientBuffer<double> to = pass.buffer(0);
            const double beta = faulty ? 0 : to.beta();
            for (std::size_t i = 0; i < to.tensor.size(); ++i) {
                const double before = beta == 0 ? 0 : beta * to.tensor.data()[i];
                to.tensor.data()[i] = before + 2 * pass.grad().data()[i];
            }
        });
    });
    add("a variable given twice counted once", {x, x}, [](bool faulty, In in) {
        const bool once = faulty && in[0].same_as(in[1]);
        return record("multiply", T(in[0].value() * in[1].value()), {in[0], in[1]},
                      [once, a = save(in[0]), b = save(in[1])](Pass& pass) {
                          pass.accumulate(0, T(pass.grad() * b.value()));
                          if (!once) pass.accumulate(1, T(pass.grad() * a.value()));
                      });
    });
    add("asks whether the wrong operand wants a gradient", {frozen, x}, [](bool faulty, In in) {
        return record("multiply", T(in[0].value() * in[1].value()), {in[0], in[1]},
                      [faulty, a = save(in[0]), b = save(in[1])](Pass& pass) {
                          if (pass.wants(0)) pass.accumulate(0, T(pass.grad() * b.value()));
                          if (pass.wants(faulty ? 0 : 1)) pass.accumulate(1, T(pass.grad() * a.value()));
                      });
    });
    add("gradient to an input that wants none", {x, frozen}, [](bool faulty, In in) {
        return record("multiply", T(in[0].value() * in[1].value()), {in[0], in[1]},
                      [faulty, a = save(in[0]), b = save(in[1]), second = in[1]](Pass& pass) mutable {
                          pass.accumulate(0, T(pass.grad() * b.value()));
                          if (faulty) second.set_grad(T(pass.grad() * a.value()));
                      });
    });
    add("backward changes an input", {x, frozen}, [](bool faulty, In in) {
        return record("multiply", T(in[0].value() * in[1].value()), {in[0], in[1]},
                      [faulty, b = T(in[1].value()), second = in[1]](Pass& pass) mutable {
                          pass.accumulate(0, T(pass.grad() * b));
                          if (faulty) second.mutable_data()[0] = 0;
                      });
    });

    // Several results, and an operation too large for its whole Jacobian.
    faults.push_back({"second of two results forgotten", {x}, [](bool faulty, In in) {
                          return sin_cos(in[0], faulty, false);
                      }});
    faults.push_back({"results' gradients swapped", {x}, [](bool faulty, In in) {
                          return sin_cos(in[0], false, faulty);
                      }});
    const auto large = [&](const char* name, std::function<void(T&)> damage) {
        V many = parameter(T(Shape{2003}));
        for (std::size_t i = 0; i < many.size(); ++i)
            many.mutable_data()[i] = std::sin(0.7 * static_cast<double>(i) + 1);
        add(name, {many}, [damage](bool faulty, In in) {
            return record("cube", each(in[0].value(), [](double v) { return v * v * v; }), {in[0]},
                          [=, x = save(in[0])](Pass& pass) {
                              T g = each(pass.grad(), x.value(),
                                         [](double d, double v) { return 3 * d * v * v; });
                              if (faulty) damage(g);
                              pass.accumulate(0, g);
                          });
        });
    };
    add("captures a variable instead of taking it", {x}, [x](bool faulty, In in) {
        return elementwise(
            faulty ? x : in[0], [](double v) { return v * v; }, [](double v) { return 2 * v; });
    });
    large("last of 2003 elements", [](T& g) { g.data()[g.size() - 1] *= 1.01; });
    large("two of 2003 elements exchanged", [](T& g) { std::swap(g.data()[1000], g.data()[1001]); });
    large("wrong by 1e-6 throughout 2003 elements", [](T& g) { g *= 1 + 1e-6; });
    return faults;
}

}  // namespace

TEST_CASE("gradcheck catches every seeded fault, and passes each operation without it") {
    const std::vector<SeededFault> faults = seeded_faults();
    std::size_t caught = 0;
    for (const SeededFault& fault : faults) {
        CAPTURE(fault.name);
        const auto check = [&](bool faulty) {
            return gradcheck(GradcheckFunction([&](In in) { return fault.f(faulty, in); }), fault.inputs,
                             fault.options);
        };
        const GradcheckReport right = check(false);
        CHECK_MESSAGE(right.passed, right.message());
        CHECK(right.compared > 0);
        CHECK(right.outcome == GradcheckOutcome::passed);
        const GradcheckReport wrong = check(true);
        CHECK_MESSAGE(!wrong.passed, wrong.message());
        CHECK(wrong.outcome != GradcheckOutcome::passed);
        CHECK(wrong.outcome != GradcheckOutcome::inconclusive);
        CHECK(wrong.outcome != GradcheckOutcome::kink);
        CHECK(wrong.message().starts_with("gradcheck failed"));
        caught += right.passed && !wrong.passed;
    }
    CHECK(faults.size() >= 30);
    std::printf("seeded faults caught: %zu of %zu\n", caught, faults.size());
}

TEST_CASE("gradcheck names the worst element") {
    const V a = matrix_of(2, 3, {1, 2, 3, 4, 5, 6});
    const V b = vector_of({7, 8, 9});
    const auto f = [](In in) {
        return record("add", T(in[0].value() + in[1].value()), {in[0], in[1]}, [](Pass& pass) {
            pass.accumulate(0, pass.grad());
            T g = pass.grad();
            g(1, 2) *= -2;
            pass.accumulate(1, g);
        });
    };
    const GradcheckReport report = gradcheck(f, {a, b});
    CHECK_FALSE(report.passed);
    CHECK(report.outcome == GradcheckOutcome::wrong_gradient);
    CHECK(report.input == 1);
    CHECK(report.input_index == std::vector<std::size_t>{2});
    CHECK(report.output == 0);
    CHECK(report.output_index == std::vector<std::size_t>{1, 2});
    CHECK(report.analytic == -2);
    CHECK(report.numeric == doctest::Approx(1).epsilon(1e-12));
    CHECK(report.relative_error == doctest::Approx(1.5).epsilon(1e-12));
    CHECK(report.compared == 6 * 6 + 6 * 3);
    CHECK(report.full_jacobian);
    CHECK(report.message() ==
          "gradcheck failed, the gradient is wrong: d output 0 [1, 2] / d input 1 [2] is -2 by the backward "
          "pass "
          "and 1 by differences (relative error 1.5, rounding noise " +
              report.message().substr(report.message().find("noise ") + 6));
    CHECK(report.message().find("the ratio of the two is -2; 54 derivatives compared.") != std::string::npos);

    const GradcheckReport good = gradcheck([](In in) { return in[0] * in[1]; }, {a, b});
    CHECK(good.passed);
    CHECK(good.relative_error < 1e-11);
    CHECK(good.message().starts_with("gradcheck passed: 54 derivatives compared, "));
    CHECK_FALSE(a.has_grad());
    CHECK(a.value()(0, 0) == 1);
}

TEST_CASE("gradcheck leaves out inputs that want no gradient and joins an input given twice") {
    const V x = vector_of({1, 2});
    const V c = constant(tensor<double>({2}, {3, 4}));
    const auto f = [](In in) { return in[0] * in[1] * in[2]; };
    CHECK(gradcheck(f, {x, c, c}).compared == 4);
    CHECK(gradcheck(f, {x, x, c}).compared == 4);
    CHECK(gradcheck(f, {x, x.detach(), c}).compared == 4);
    CHECK(gradcheck(f, {x, x, x}).passed);
    CHECK_THROWS_WITH_AS(gradcheck(f, {c, c, c}),
                         "gradcheck: no input wants a gradient; give at least one made by parameter()",
                         ValueError);
    CHECK_THROWS_WITH_AS(gradcheck(f, {x, V(), c}), "gradcheck: input 1 is an empty handle", ValueError);
}

TEST_CASE("gradcheck of several outputs, of an input itself, and of nothing") {
    const V x = vector_of({1, 2});
    const auto several = [](In in) { return std::vector<V>{in[0] * in[0], in[0], scalar_of(3)}; };
    const GradcheckReport report = gradcheck(several, {x});
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.compared == 2 * 5);
    const GradcheckReport empty = gradcheck([](In in) { return in[0] * 2; }, {parameter(T(Shape{0, 3}))});
    CHECK(empty.passed);
    CHECK(empty.compared == 0);
    CHECK(empty.message() == "gradcheck passed: there was no derivative to compare.");
}

TEST_CASE("gradcheck projects a Jacobian that is too large") {
    const V x = vector_of({1, 2, 3});
    const V y = vector_of({-0.5, 0.25, 2});
    const GradcheckOptions options{.max_jacobian_elements = 17, .directions = 3};
    const auto product = [](In in) { return in[0] * in[1]; };
    const GradcheckReport report = gradcheck(product, {x, y}, options);
    CHECK_MESSAGE(report.passed, report.message());
    CHECK_FALSE(report.full_jacobian);
    CHECK(report.compared == 6);
    CHECK(report.message().find("6 derivatives compared (random projections of the Jacobian)") !=
          std::string::npos);
    CHECK(report.message().find("a combination of the outputs") != std::string::npos);
    CHECK(gradcheck(product, {x, y}, {.max_jacobian_elements = 18}).full_jacobian);
}

TEST_CASE("gradcheck refuses a function that is not deterministic") {
    const V x = vector_of({1, 2});
    int calls = 0;
    const auto drifting = [&](In in) { return in[0] * (1 + 0.1 * ++calls); };
    CHECK_THROWS_WITH_AS(
        gradcheck(drifting, {x}),
        "gradcheck: f is not deterministic: output 0 [0] was 1.1000000000000001 in one call and is "
        "1.2 in another (within NoGrad); give random operations the same generator state in every "
        "call",
        ValueError);
    bool larger = false;
    const auto growing = [&](In in) {
        larger = !larger;
        return larger ? in[0] : in[0] * ones<double>({2, 1});
    };
    CHECK_THROWS_AS(gradcheck(growing, {x}), ValueError);
}

TEST_CASE("gradcheck names what is not finite") {
    const auto log = [](In in) {
        return elementwise(
            in[0], [](double v) { return std::log(v); }, [](double v) { return 1 / v; });
    };
    GradcheckReport report = gradcheck(log, {vector_of({1, 0})});
    CHECK_FALSE(report.passed);
    CHECK(report.outcome == GradcheckOutcome::not_finite);
    CHECK(report.output_index == std::vector<std::size_t>{1});
    CHECK(report.message().find("the function's value there is -inf") != std::string::npos);

    const auto root = [](In in) {
        return elementwise(
            in[0], [](double v) { return std::sqrt(v); }, [](double v) { return 0.5 / std::sqrt(v); });
    };
    report = gradcheck(root, {vector_of({1, 0})});
    CHECK(report.outcome == GradcheckOutcome::not_finite);
    CHECK(report.input_index == std::vector<std::size_t>{1});
    CHECK(report.message().find("from the backward pass, is not finite") != std::string::npos);

    const auto edge = [](In in) {
        return elementwise(
            in[0], [](double v) { return std::pow(v, 1.5); }, [](double v) { return 1.5 * std::sqrt(v); });
    };
    report = gradcheck(edge, {vector_of({1, 0})});
    CHECK(report.outcome == GradcheckOutcome::not_finite);
    CHECK(report.message().find("not finite on both sides") != std::string::npos);
}

TEST_CASE("gradcheck takes smaller steps near the edge of a function's domain") {
    const auto log = [](In in) {
        return elementwise(
            in[0], [](double v) { return std::log(v); }, [](double v) { return 1 / v; });
    };
    const GradcheckReport report = gradcheck(log, {vector_of({1e-3, 0.01, 1, 1e6})});
    CHECK_MESSAGE(report.passed, report.message());
}

TEST_CASE("gradcheck reports kinks") {
    const auto absolute = [](In in) {
        return elementwise(
            in[0], [](double v) { return std::abs(v); },
            [](double v) { return v > 0   ? 1.0
                                  : v < 0 ? -1.0
                                          : 0.0; });
    };
    // The middle of both slopes happens to be what the backward pass gives, so only the detection can tell.
    GradcheckReport report = gradcheck(absolute, {vector_of({0.5, 0})});
    CHECK_FALSE(report.passed);
    CHECK(report.outcome == GradcheckOutcome::kink);
    CHECK(report.input_index == std::vector<std::size_t>{1});
    CHECK(report.message().find("the slopes to the left and to the right disagree (-1 and 1)") !=
          std::string::npos);
    CHECK(gradcheck(absolute, {vector_of({0.5, 0})}, {.detect_kinks = false}).passed);
    CHECK(gradcheck(absolute, {vector_of({0.5, -0.01})}).passed);
    // Flat to fifth order is no kink.
    const auto flat = [](In in) {
        return elementwise(
            in[0], [](double v) { return std::pow(v, 6) + v; },
            [](double v) { return 6 * std::pow(v, 5) + 1; });
    };
    CHECK(gradcheck(flat, {vector_of({0, 0.5})}).passed);
}

TEST_CASE("gradcheck does not excuse what rounding hides") {
    // The gradient, 1e-8, changes values of 1e12 by less than their last place.
    const auto hidden = [](double claimed) {
        return [claimed](In in) {
            return elementwise(
                in[0], [](double v) { return 1e12 + 1e-8 * v; }, [=](double) { return claimed; });
        };
    };
    for (const double claimed : {1e-8, -1e-8, 2e-8}) {
        const GradcheckReport report = gradcheck(hidden(claimed), {vector_of({0.5, -2})});
        CHECK_FALSE(report.passed);
        CHECK(report.outcome == GradcheckOutcome::inconclusive);
        CHECK(report.message().find("rounding of the function's values hides a derivative") !=
              std::string::npos);
    }
    // Larger than the noise, a wrong one is caught however small.
    CHECK(gradcheck(hidden(1), {vector_of({0.5, -2})}).outcome == GradcheckOutcome::wrong_gradient);
    const auto steeper = [](double claimed) {
        return [claimed](In in) {
            return elementwise(
                in[0], [](double v) { return 1e12 + v; }, [=](double) { return claimed; });
        };
    };
    CHECK(gradcheck(steeper(1), {vector_of({0.5, -2})}).passed);
    CHECK(gradcheck(steeper(2), {vector_of({0.5, -2})}).outcome == GradcheckOutcome::wrong_gradient);
    CHECK(gradcheck(steeper(-1), {vector_of({0.5, -2})}).outcome == GradcheckOutcome::wrong_gradient);
    CHECK(gradcheck(steeper(0), {vector_of({0.5, -2})}).outcome == GradcheckOutcome::wrong_gradient);
    // A residue of rounding beside derivatives of order 1 is a zero.
    const auto residue = [](In in) {
        return record("residue", T(in[0].value() * 3.0), {in[0]},
                      [](Pass& pass) { pass.accumulate(0, T(3.0 * pass.grad() + 1e-17)); });
    };
    const GradcheckReport report = gradcheck(residue, {vector_of({0.5, -2})});
    CHECK_MESSAGE(report.passed, report.message());
}

TEST_CASE("gradcheck says when the differences do not settle") {
    const auto vertical = [](In in) {
        return elementwise(
            in[0], [](double v) { return std::cbrt(v); }, [](double) { return 1.0; });
    };
    const GradcheckReport report = gradcheck(vertical, {vector_of({0})});
    CHECK(report.outcome == GradcheckOutcome::inconclusive);
    CHECK(report.message().find("do not settle") != std::string::npos);
}

TEST_CASE("gradcheck refuses options out of range") {
    const V x = vector_of({1});
    const auto same = [](In in) { return in[0] * 1; };
    for (const GradcheckOptions& options :
         {GradcheckOptions{.relative_tolerance = 0}, GradcheckOptions{.first_step = -1},
          GradcheckOptions{.relative_tolerance = std::numeric_limits<double>::quiet_NaN()},
          GradcheckOptions{.max_levels = 3}, GradcheckOptions{.directions = 0}}) {
        CHECK_THROWS_AS(gradcheck(same, {x}, options), ValueError);
    }
}

TEST_CASE("gradcheck refuses an input without influence, unless that is allowed") {
    const V x = vector_of({1, 2}), y = vector_of({3, 4}), z = vector_of({5, 6});
    const auto captures = [&](In in) { return in[0] * y; };
    const GradcheckReport report = gradcheck(captures, {x, y});
    CHECK_FALSE(report.passed);
    CHECK(report.outcome == GradcheckOutcome::unused_input);
    CHECK(report.input == 1);
    CHECK(report.message() ==
          "gradcheck failed, input 1 has no influence on the outputs: all its derivatives are 0, by the "
          "backward "
          "pass and by differences; the function may use a captured Variable in its place. Set allow_unused "
          "if that "
          "is right.");
    CHECK(gradcheck(captures, {x, y}, {.allow_unused = true}).passed);
    CHECK(gradcheck(captures, {x, y.detach()}).passed);
    // In projections too.
    CHECK(gradcheck(captures, {x, y}, {.max_jacobian_elements = 1}).outcome ==
          GradcheckOutcome::unused_input);
    CHECK(gradcheck(captures, {x, y}, {.max_jacobian_elements = 1, .allow_unused = true}).passed);
    // A single element with an influence is one.
    CHECK(gradcheck(
              [](In in) {
                  return record("first", tensor<double>({1}, {in[0].value()(0)}), {in[0]}, [](Pass& pass) {
                      pass.accumulate(0, tensor<double>({2}, {pass.grad()(0), 0}));
                  });
              },
              {x})
              .passed);
    // Another fault is named first.
    const auto wrong = [&](In in) {
        return elementwise(
            in[0], [](double v) { return v * v; }, [](double v) { return v; });
    };
    CHECK(gradcheck(wrong, {x, z}).outcome == GradcheckOutcome::wrong_gradient);
    // Names of the inputs are in messages.
    const GradcheckReport named = gradcheck(captures, {x, y}, {.input_names = {"weight", "bias"}});
    CHECK(named.input_name == "bias");
    CHECK(named.message().find("input \"bias\" has no influence") != std::string::npos);
    CHECK(gradcheck(wrong, {x}, {.input_names = {"weight"}}).message().find("d input \"weight\" [") !=
          std::string::npos);
    CHECK_THROWS_WITH_AS(gradcheck(captures, {x, y}, {.input_names = {"weight"}}),
                         "gradcheck: 1 input_names for 2 inputs", ValueError);
}

TEST_CASE("the model of docs/gradcheck.md") {
    const GradcheckReport report = check_model();
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.compared == 4 * (24 + 3 * 12 + 3 * 12 + 12 + 3 * 2 + 2));
}

TEST_CASE("the example of docs/gradcheck.md") {
    const GradcheckReport report = check_softclip();
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.compared == 36);
    const auto wrong = [](In in) {
        const T slope = 1.0 / xt::sqrt(1.0 + in[0].value() * in[0].value());
        return record("softclip", T(in[0].value() * slope), {in[0]},
                      [slope](Pass& pass) { pass.accumulate(0, T(pass.grad() * slope * slope)); });
    };
    std::string message = gradcheck(wrong, {matrix_of(2, 3, {-2, -0.5, 0.1, 0.4, 1, 3})}).message();
    message.resize(message.find("rounding noise"));
    std::ifstream page(SEQGRAD_TEST_DOCS_DIR "/gradcheck.md");
    const std::string text((std::istreambuf_iterator<char>(page)), std::istreambuf_iterator<char>());
    CHECK_MESSAGE(text.find("> " + message) != std::string::npos, message);
}
