#include "gradients/harness.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <utility>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/gradcheck.hpp"
#include "seqgrad/core/op.hpp"

namespace gradients {
namespace {

using oracle::Real;
using seqgrad::Tensor;
using seqgrad::Variable;

constexpr double cancelled = 1e-3;
constexpr double small_element = 1e-2;

/// std::mt19937_64's numbers are fixed by the standard, its distributions are not.
class Random {
  public:
    explicit Random(const std::string& name) {
        std::uint64_t hash = 14695981039346656037u;  // FNV-1a
        for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
        engine_.seed(hash);
    }
    double uniform() { return std::ldexp(static_cast<double>(engine_() >> 11), -53); }
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
    /// Not near zero, and exact in float.
    double weight() {
        const double size = static_cast<float>(0.5 + uniform());
        return uniform() < 0.5 ? -size : size;
    }

  private:
    std::mt19937_64 engine_;
};

std::vector<double> draw(Random& random, const Domain& domain, std::size_t n) {
    std::vector<double> values(n);
    for (double& v : values) {
        bool near = true;
        while (near) {
            v = static_cast<float>(domain.low + (domain.high - domain.low) * random.uniform());
            near = std::ranges::any_of(domain.avoid,
                                       [&](double kink) { return std::abs(v - kink) < domain.margin; });
        }
    }
    return values;
}

struct Case {
    const Op& op;
    std::string name;
    /// Operand k is variables[which[k]].
    std::vector<std::size_t> which;
    std::vector<oracle::Index> shapes;
    std::vector<std::vector<double>> values;
    std::vector<bool> wants;
};

seqgrad::Shape shape_of(const oracle::Index& shape) {
    return seqgrad::Shape(shape.begin(), shape.end());
}

template <class T>
std::vector<Variable<T>> operands(const Case& c) {
    std::vector<Variable<T>> variables;
    for (std::size_t i = 0; i < c.shapes.size(); ++i) {
        Tensor<T> t(shape_of(c.shapes[i]));
        std::ranges::transform(c.values[i], t.data(), [](double v) { return static_cast<T>(v); });
        variables.push_back(c.wants[i] ? seqgrad::parameter(std::move(t)) : seqgrad::constant(std::move(t)));
    }
    std::vector<Variable<T>> out;
    for (const std::size_t i : c.which) out.push_back(variables[i]);
    return out;
}

/// The operation's results, and the gradients of every variable that wants one for the output gradients
/// `weights`.
template <class T>
struct Computed {
    Results<T> results;
    std::vector<Tensor<T>> gradients;
};

template <class T>
Computed<T> compute(const Case& c, const std::function<Results<T>(Operands<T>)>& f,
                    const std::vector<std::vector<double>>& weights) {
    const std::vector<Variable<T>> x = operands<T>(c);
    Computed<T> out{f(x), {}};
    std::vector<Tensor<T>> output_gradients;
    for (std::size_t k = 0; k < out.results.size(); ++k) {
        Tensor<T> g(out.results[k].shape());
        std::ranges::transform(weights[k], g.data(), [](double v) { return static_cast<T>(v); });
        output_gradients.push_back(std::move(g));
    }
    const Variable<T> joined =
        seqgrad::record("weighted", seqgrad::zeros<T>({}), std::span<const Variable<T>>(out.results),
                        [output_gradients](seqgrad::Backward<T>& pass) {
                            for (std::size_t k = 0; k < output_gradients.size(); ++k)
                                pass.accumulate(k, output_gradients[k]);
                        });
    std::vector<Variable<T>> wanted;
    for (std::size_t i = 0; i < c.shapes.size(); ++i) {
        const auto k = std::ranges::find(c.which, i) - c.which.begin();
        if (c.wants[i]) wanted.push_back(x[static_cast<std::size_t>(k)]);
    }
    out.gradients = seqgrad::grad(joined, std::span<const Variable<T>>(wanted));
    return out;
}

void note(double error, double& worst, std::string& worst_case, const std::string& name) {
    if (!(error > worst)) return;
    worst = error;
    worst_case = name;
}

void check_numeric(const Case& c) {
    // Sequences without steps and the like do not depend on their weights; that those that do are used is
    // seen by the comparison with the naive forward.
    const seqgrad::GradcheckOptions options{
        .relative_tolerance = tolerance::numeric, .max_jacobian_elements = 20'000, .allow_unused = true};
    const seqgrad::GradcheckReport report =
        seqgrad::gradcheck(seqgrad::GradcheckFunction(c.op.in_double), operands<double>(c), options);
    totals().derivatives += report.compared;
    note(report.relative_error, totals().worst_numeric, totals().worst_numeric_case, c.name);
    if (!report.passed) FAIL_CHECK(c.name << ": " << report.message());
}

/// The naive forward with variable i moving along directions[i].
oracle::Arrays naive(const Case& c, const std::vector<std::vector<double>>& directions) {
    oracle::Arrays variables;
    for (std::size_t i = 0; i < c.shapes.size(); ++i) {
        oracle::Array a{c.shapes[i], {}};
        for (std::size_t j = 0; j < c.values[i].size(); ++j)
            a.data.emplace_back(c.values[i][j], directions[i].empty() ? 0 : directions[i][j]);
        variables.push_back(std::move(a));
    }
    oracle::Arrays x;
    for (const std::size_t i : c.which) x.push_back(variables[i]);
    return c.op.naive(x);
}

void check_values(const Case& c, const Results<double>& results, const oracle::Arrays& expected) {
    REQUIRE_MESSAGE(results.size() == expected.size(), c.name);
    for (std::size_t k = 0; k < results.size(); ++k) {
        REQUIRE_MESSAGE(std::ranges::equal(results[k].shape(), expected[k].shape),
                        c.name << ": result " << k << " has shape " << seqgrad::to_string(results[k].shape())
                               << ", expected " << text(expected[k].shape));
        Real largest = 0;
        for (const oracle::Dual& e : expected[k].data) largest = std::max(largest, std::abs(e.v));
        for (std::size_t j = 0; j < expected[k].data.size(); ++j) {
            const Real want = expected[k].data[j].v;
            const Real got = results[k].value().data()[j];
            const Real scale = std::max(std::abs(want), small_element * largest);
            const auto error = static_cast<double>(got == want ? 0 : std::abs(got - want) / scale);
            ++totals().values;
            note(error, totals().worst_value, totals().worst_value_case, c.name);
            if (!(error <= tolerance::value))
                FAIL_CHECK(c.name << ": value " << j << " of result " << k << " is "
                                  << static_cast<double>(got) << ", the naive one "
                                  << static_cast<double>(want));
        }
    }
}

void check_adjoint(const Case& c, const std::vector<std::vector<double>>& weights,
                   const std::vector<Tensor<double>>& gradients,
                   const std::vector<std::vector<double>>& directions, const oracle::Arrays& moved) {
    Real forward = 0;
    Real backward = 0;
    Real terms = 0;
    for (std::size_t k = 0; k < moved.size(); ++k) {
        for (std::size_t j = 0; j < moved[k].data.size(); ++j) {
            forward += weights[k][j] * moved[k].data[j].d;
            terms += std::abs(weights[k][j] * moved[k].data[j].d);
        }
    }
    for (std::size_t i = 0, w = 0; i < c.shapes.size(); ++i) {
        if (!c.wants[i]) continue;
        for (std::size_t j = 0; j < directions[i].size(); ++j)
            backward += static_cast<Real>(gradients[w].data()[j]) * directions[i][j];
        ++w;
    }
    const Real scale = std::max({std::abs(forward), std::abs(backward), cancelled * terms});
    const auto error = static_cast<double>(forward == backward ? 0 : std::abs(forward - backward) / scale);
    ++totals().adjoint_checks;
    note(error, totals().worst_adjoint, totals().worst_adjoint_case, c.name);
    if (!(error <= tolerance::adjoint))
        FAIL_CHECK(c.name << ": <v, J u> is " << static_cast<double>(forward) << ", <J'v, u> is "
                          << static_cast<double>(backward));
}

void check_float(const Case& c, const std::string& what, const Tensor<float>& got,
                 const Tensor<double>& want) {
    REQUIRE_MESSAGE(got.shape() == want.shape(), c.name);
    for (std::size_t j = 0; j < want.size(); ++j) {
        const double allowed =
            tolerance::float_absolute + tolerance::float_relative * std::abs(want.data()[j]);
        const double used =
            got.data()[j] == want.data()[j] ? 0 : std::abs(got.data()[j] - want.data()[j]) / allowed;
        note(used, totals().worst_float, totals().worst_float_case, c.name);
        if (!(used <= 1))
            FAIL_CHECK(c.name << ": " << what << " " << j << " is " << got.data()[j] << " in float, "
                              << want.data()[j] << " in double");
    }
}

void run_case(const Case& c) {
    static std::size_t met = 0;
    if (met++ % every() != 0) return;
    ++totals().cases;
    Random random(c.name);
    check_numeric(c);

    std::vector<std::vector<double>> directions(c.shapes.size());
    for (std::size_t i = 0; i < c.shapes.size(); ++i) {
        if (!c.wants[i]) continue;
        directions[i].resize(c.values[i].size());
        for (double& u : directions[i]) u = random.weight();
    }
    const oracle::Arrays moved = naive(c, directions);
    std::vector<std::vector<double>> weights;
    for (const oracle::Array& a : moved) {
        weights.emplace_back(a.data.size());
        for (double& v : weights.back()) v = random.weight();
    }
    const Computed<double> in_double = compute<double>(c, c.op.in_double, weights);
    check_values(c, in_double.results, moved);
    check_adjoint(c, weights, in_double.gradients, directions, moved);
    // Each variable alone as well: mistakes in two gradients might cancel.
    if (in_double.gradients.size() > 1) {
        for (std::size_t i = 0; i < c.shapes.size(); ++i) {
            if (!c.wants[i]) continue;
            std::vector<std::vector<double>> single(c.shapes.size());
            single[i] = directions[i];
            check_adjoint(c, weights, in_double.gradients, single, naive(c, single));
        }
    }

    if (!c.op.same_in_float) return;
    const Computed<float> in_float = compute<float>(c, c.op.in_float, weights);
    for (std::size_t k = 0; k < in_double.results.size(); ++k)
        check_float(c, "value", in_float.results[k].value(), in_double.results[k].value());
    for (std::size_t i = 0; i < in_double.gradients.size(); ++i)
        check_float(c, "gradient", in_float.gradients[i], in_double.gradients[i]);
}

/// The variables' elements: a function of the case's name alone, so that adding a case changes no other.
void fill(Case& c) {
    Random random(c.name);
    const auto domain = [&](std::size_t variable) -> const Domain& {
        const auto k = static_cast<std::size_t>(std::ranges::find(c.which, variable) - c.which.begin());
        return c.op.domains[std::min(k, c.op.domains.size() - 1)];
    };
    std::size_t spaced = 0;
    for (std::size_t i = 0; i < c.shapes.size(); ++i) {
        if (domain(i).distinct) spaced += oracle::count(c.shapes[i]);
    }
    std::vector<std::size_t> place(spaced);
    for (std::size_t n = 0; n < spaced; ++n) {
        place[n] = n;
        std::swap(place[n], place[random.below(n + 1)]);
    }
    for (std::size_t i = 0; i < c.shapes.size(); ++i) {
        const Domain& d = domain(i);
        c.values.push_back(draw(random, d, oracle::count(c.shapes[i])));
        if (!d.distinct) continue;
        for (double& v : c.values.back()) {
            v = static_cast<float>(d.low + (d.high - d.low) * (static_cast<double>(place.back()) + 0.5) /
                                               static_cast<double>(spaced));
            place.pop_back();
        }
    }
}

std::string describe(const Op& op, const Shapes& shapes, std::size_t wants, std::size_t first,
                     std::size_t second) {
    std::string name = op.name + "(";
    for (std::size_t k = 0; k < shapes.size(); ++k) {
        if (k > 0) name += ", ";
        if (k == second) {
            name += words("operand ", first);
            continue;
        }
        name += text(shapes[k]);
        if (wants >> k & 1) name += "*";
    }
    return name + ")";
}

}  // namespace

std::size_t& every() {
    static std::size_t n = 1;
    return n;
}

Totals& totals() {
    static Totals all;
    return all;
}

std::string text(const oracle::Index& shape) {
    std::string out = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) out += words(i > 0 ? ", " : "", shape[i]);
    return out + "]";
}

seqgrad::Tensor<std::int64_t> indices(const oracle::Integers& integers) {
    Tensor<std::int64_t> out(shape_of(integers.shape));
    std::ranges::transform(integers.data, out.data(),
                           [](std::size_t i) { return static_cast<std::int64_t>(i); });
    return out;
}

void run(const Op& op, const std::vector<Shapes>& operand_shapes, Wanted wanted) {
    for (const Shapes& shapes : operand_shapes) {
        const std::size_t n = shapes.size();
        const std::size_t all = (std::size_t{1} << n) - 1;
        for (std::size_t wants = 1; wants <= all; ++wants) {
            if (wanted == Wanted::all_and_each && wants != all && !std::has_single_bit(wants)) continue;
            Case c{op, describe(op, shapes, wants, n, n), {}, shapes, {}, {}};
            for (std::size_t k = 0; k < n; ++k) {
                c.which.push_back(k);
                c.wants.push_back(wants >> k & 1);
            }
            fill(c);
            run_case(c);
        }
        for (std::size_t second = 1; second < n; ++second) {
            for (std::size_t first = 0; first < second; ++first) {
                if (shapes[first] != shapes[second]) continue;
                Case c{op, describe(op, shapes, all, first, second), {}, {}, {}, {}};
                for (std::size_t k = 0; k < n; ++k) {
                    c.which.push_back(k == second ? first : c.shapes.size());
                    if (k != second) c.shapes.push_back(shapes[k]);
                }
                c.wants.assign(c.shapes.size(), true);
                fill(c);
                run_case(c);
            }
        }
    }
}

const std::vector<Shapes> unary_shapes{{{}},        {{1}},    {{2}},     {{7}},          {{17}},
                                       {{0}},       {{2, 3}}, {{1, 5}},  {{5, 1}},       {{3, 1, 2}},
                                       {{2, 0, 3}}, {{3, 7}}, {{13, 5}}, {{2, 3, 2, 2}}, {{1031}}};

const std::vector<Shapes> binary_shapes{{{}, {}},
                                        {{1}, {1}},
                                        {{7}, {7}},
                                        {{7}, {1}},
                                        {{1}, {7}},
                                        {{}, {3}},
                                        {{3}, {}},
                                        {{2, 3}, {2, 3}},
                                        {{2, 3}, {3}},
                                        {{3}, {2, 3}},
                                        {{2, 3}, {2, 1}},
                                        {{2, 1}, {1, 3}},
                                        {{1, 3}, {2, 1}},
                                        {{4, 1, 3}, {2, 1}},
                                        {{2, 3, 2}, {1, 3, 1}},
                                        {{3, 2}, {2, 1, 2}},
                                        {{1, 1, 1}, {5}},
                                        {{0}, {0}},
                                        {{0}, {1}},
                                        {{2, 0}, {2, 1}},
                                        {{3, 0, 2}, {}},
                                        {{17}, {17}},
                                        {{11, 13}, {13}},
                                        {{11, 13}, {11, 1}},
                                        {{1031}, {1}},
                                        {{1031}, {1031}}};

}  // namespace gradients
