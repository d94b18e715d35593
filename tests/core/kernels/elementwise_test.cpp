#include "seqgrad/core/kernels/elementwise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/kernels/available.hpp"
#include <doctest/doctest.h>

using namespace seqgrad;
using kernels::Elementwise;

namespace {

long double sigmoid(long double x) {
    return 1 / (1 + std::exp(-x));
}
long double softplus(long double x) {
    return std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x)));
}

/// A function under test, what it should be, and the interval that its arguments are drawn from.
template <class T>
struct Case {
    std::string name;
    typename Elementwise<T>::Function Elementwise<T>::*function;
    long double (*exact)(long double);
    double lowest, highest;
};

template <class T>
std::vector<Case<T>> cases() {
    using E = Elementwise<T>;
    const double huge = std::numeric_limits<T>::max();
    const double overflow = std::log(huge);
    return {
        {"exp", &E::exp, [](long double x) { return std::exp(x); }, -1.3 * overflow, overflow},
        {"expm1", &E::expm1, [](long double x) { return std::expm1(x); }, -1e4, overflow},
        {"log", &E::log, [](long double x) { return std::log(x); }, 0, huge},
        {"log1p", &E::log1p, [](long double x) { return std::log1p(x); }, -1, huge},
        {"tanh", &E::tanh, [](long double x) { return std::tanh(x); }, -1e4, 1e4},
        {"sigmoid", &E::sigmoid, sigmoid, -1e4, 1e4},
        {"softplus", &E::softplus, softplus, -1e4, 1e4},
        {"erf", &E::erf, [](long double x) { return std::erf(x); }, -1e4, 1e4},
    };
}

/// The distance from the exact value in units of T's last place there.
template <class T>
double ulps(T got, long double exact) {
    const T rounded = static_cast<T>(exact);
    if (std::isnan(rounded) || std::isnan(got)) {
        return std::isnan(rounded) == std::isnan(got) ? 0 : std::numeric_limits<double>::infinity();
    }
    if (got == rounded) return 0;
    if (std::isinf(rounded) || std::isinf(got)) return std::numeric_limits<double>::infinity();
    using Limits = std::numeric_limits<T>;
    int exponent = 0;
    std::frexp(rounded, &exponent);
    const int last_place = std::max(exponent, Limits::min_exponent) - Limits::digits;
    return static_cast<double>(std::abs(static_cast<long double>(got) - exact) /
                               std::ldexp(1.0L, last_place));
}

template <class T>
constexpr double allowed_ulps = std::is_same_v<T, float> ? 3 : 4;

template <class T>
std::vector<T> apply(typename Elementwise<T>::Function f, const std::vector<T>& x) {
    std::vector<T> y(x.size());
    f(x.size(), x.data(), y.data());
    return y;
}

/// Arguments spread evenly, spread evenly around zero, and of every magnitude.
template <class T>
std::vector<T> arguments(double lowest, double highest) {
    constexpr int count = 6000;
    std::mt19937_64 random(3);
    std::vector<T> x;
    const auto add = [&](double v) {
        if (v >= lowest && v <= highest) x.push_back(static_cast<T>(v));
    };
    for (int i = 0; i <= count; ++i) {
        const double fraction = double(i) / count;
        add(lowest + (highest - lowest) * fraction);
        add(-20 + 40 * fraction);
        add(-1.5 + 3 * fraction);
        add(-110 + 220 * fraction);
    }
    std::uniform_real_distribution<double> exponent(
        std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits,
        std::numeric_limits<T>::max_exponent);
    for (int i = 0; i < count; ++i) {
        const double magnitude = std::exp2(exponent(random));
        add(magnitude);
        add(-magnitude);
    }
    return x;
}

}  // namespace

TEST_CASE_TEMPLATE("elementwise functions are accurate to a few units in the last place", T, float, double) {
    for (const auto set : test::available_instruction_sets()) {
        for (const Case<T>& c : cases<T>()) {
            const auto x = arguments<T>(c.lowest, c.highest);
            const auto y = apply<T>(kernels::elementwise<T>(set).*c.function, x);
            double worst = -1;
            T worst_at = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                const double distance = ulps(y[i], c.exact(static_cast<long double>(x[i])));
                if (!(distance <= worst)) {
                    worst = distance;
                    worst_at = x[i];
                }
            }
            INFO(std::string(kernels::to_string(set)), " ", c.name, " at ", worst_at);
            CHECK(worst <= allowed_ulps<T>);
        }
    }
}

TEST_CASE_TEMPLATE("limits, denormal numbers and NaN", T, float, double) {
    using Limits = std::numeric_limits<T>;
    const T inf = Limits::infinity();
    for (const auto set : test::available_instruction_sets()) {
        const Elementwise<T>& f = kernels::elementwise<T>(set);
        for (const Case<T>& c : cases<T>()) {
            INFO(std::string(kernels::to_string(set)), " ", c.name);
            std::vector<T> x{inf,
                             -inf,
                             T(0),
                             -T(0),
                             T(1e4),
                             T(-1e4),
                             T(1),
                             T(-1),
                             T(-2),
                             Limits::min(),
                             -Limits::min(),
                             Limits::denorm_min(),
                             -Limits::denorm_min(),
                             Limits::max(),
                             Limits::lowest(),
                             37 * Limits::denorm_min()};
            const auto y = apply<T>(f.*c.function, x);
            for (std::size_t i = 0; i < x.size(); ++i) {
                INFO("x = ", x[i], ", result ", y[i]);
                CHECK(ulps(y[i], c.exact(static_cast<long double>(x[i]))) <= allowed_ulps<T>);
            }
            CHECK(std::isnan(apply<T>(f.*c.function, {Limits::quiet_NaN()})[0]));
        }
        for (const auto odd : {f.tanh, f.expm1, f.log1p, f.erf}) {
            CHECK(std::signbit(apply<T>(odd, {-T(0)})[0]));
            CHECK(!std::signbit(apply<T>(odd, {T(0)})[0]));
        }
        CHECK(apply<T>(f.tanh, {T(1e4), T(-1e4), T(30)}) == std::vector<T>{1, -1, 1});
        CHECK(apply<T>(f.sigmoid, {T(1e4), T(-1e4), T(0)}) == std::vector<T>{1, 0, T(0.5)});
        CHECK(apply<T>(f.exp, {T(0)}) == std::vector<T>{1});
    }
}

TEST_CASE_TEMPLATE("any length and offset, in place or not, give the same bits and touch nothing else", T,
                   float, double) {
    constexpr std::size_t longest = 67, guard = 8;
    for (const auto set : test::available_instruction_sets()) {
        for (const Case<T>& c : cases<T>()) {
            const auto f = kernels::elementwise<T>(set).*c.function;
            std::vector<T> x(longest + 2 * guard);
            for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(0.05) + T(0.11) * T(i);
            const auto want = apply<T>(f, x);
            bool right = true;
            for (std::size_t n = 0; n <= longest; ++n) {
                for (std::size_t offset = 0; offset <= 3; ++offset) {
                    std::vector<T> apart(x.size(), T(-5)), in_place = x;
                    f(n, x.data() + offset, apart.data() + offset + 1);
                    f(n, in_place.data() + offset, in_place.data() + offset);
                    for (std::size_t i = 0; i < x.size(); ++i) {
                        const bool inside = i >= offset && i < offset + n;
                        right = right && in_place[i] == (inside ? want[i] : x[i]);
                        if (i > 0)
                            right =
                                right && apart[i] == (i > offset && i <= offset + n ? want[i - 1] : T(-5));
                    }
                }
            }
            INFO(std::string(kernels::to_string(set)), " ", c.name);
            CHECK(right);
        }
    }
}

TEST_CASE("functions called by name are those of the process's instruction set") {
    const float x[] = {-1, 0, 2};
    float named[3], of_set[3];
    kernels::tanh(3, x, named);
    kernels::elementwise<float>(kernels::instruction_set()).tanh(3, x, of_set);
    CHECK(std::equal(named, named + 3, of_set));
}
