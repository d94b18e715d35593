#include "seqgrad/train/losses/ctc.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/gradcheck.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/train/losses/loss.hpp"

using namespace seqgrad;

namespace {

using Labels = std::vector<std::int64_t>;

/// What a way of naming every step becomes: repetitions merged, blanks removed.
Labels merged(const Labels& path) {
    Labels out;
    std::int64_t previous = 0;
    for (const std::int64_t label : path) {
        if (label != previous && label != 0) out.push_back(label);
        previous = label;
    }
    return out;
}

/// -ln of the sum over all V^T ways of naming T steps that become the labels. logits [T, V].
double by_enumeration(const Tensor<double>& logits, const Labels& labels) {
    const std::size_t steps = logits.shape(0), classes = logits.shape(1);
    double total = 0;
    Labels path(steps, 0);
    while (true) {
        if (merged(path) == labels) {
            double p = 1;
            for (std::size_t t = 0; t < steps; ++t) {
                double sum = 0;
                for (std::size_t v = 0; v < classes; ++v) sum += std::exp(logits(t, v));
                p *= std::exp(logits(t, static_cast<std::size_t>(path[t]))) / sum;
            }
            total += p;
        }
        std::size_t t = 0;
        while (t < steps && ++path[t] == static_cast<std::int64_t>(classes)) path[t++] = 0;
        if (t == steps) return -std::log(total);
    }
}

Tensor<double> random_logits(Generator& generator, const Shape& shape) {
    Tensor<double> logits = cast<double>(generator.uniform<float>(shape, -2, 2));
    return logits;
}

Tensor<std::int64_t> row(const Labels& labels, std::size_t length) {
    Tensor<std::int64_t> out = zeros<std::int64_t>({1, length});
    for (std::size_t i = 0; i < labels.size(); ++i) out.data()[i] = labels[i];
    return out;
}

/// All label sequences of up to `length` labels in [1, classes).
std::vector<Labels> all_labels(std::size_t length, std::int64_t classes) {
    std::vector<Labels> out{{}};
    for (std::size_t first = 0, n = 0; n < length; ++n) {
        const std::size_t end = out.size();
        for (; first < end; ++first) {
            for (std::int64_t label = 1; label < classes; ++label) {
                out.push_back(out[first]);
                out.back().push_back(label);
            }
        }
    }
    return out;
}

}  // namespace

TEST_CASE("ctc is the sum over all alignments") {
    Generator generator(3);
    int compared = 0, refused = 0;
    for (const std::size_t steps : {1u, 2u, 3u, 5u}) {
        for (const std::size_t classes : {2u, 3u, 4u}) {
            const Tensor<double> logits = random_logits(generator, {1, steps, classes});
            Tensor<double> one = logits;
            one.reshape({steps, classes});
            for (const Labels& labels : all_labels(3, static_cast<std::int64_t>(classes))) {
                const double expected = by_enumeration(one, labels);
                const auto loss = [&] { return ctc(row(labels, 4), constant(logits)).value()(0); };
                if (std::isinf(expected)) {
                    CHECK_THROWS_AS(loss(), ValueError);
                    ++refused;
                } else {
                    CHECK(loss() == doctest::Approx(expected).epsilon(1e-12));
                    ++compared;
                }
            }
        }
    }
    CHECK(compared > 100);
    CHECK(refused > 50);
}

TEST_CASE("the probabilities of all that can be named add up to 1") {
    Generator generator(4);
    const Tensor<double> logits = random_logits(generator, {1, 3, 3});
    double total = 0;
    for (const Labels& labels : all_labels(3, 3)) {
        try {
            total += std::exp(-ctc(row(labels, 3), constant(logits)).value()(0));
        } catch (const ValueError&) {  // needs more than three steps
        }
    }
    CHECK(total == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("the gradients of ctc agree with differences") {
    Generator generator(5);
    const Tensor<std::int64_t> labels = tensor<std::int64_t>({3, 3}, {1, 1, 2, 3, 0, 0, 0, 0, 0});
    const Variable<double> logits = parameter(random_logits(generator, {3, 6, 4}));
    const Mask mask = tensor<bool>({3, 6}, {true, true, true, true, true, true, true, true, true, true, true,
                                            false, false, false, true, false, false, true});
    for (const Mask* steps : {static_cast<const Mask*>(nullptr), &mask}) {
        const GradcheckReport report = gradcheck(
            [&](std::span<const Variable<double>> x) { return ctc(labels, x[0], steps); }, {logits});
        CHECK_MESSAGE(report.passed, report.message());
    }
}

TEST_CASE("steps that a mask leaves out count nothing, wherever they are") {
    Generator generator(6);
    Tensor<double> logits = random_logits(generator, {2, 5, 3});
    for (std::size_t v = 0; v < 3; ++v) {
        logits(0, 1, v) = std::numeric_limits<double>::quiet_NaN();
        for (std::size_t t = 0; t < 5; ++t) logits(1, t, v) = std::numeric_limits<double>::quiet_NaN();
    }
    Tensor<double> shorter(Shape{1, 4, 3});
    for (std::size_t t = 0; t < 4; ++t) {
        for (std::size_t v = 0; v < 3; ++v) shorter(0, t, v) = logits(0, t == 0 ? 0 : t + 1, v);
    }
    const Variable<double> p = parameter(logits);
    const Mask mask =
        tensor<bool>({2, 5}, {true, false, true, true, true, false, false, false, false, false});
    // The second sample has no steps: it is padding, and so are its labels.
    const Variable<double> loss = CTC{}(tensor<double>({2, 2}, {1, 2, 9, 0}), p.with_mask(mask));
    const Variable<double> alone = parameter(shorter);
    const Variable<double> expected = CTC{}(tensor<std::int64_t>({1, 2}, {1, 2}), alone);
    CHECK(loss.item() == expected.item());
    backward(loss);
    backward(expected);
    for (std::size_t v = 0; v < 3; ++v) {
        CHECK(p.grad()(0, 0, v) == alone.grad()(0, 0, v));
        CHECK(p.grad()(0, 1, v) == 0);
        CHECK(p.grad()(0, 2, v) == alone.grad()(0, 1, v));
        CHECK(p.grad()(1, 0, v) == 0);
    }
    const Loss<double> any = CTC{.reduction = Reduction::sum};
    CHECK(any(tensor<double>({1, 2}, {1, 2}), alone, {.sample_weight = tensor<double>({1}, {2})}).item() ==
          doctest::Approx(2 * expected.item()));
    CHECK(any(tensor<double>({1, 2}, {1, 2}), alone, {.mask = tensor<bool>({1}, {false})}).item() == 0);
    CHECK(any(tensor<double>({1, 2}, {1, 2}), alone.with_mask(tensor<bool>({1}, {false}))).item() == 0);
}

TEST_CASE_TEMPLATE("ctc neither overflows nor underflows", T, float, double) {
    // Far more steps than the smallest number has halvings, at large logits.
    Tensor<T> logits = zeros<T>({1, 2000, 2});
    const Variable<T> even = parameter(logits);
    const Variable<T> loss = ctc(tensor<std::int64_t>({1, 1}, {1}), even);
    // One run of label 1 anywhere: 2000 * 2001 / 2 alignments of 2^2000.
    CHECK(loss.item() == doctest::Approx(2000 * std::log(2.0) - std::log(2000.0 * 2001 / 2)).epsilon(1e-6));
    for (std::size_t t = 0; t < 2000; ++t) logits(0, t, 0) = T(1e4);
    const Variable<T> unlikely = parameter(logits);
    const Variable<T> far = ctc(tensor<std::int64_t>({1, 1}, {1}), unlikely);
    CHECK(far.item() == doctest::Approx(1e4 - std::log(2000.0)).epsilon(1e-6));
    backward(far);
    double total = 0;
    for (std::size_t t = 0; t < 2000; ++t) total += unlikely.grad()(0, t, 1);
    CHECK(total == doctest::Approx(-1).epsilon(1e-5));
}

TEST_CASE("ctc refuses what cannot be") {
    const Variable<double> p = constant(zeros<double>({1, 3, 3}));
    CHECK_THROWS_WITH_AS(
        ctc(tensor<std::int64_t>({1, 2}, {0, 1}), p),
        "ctc: label 1 at index [0, 1] follows a 0, which is the blank and only fills rows up", ValueError);
    CHECK_THROWS_WITH_AS(ctc(tensor<std::int64_t>({1, 2}, {1, 3}), p),
                         "ctc: label 3 at index [0, 1] lies outside [0, 3), the classes of logits [1, 3, 3]",
                         ValueError);
    CHECK_THROWS_AS(ctc(tensor<std::int64_t>({1, 1}, {-1}), p), ValueError);
    CHECK_THROWS_WITH_AS(
        ctc(tensor<std::int64_t>({1, 3}, {1, 1, 2}), p),
        "ctc: the 3 labels of sample 0 need at least 4 steps (one each, and one more between "
        "equal ones), it has 3",
        ValueError);
    CHECK_THROWS_WITH_AS(ctc(tensor<std::int64_t>({2, 1}, {1, 1}), p),
                         "ctc: expected labels [batch, length] and logits [batch, time, classes], got [2, 1] "
                         "and [1, 3, 3]",
                         ShapeError);
    CHECK_THROWS_AS(ctc(tensor<std::int64_t>({1}, {1}), p), ShapeError);
    CHECK_THROWS_AS(ctc(tensor<std::int64_t>({1, 1}, {1}), constant(zeros<double>({1, 3}))), ShapeError);
    const Mask other = full<bool>({1, 2}, true);
    CHECK_THROWS_WITH_AS(ctc(tensor<std::int64_t>({1, 1}, {1}), p, &other),
                         "ctc: expected a mask of steps [batch=1, time=3], got [1, 2]", ShapeError);
}
