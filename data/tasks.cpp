#include "seqgrad/data/tasks.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"

namespace seqgrad {

namespace {

void check_copying(const char* call, const CopyingOptions& options) {
    if (options.delay == 0 || options.symbols == 0 || options.remember == 0) {
        throw ValueError(
            fmt::format("{}: expected a delay, symbols and remember of 1 or more, got {}, {} and {}", call,
                        options.delay, options.symbols, options.remember));
    }
}

}  // namespace

template <Real T>
Dataset<T> adding_problem(const AddingOptions& options, Generator& generator) {
    const std::size_t N = options.samples;
    const std::size_t steps = options.steps;
    if (steps < 2) {
        throw ValueError(
            fmt::format("adding_problem: expected 2 steps or more, one for each mark, got {}", steps));
    }
    const auto half = static_cast<std::int64_t>(steps / 2);
    const Tensor<T> numbers = generator.uniform<T>({N, steps});
    const Tensor<std::int64_t> first = generator.integers({N}, 0, half);
    const Tensor<std::int64_t> second = generator.integers({N}, half, static_cast<std::int64_t>(steps));

    Dataset<T> out{zeros<T>({N, steps, 2}), Tensor<T>(Shape{N, 1})};
    for (std::size_t i = 0; i < N * steps; ++i) out.x.data()[2 * i] = numbers.data()[i];
    for (std::size_t n = 0; n < N; ++n) {
        T sum = 0;
        for (const std::int64_t marked : {first.data()[n], second.data()[n]}) {
            T* step = out.x.data() + 2 * (n * steps + static_cast<std::size_t>(marked));
            step[1] = 1;
            sum += step[0];
        }
        out.y.data()[n] = sum;
    }
    return out;
}

template <Real T>
Dataset<T> copying_task(const CopyingOptions& options, Generator& generator) {
    check_copying("copying_task", options);
    const std::size_t N = options.samples;
    const std::size_t remember = options.remember;
    const std::size_t steps =
        detail::added("copying_task", options.delay, detail::multiplied("copying_task", 2, remember));
    detail::checked("copying_task", {N, steps});
    const T blank = static_cast<T>(options.symbols);
    const Tensor<std::int64_t> symbols =
        generator.integers({N, remember}, 0, static_cast<std::int64_t>(options.symbols));

    Dataset<T> out{full<T>({N, steps}, blank), full<T>({N, steps}, blank)};
    for (std::size_t n = 0; n < N; ++n) {
        T* x = out.x.data() + n * steps;
        T* y = out.y.data() + n * steps;
        std::transform(symbols.data() + n * remember, symbols.data() + (n + 1) * remember, x,
                       [](std::int64_t symbol) { return static_cast<T>(symbol); });
        x[remember + options.delay - 1] = blank + 1;
        std::copy_n(x, remember, y + remember + options.delay);
    }
    return out;
}

double copying_baseline(const CopyingOptions& options) {
    check_copying("copying_baseline", options);
    const auto remember = static_cast<double>(options.remember);
    return remember * std::log(static_cast<double>(options.symbols)) /
           (static_cast<double>(options.delay) + 2 * remember);
}

template <Real T>
Dataset<T> sequential_parity(const ParityOptions& options, Generator& generator) {
    const std::size_t N = options.samples;
    const std::size_t steps = options.steps;
    if (steps == 0) throw ValueError("sequential_parity: expected 1 step or more, got 0");

    Dataset<T> out{generator.bernoulli<T>({N, steps, 1}, 0.5),
                   Tensor<T>(options.every_step ? Shape{N, steps, 1} : Shape{N, 1})};
    T* y = out.y.data();
    for (std::size_t n = 0; n < N; ++n) {
        bool odd = false;
        for (std::size_t t = 0; t < steps; ++t) {
            odd ^= out.x.data()[n * steps + t] != 0;
            if (options.every_step || t + 1 == steps) *y++ = odd ? T{1} : T{0};
        }
    }
    return out;
}

template Dataset<float> adding_problem(const AddingOptions&, Generator&);
template Dataset<double> adding_problem(const AddingOptions&, Generator&);
template Dataset<float> copying_task(const CopyingOptions&, Generator&);
template Dataset<double> copying_task(const CopyingOptions&, Generator&);
template Dataset<float> sequential_parity(const ParityOptions&, Generator&);
template Dataset<double> sequential_parity(const ParityOptions&, Generator&);

}  // namespace seqgrad
