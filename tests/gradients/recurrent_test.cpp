#include "seqgrad/core/ops/recurrent.hpp"

#include <string>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

using namespace gradients;
using oracle::Arrays;

namespace {

struct Sizes {
    std::size_t batch, time, features, units;
};

/// With every operand, and all subsets of them wanting a gradient.
const std::vector<Sizes> sizes{{1, 1, 1, 1}, {2, 3, 2, 2}, {3, 1, 2, 3}, {1, 5, 3, 1}, {2, 2, 1, 5}};
/// With x, kernel and recurrent kernel alone.
const std::vector<Sizes> more_sizes{{1, 2, 2, 17}, {7, 2, 1, 3}, {2, 11, 2, 2}, {1, 37, 1, 1},
                                    {2, 0, 2, 3},  {0, 2, 2, 3}, {5, 3, 7, 4},  {2, 3, 3, 8}};

enum Given { nothing = 0, bias = 1, state = 2 };

Shapes operand_shapes(const Sizes& s, std::size_t gates, int given, const oracle::Index& bias_shape,
                      std::size_t states) {
    Shapes shapes{{s.batch, s.time, s.features}, {s.features, gates * s.units}, {s.units, gates * s.units}};
    if (given & bias) shapes.push_back(bias_shape);
    if (given & state) shapes.insert(shapes.end(), states, {s.batch, s.units});
    return shapes;
}

std::string label(const char* name, const Sizes& s, int given, bool sequences) {
    return words(name, given & bias ? " bias" : "", given & state ? " state" : "",
                 sequences ? " sequences T " : " last T ", s.time);
}

/// The k-th operand, or an empty handle.
template <class X>
auto operand(const X& x, bool there, std::size_t k) {
    return there ? x[k] : typename X::value_type();
}
const oracle::Array* naive_operand(const Arrays& x, bool there, std::size_t k) {
    return there ? &x[k] : nullptr;
}

/// Results of the operation in a list, without the empty handle for a sequence that was not asked for.
template <class V>
std::vector<V> present(std::vector<V> results) {
    std::erase_if(results, [](const V& v) { return !v; });
    return results;
}

Arrays present(Arrays results, bool sequences) {
    if (!sequences) results.erase(results.begin());
    return results;
}

/// `layer(s, given, sequences)` runs the cases of one layer.
template <class Layer>
void everything(Layer layer) {
    for (const bool sequences : {true, false}) {
        for (const Sizes& s : sizes) layer(s, bias | state, sequences);
        for (const Sizes& s : more_sizes) layer(s, nothing, sequences);
        layer(sizes[1], bias, sequences);
        layer(sizes[1], state, sequences);
    }
}

}  // namespace

TEST_CASE("simple_rnn") {
    everything([](const Sizes& s, int given, bool sequences) {
        const std::size_t h = given & bias ? 4 : 3;
        run({label("simple_rnn", s, given, sequences),
             [=](auto x) {
                 auto r = seqgrad::simple_rnn(x[0], x[1], x[2], operand(x, given & bias, 3),
                                              operand(x, given & state, h), {.return_sequences = sequences});
                 return present(std::vector{r.sequence, r.h});
             },
             [=](const Arrays& x) {
                 return present(oracle::simple_rnn(x[0], x[1], x[2], naive_operand(x, given & bias, 3),
                                                   naive_operand(x, given & state, h)),
                                sequences);
             },
             Domain{.low = -1, .high = 1}},
            {operand_shapes(s, 1, given, {s.units}, 1)});
    });
}

TEST_CASE("lstm") {
    everything([](const Sizes& s, int given, bool sequences) {
        const std::size_t h = given & bias ? 4 : 3;
        run({label("lstm", s, given, sequences),
             [=](auto x) {
                 auto r = seqgrad::lstm(x[0], x[1], x[2], operand(x, given & bias, 3),
                                        operand(x, given & state, h), operand(x, given & state, h + 1),
                                        {.return_sequences = sequences});
                 return present(std::vector{r.sequence, r.h, r.c});
             },
             [=](const Arrays& x) {
                 return present(
                     oracle::lstm(x[0], x[1], x[2], naive_operand(x, given & bias, 3),
                                  naive_operand(x, given & state, h), naive_operand(x, given & state, h + 1)),
                     sequences);
             },
             Domain{.low = -1, .high = 1}},
            {operand_shapes(s, 4, given, {4 * s.units}, 2)});
    });
}

TEST_CASE("gru") {
    everything([](const Sizes& s, int given, bool sequences) {
        const std::size_t h = given & bias ? 4 : 3;
        run({label("gru", s, given, sequences),
             [=](auto x) {
                 auto r = seqgrad::gru(x[0], x[1], x[2], operand(x, given & bias, 3),
                                       operand(x, given & state, h), {.return_sequences = sequences});
                 return present(std::vector{r.sequence, r.h});
             },
             [=](const Arrays& x) {
                 return present(oracle::gru(x[0], x[1], x[2], naive_operand(x, given & bias, 3),
                                            naive_operand(x, given & state, h)),
                                sequences);
             },
             Domain{.low = -1, .high = 1}},
            {operand_shapes(s, 3, given, {2, 3 * s.units}, 1)});
    });
}
