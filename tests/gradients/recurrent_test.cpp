#include "seqgrad/core/ops/recurrent.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

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

/// Which steps a sample takes, and in which order.
struct Way {
    const char* mask = "";
    bool go_backwards = false, zero_output = false;

    oracle::Walk walk(const Sizes& s) const {
        oracle::Walk out{.go_backwards = go_backwards, .zero_output = zero_output};
        const std::string kind = mask;
        if (kind.empty()) return out;
        for (std::size_t b = 0; b < s.batch; ++b) {
            const std::size_t length = s.time - (2 * b + 1) % s.time;
            for (std::size_t t = 0; t < s.time; ++t) {
                out.mask.push_back(kind == "right"       ? t < length
                                   : kind == "left"      ? t + length >= s.time
                                   : kind == "gaps"      ? (b + t) % 3 != 1
                                   : kind == "empty row" ? b > 0 && (b + t) % 4 != 1
                                                         : true);
            }
        }
        return out;
    }
};

/// The library's options for a walk, with the mask that they point to.
class Options {
  public:
    Options(const Sizes& s, const oracle::Walk& walk, bool sequences, bool reset_after = true)
        : mask_(seqgrad::Shape{s.batch, s.time}),
          options_{.return_sequences = sequences,
                   .go_backwards = walk.go_backwards,
                   .zero_output_for_mask = walk.zero_output,
                   .reset_after = reset_after} {
        std::copy(walk.mask.begin(), walk.mask.end(), mask_.data());
        if (!walk.mask.empty()) options_.mask = &mask_;
    }
    Options(const Options&) = delete;
    Options& operator=(const Options&) = delete;

    operator const seqgrad::RecurrentOptions&() const { return options_; }

  private:
    seqgrad::Mask mask_;
    seqgrad::RecurrentOptions options_;
};

std::string label(const char* name, const Sizes& s, int given, bool sequences, const Way& way) {
    return words(name, given & bias ? " bias" : "", given & state ? " state" : "",
                 sequences ? " sequences T " : " last T ", s.time, *way.mask ? " mask " : "", way.mask,
                 way.go_backwards ? " backwards" : "", way.zero_output ? " zero output" : "");
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

/// A shape for every kind of mask.
const std::vector<std::pair<const char*, Sizes>> masked{{"right", {2, 3, 2, 2}},
                                                        {"left", {3, 4, 1, 2}},
                                                        {"gaps", {2, 5, 2, 2}},
                                                        {"empty row", {3, 3, 2, 1}},
                                                        {"whole", {2, 2, 2, 3}}};

/// `layer(s, given, sequences, way)` runs the cases of one layer.
template <class Layer>
void everything(Layer layer) {
    for (const bool sequences : {true, false}) {
        for (const Sizes& s : sizes) layer(s, bias | state, sequences, Way{});
        for (const Sizes& s : more_sizes) layer(s, nothing, sequences, Way{});
        layer(sizes[1], bias, sequences, Way{});
        layer(sizes[1], state, sequences, Way{});
        for (const bool backwards : {false, true}) {
            for (const auto& [kind, s] : masked) {
                layer(s, sequences ? bias | state : state, sequences, Way{kind, backwards});
                if (sequences) layer(s, state, sequences, Way{kind, backwards, true});
                // More samples than a tile has rows.
                layer({7, s.time, 1, 3}, nothing, sequences, Way{kind, backwards, backwards});
            }
        }
        // Wider than a register.
        layer({3, 4, 2, 17}, nothing, sequences, Way{"gaps", sequences, !sequences});
        for (const Sizes& s : sizes) layer(s, state, sequences, Way{"", true});
        for (const Sizes& s : more_sizes) layer(s, nothing, sequences, Way{"", true});
    }
}

}  // namespace

TEST_CASE("simple_rnn") {
    everything([](const Sizes& s, int given, bool sequences, const Way& way) {
        const std::size_t h = given & bias ? 4 : 3;
        const oracle::Walk walk = way.walk(s);
        run({label("simple_rnn", s, given, sequences, way),
             [=](auto x) {
                 auto r = seqgrad::simple_rnn(x[0], x[1], x[2], operand(x, given & bias, 3),
                                              operand(x, given & state, h), Options(s, walk, sequences));
                 return present(std::vector{r.sequence, r.h});
             },
             [=](const Arrays& x) {
                 return present(oracle::simple_rnn(x[0], x[1], x[2], naive_operand(x, given & bias, 3),
                                                   naive_operand(x, given & state, h), walk),
                                sequences);
             },
             Domain{.low = -1, .high = 1}},
            {operand_shapes(s, 1, given, {s.units}, 1)});
    });
}

TEST_CASE("lstm") {
    everything([](const Sizes& s, int given, bool sequences, const Way& way) {
        const std::size_t h = given & bias ? 4 : 3;
        const oracle::Walk walk = way.walk(s);
        run({label("lstm", s, given, sequences, way),
             [=](auto x) {
                 auto r = seqgrad::lstm(x[0], x[1], x[2], operand(x, given & bias, 3),
                                        operand(x, given & state, h), operand(x, given & state, h + 1),
                                        Options(s, walk, sequences));
                 return present(std::vector{r.sequence, r.h, r.c});
             },
             [=](const Arrays& x) {
                 return present(oracle::lstm(x[0], x[1], x[2], naive_operand(x, given & bias, 3),
                                             naive_operand(x, given & state, h),
                                             naive_operand(x, given & state, h + 1), walk),
                                sequences);
             },
             Domain{.low = -1, .high = 1}},
            {operand_shapes(s, 4, given, {4 * s.units}, 2)});
    });
}

TEST_CASE("gru") {
    everything([](const Sizes& s, int given, bool sequences, const Way& way) {
        const std::size_t h = given & bias ? 4 : 3;
        const oracle::Walk walk = way.walk(s);
        run({label("gru", s, given, sequences, way),
             [=](auto x) {
                 auto r = seqgrad::gru(x[0], x[1], x[2], operand(x, given & bias, 3),
                                       operand(x, given & state, h), Options(s, walk, sequences));
                 return present(std::vector{r.sequence, r.h});
             },
             [=](const Arrays& x) {
                 return present(oracle::gru(x[0], x[1], x[2], naive_operand(x, given & bias, 3),
                                            naive_operand(x, given & state, h), walk),
                                sequences);
             },
             Domain{.low = -1, .high = 1}},
            {operand_shapes(s, 3, given, {2, 3 * s.units}, 1)});
    });
}

TEST_CASE("gru with the reset gate before the product") {
    everything([](const Sizes& s, int given, bool sequences, const Way& way) {
        const std::size_t h = given & bias ? 4 : 3;
        const oracle::Walk walk = way.walk(s);
        run({label("gru reset before", s, given, sequences, way),
             [=](auto x) {
                 auto r = seqgrad::gru(x[0], x[1], x[2], operand(x, given & bias, 3),
                                       operand(x, given & state, h), Options(s, walk, sequences, false));
                 return present(std::vector{r.sequence, r.h});
             },
             [=](const Arrays& x) {
                 return present(oracle::gru_reset_before(x[0], x[1], x[2], naive_operand(x, given & bias, 3),
                                                         naive_operand(x, given & state, h), walk),
                                sequences);
             },
             Domain{.low = -1, .high = 1}},
            {operand_shapes(s, 3, given, {3 * s.units}, 1)});
    });
}
