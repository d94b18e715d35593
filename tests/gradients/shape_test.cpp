#include "seqgrad/core/ops/shape.hpp"

#include <string>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/slice.hpp"

using namespace gradients;
using oracle::Arrays;
using oracle::Index;
using seqgrad::IntList;
using seqgrad::Range;
using seqgrad::Shape;

namespace {

using Axes = std::vector<std::ptrdiff_t>;

std::string text(const Axes& axes) {
    std::string out;
    for (const std::ptrdiff_t axis : axes) out += words(" ", axis);
    return out;
}

/// Operands of a join.
template <class X>
auto list(const X& x) {
    return std::vector(x.begin(), x.end());
}

}  // namespace

TEST_CASE("other shapes") {
    struct Reshape {
        Index from;
        Axes to;
        Index result;
    };
    for (const Reshape& r : std::vector<Reshape>{{{6}, {2, 3}, {2, 3}},
                                                 {{2, 3}, {-1}, {6}},
                                                 {{2, 3}, {3, -1}, {3, 2}},
                                                 {{}, {1, 1}, {1, 1}},
                                                 {{1}, {}, {}},
                                                 {{2, 3, 2}, {4, 3}, {4, 3}},
                                                 {{2, 0}, {0, 5}, {0, 5}},
                                                 {{1031}, {1031, 1}, {1031, 1}}}) {
        run({words("reshape to", text(r.to)), [=](auto x) { return seqgrad::reshape(x[0], IntList(r.to)); },
             [=](const Arrays& x) { return oracle::reshape(x[0], r.result); }},
            {{r.from}});
    }
    struct Flatten {
        Index from;
        std::ptrdiff_t axis;
        Index result;
    };
    for (const Flatten& r : std::vector<Flatten>{{{2, 3, 2}, 0, {12}},
                                                 {{2, 3, 2}, 1, {2, 6}},
                                                 {{2, 3, 2}, -1, {2, 3, 2}},
                                                 {{}, 0, {1}},
                                                 {{2, 0}, 0, {0}}}) {
        run({words("flatten from ", r.axis), [=](auto x) { return seqgrad::flatten(x[0], r.axis); },
             [=](const Arrays& x) { return oracle::reshape(x[0], r.result); }},
            {{r.from}});
    }
    for (const Reshape& r : std::vector<Reshape>{{{5}, {0}, {1, 5}},
                                                 {{5}, {-1}, {5, 1}},
                                                 {{2, 3}, {1}, {2, 1, 3}},
                                                 {{2, 3}, {0, -1}, {1, 2, 3, 1}},
                                                 {{}, {0}, {1}}}) {
        run({words("expand_dims", text(r.to)),
             [=](auto x) { return seqgrad::expand_dims(x[0], IntList(r.to)); },
             [=](const Arrays& x) { return oracle::reshape(x[0], r.result); }},
            {{r.from}});
    }
    for (const Reshape& r : std::vector<Reshape>{
             {{1, 5}, {0}, {5}}, {{1, 2, 1}, {-1}, {1, 2}}, {{1, 2, 1}, {0, 2}, {2}}, {{1}, {0}, {}}}) {
        run({words("squeeze", text(r.to)), [=](auto x) { return seqgrad::squeeze(x[0], IntList(r.to)); },
             [=](const Arrays& x) { return oracle::reshape(x[0], r.result); }},
            {{r.from}});
    }
    run({"squeeze", [](auto x) { return seqgrad::squeeze(x[0]); },
         [](const Arrays& x) {
             return oracle::reshape(x[0], {2, 3});
         }},
        {{{1, 2, 1, 3}}, {{2, 3}}, {{2, 1, 3, 1}}});
}

TEST_CASE("other orders") {
    struct Order {
        Index shape;
        Axes axes;
    };
    for (const Order& o : std::vector<Order>{{{5}, {0}},
                                             {{2, 3}, {1, 0}},
                                             {{2, 3}, {0, 1}},
                                             {{17, 19}, {1, 0}},
                                             {{2, 3, 4}, {1, 0, 2}},
                                             {{2, 3, 4}, {2, 0, 1}},
                                             {{2, 3, 4}, {-1, -2, -3}},
                                             {{2, 3, 4}, {0, 2, 1}},
                                             {{3, 1, 2}, {2, 1, 0}},
                                             {{2, 3, 2, 2}, {3, 1, 0, 2}},
                                             {{2, 0, 3}, {2, 0, 1}}}) {
        run({words("transpose", text(o.axes)),
             [=](auto x) { return seqgrad::transpose(x[0], IntList(o.axes)); },
             [=](const Arrays& x) { return oracle::transpose(x[0], o.axes); }},
            {{o.shape}});
    }
    run({"transpose", [](auto x) { return seqgrad::transpose(x[0]); },
         [](const Arrays& x) {
             Axes axes;
             for (std::size_t k = x[0].rank(); k-- > 0;) axes.push_back(static_cast<std::ptrdiff_t>(k));
             return oracle::transpose(x[0], axes);
         }},
        {{{}}, {{5}}, {{2, 3}}, {{2, 3, 4}}, {{1, 5}}, {{31, 33}}});
    run({"swapaxes", [](auto x) { return seqgrad::swapaxes(x[0]); },
         [](const Arrays& x) {
             return oracle::transpose(x[0], x[0].rank() == 2 ? Axes{1, 0} : Axes{0, 2, 1});
         }},
        {{{2, 3}}, {{2, 3, 4}}, {{5, 1, 3}}, {{0, 2, 3}}});
    run({"swapaxes 0 2", [](auto x) { return seqgrad::swapaxes(x[0], 0, 2); },
         [](const Arrays& x) {
             return oracle::transpose(x[0], {2, 1, 0});
         }},
        {{{2, 3, 4}}, {{1, 2, 3}}});
    for (const Order& o : std::vector<Order>{{{7}, {0}},
                                             {{2, 3}, {0}},
                                             {{2, 3}, {1}},
                                             {{2, 3}, {0, -1}},
                                             {{2, 3, 4}, {1}},
                                             {{2, 3, 4}, {0, 2}},
                                             {{2, 3, 4}, {-1}},
                                             {{0, 2}, {0}},
                                             {{1031}, {0}},
                                             {{2, 3}, {}}}) {
        run({words("flip", text(o.axes)), [=](auto x) { return seqgrad::flip(x[0], IntList(o.axes)); },
             [=](const Arrays& x) { return oracle::flip(x[0], o.axes); }},
            {{o.shape}});
    }
    run({"flip", [](auto x) { return seqgrad::flip(x[0]); },
         [](const Arrays& x) {
             return oracle::Array{x[0].shape, {x[0].data.rbegin(), x[0].data.rend()}};
         }},
        unary_shapes);
    struct Stretch {
        Index from;
        Index to;
    };
    for (const Stretch& s : std::vector<Stretch>{{{}, {2, 3}},
                                                 {{}, {}},
                                                 {{3}, {2, 3}},
                                                 {{2, 1}, {2, 3}},
                                                 {{1}, {5}},
                                                 {{2, 1, 3}, {4, 2, 5, 3}},
                                                 {{1, 3, 1}, {2, 3, 2}},
                                                 {{1}, {0}},
                                                 {{0, 1}, {0, 3}},
                                                 {{1}, {1031}},
                                                 {{2, 3}, {2, 3}}}) {
        run({words("broadcast_to ", gradients::text(s.to)),
             [=](auto x) { return seqgrad::broadcast_to(x[0], Shape(s.to.begin(), s.to.end())); },
             [=](const Arrays& x) { return oracle::broadcast_to(x[0], s.to); }},
            {{s.from}});
    }
}

TEST_CASE("parts") {
    struct Slice {
        Range range;
        std::ptrdiff_t start;
        std::size_t length;
    };
    // Of 7 elements.
    const std::vector<Slice> slices{{{}, 0, 7},
                                    {{.start = 2}, 2, 5},
                                    {{.stop = -2}, 0, 5},
                                    {{.start = -3}, 4, 3},
                                    {{.start = 1, .stop = 6, .step = 2}, 1, 3},
                                    {{.step = 3}, 0, 3},
                                    {{.step = -1}, 6, 7},
                                    {{.start = 5, .stop = 0, .step = -2}, 5, 3},
                                    {{.start = 3, .stop = 3}, 3, 0},
                                    {{.start = 2, .stop = 99}, 2, 5},
                                    {{.start = 6, .stop = 7}, 6, 1}};
    for (std::size_t k = 0; k < slices.size(); ++k) {
        const Slice s = slices[k];
        const std::string name = words("slice ", k);
        run({name, [=](auto x) { return seqgrad::slice(x[0], {s.range}); },
             [=](const Arrays& x) { return oracle::every(x[0], 0, s.start, s.range.step, s.length); }},
            {{{7}}, {{7, 3}}, {{7, 2, 2}}});
        run({name + " of the last axis",
             [=](auto x) {
                 return seqgrad::slice(x[0], {seqgrad::ellipsis, s.range});
             },
             [=](const Arrays& x) { return oracle::every(x[0], -1, s.start, s.range.step, s.length); }},
            {{{7}}, {{3, 7}}, {{2, 2, 7}}, {{0, 7}}});
        run({name + " of an inner axis, at one index of the first",
             [=](auto x) {
                 return seqgrad::slice(x[0], {-1, s.range});
             },
             [=](const Arrays& x) {
                 return oracle::every(oracle::select(x[0], 0, x[0].shape[0] - 1), 0, s.start, s.range.step,
                                      s.length);
             }},
            {{{3, 7}}, {{2, 7, 3}}});
    }
    run({"slice of two axes",
         [](auto x) {
             return seqgrad::slice(x[0], {Range{.step = 2}, Range{.start = -2}});
         },
         [](const Arrays& x) { return oracle::every(oracle::every(x[0], 0, 0, 2, 2), 1, 1, 1, 2); }},
        {{{3, 3}}, {{4, 3, 2}}});
    // Slices that overlap: their gradients meet in the same elements.
    run({"overlapping slices",
         [](auto x) {
             return std::vector{seqgrad::slice(x[0], {Range{.stop = 4}}),
                                seqgrad::slice(x[0], {Range{.start = 2}}),
                                seqgrad::slice(x[0], {Range{.step = 2}})};
         },
         [](const Arrays& x) {
             return Arrays{oracle::every(x[0], 0, 0, 1, 4), oracle::every(x[0], 0, 2, 1, 4),
                           oracle::every(x[0], 0, 0, 2, 3)};
         }},
        {{{6}}, {{6, 2}}});
    for (const std::ptrdiff_t axis : {0, 1, -1}) {
        run({words("select axis ", axis), [=](auto x) { return seqgrad::select(x[0], axis, 1); },
             [=](const Arrays& x) { return oracle::select(x[0], axis, 1); }},
            {{{2, 3}}, {{3, 2, 4}}, {{2, 2, 2, 2}}});
        run({words("unstack axis ", axis), [=](auto x) { return seqgrad::unstack(x[0], axis); },
             [=](const Arrays& x) {
                 Arrays parts;
                 for (std::size_t i = 0; i < x[0].shape[oracle::axis_of(axis, x[0].rank())]; ++i)
                     parts.push_back(oracle::select(x[0], axis, i));
                 return parts;
             }},
            {{{2, 3}}, {{3, 2, 4}}, {{1, 1}}});
        run({words("split axis ", axis), [=](auto x) { return seqgrad::split(x[0], 2, axis); },
             [=](const Arrays& x) {
                 const std::size_t half = x[0].shape[oracle::axis_of(axis, x[0].rank())] / 2;
                 return Arrays{oracle::every(x[0], axis, 0, 1, half),
                               oracle::every(x[0], axis, static_cast<std::ptrdiff_t>(half), 1, half)};
             }},
            {{{2, 4}}, {{6, 2, 4}}, {{4, 4}}});
        run({words("split_sizes axis ", axis),
             [=](auto x) {
                 return seqgrad::split_sizes(x[0], {1, -1, 2}, axis);
             },
             [=](const Arrays& x) {
                 const std::size_t n = x[0].shape[oracle::axis_of(axis, x[0].rank())];
                 return Arrays{oracle::every(x[0], axis, 0, 1, 1), oracle::every(x[0], axis, 1, 1, n - 3),
                               oracle::every(x[0], axis, static_cast<std::ptrdiff_t>(n) - 2, 1, 2)};
             }},
            {{{5, 4}}, {{3, 6, 4}}});
    }
}

TEST_CASE("joins") {
    struct Join {
        std::ptrdiff_t axis;
        std::vector<Shapes> shapes;
    };
    for (const Join& j : std::vector<Join>{
             {0,
              {{{3}}, {{3}, {2}}, {{3}, {3}}, {{1}, {0}}, {{2, 3}, {1, 3}, {2, 3}}, {{2, 2, 2}, {1, 2, 2}}}},
             {1, {{{2, 3}, {2, 1}}, {{2, 3}, {2, 3}}, {{2, 1, 2}, {2, 3, 2}, {2, 2, 2}}, {{0, 1}, {0, 2}}}},
             {-1,
              {{{2, 3}, {2, 4}}, {{2, 2, 1}, {2, 2, 3}}, {{5, 1}, {5, 1}, {5, 1}}, {{31, 5}, {31, 2}}}}}) {
        run({words("concatenate axis ", j.axis),
             [axis = j.axis](auto x) { return seqgrad::concatenate(x, axis); },
             [axis = j.axis](const Arrays& x) { return oracle::concatenate(x, axis); }},
            j.shapes);
    }
    for (const std::ptrdiff_t axis : {0, 1, -1}) {
        run({words("stack axis ", axis), [=](auto x) { return seqgrad::stack(x, axis); },
             [=](const Arrays& x) { return oracle::stack(x, axis); }},
            {{{3}}, {{3}, {3}}, {{2, 3}, {2, 3}, {2, 3}}, {{2, 1, 2}, {2, 1, 2}}, {{0}, {0}}});
    }
    run({"pad",
         [](auto x) {
             return seqgrad::pad(x[0], {{1, 2}}, 0.5);
         },
         [](const Arrays& x) {
             return oracle::pad(x[0], {{1, 2}}, 0.5L);
         }},
        {{{1}}, {{7}}, {{0}}, {{1031}}});
    run({"pad two axes",
         [](auto x) {
             return seqgrad::pad(x[0], {{}, {2, 1}});
         },
         [](const Arrays& x) {
             return oracle::pad(x[0], {{0, 0}, {2, 1}}, 0);
         }},
        {{{2, 3}}, {{1, 1}}, {{5, 7}}, {{2, 0}}});
    run({"pad three axes",
         [](auto x) {
             return seqgrad::pad(x[0], {{0, 1}, {1, 0}, {1, 1}}, -1);
         },
         [](const Arrays& x) {
             return oracle::pad(x[0], {{0, 1}, {1, 0}, {1, 1}}, -1);
         }},
        {{{2, 3, 2}}, {{1, 1, 1}}, {{2, 1, 3}}});
    for (const std::ptrdiff_t axis : {0, -1}) {
        for (const std::size_t times : {1u, 2u, 3u, 0u}) {
            run({words("repeat ", times, " axis ", axis),
                 [=](auto x) { return seqgrad::repeat(x[0], times, axis); },
                 [=](const Arrays& x) { return oracle::repeat(x[0], times, axis); }},
                {{{3}}, {{2, 3}}, {{2, 1, 2}}});
        }
    }
    for (const Index& repeats : std::vector<Index>{{2}, {3, 1}, {2, 2}, {1, 2, 2}, {0}}) {
        run({words("tile ", gradients::text(repeats)),
             [=](auto x) { return seqgrad::tile(x[0], IntList(repeats)); },
             [=](const Arrays& x) { return oracle::tile(x[0], repeats); }},
            {{{3}}, {{2, 3}}, {{}}, {{2, 1, 2}}});
    }
}

TEST_CASE("indices") {
    // Some repeat, some do not appear.
    const std::vector<oracle::Integers> places{{{}, {1}},           {{1}, {2}},
                                               {{4}, {2, 0, 2, 2}}, {{2, 3}, {1, 1, 2, 0, 1, 1}},
                                               {{0}, {}},           {{2, 1, 2}, {0, 2, 2, 0}}};
    for (const oracle::Integers& at : places) {
        const auto engine_at = indices(at);
        for (const std::ptrdiff_t axis : {0, -1}) {
            const std::string name = words(gradients::text(at.shape), " axis ", axis);
            run({"take " + name, [=](auto x) { return seqgrad::take(x[0], engine_at, axis); },
                 [=](const Arrays& x) { return oracle::take(x[0], at, axis); }},
                {{{3}}, {{3, 3}}, {{3, 2, 3}}, {{3, 0, 3}}});
            for (const Index& shape : std::vector<Index>{{3}, {3, 4, 3}}) {
                Index updates = shape;
                const auto place =
                    updates.begin() + static_cast<std::ptrdiff_t>(oracle::axis_of(axis, shape.size()));
                updates.insert(updates.erase(place), at.shape.begin(), at.shape.end());
                run({"scatter_add " + name,
                     [=](auto x) { return seqgrad::scatter_add(x[0], engine_at, x[1], axis); },
                     [=](const Arrays& x) { return oracle::scatter_add(x[0], at, x[1], axis); }},
                    {{shape, updates}});
            }
        }
        run({words("embedding_lookup ", gradients::text(at.shape)),
             [=](auto x) { return seqgrad::embedding_lookup(x[0], engine_at); },
             [=](const Arrays& x) { return oracle::take(x[0], at, 0); }},
            {{{3, 2}}, {{5, 1}}, {{3, 17}}, {{3, 0}}});
    }
    struct Along {
        Index shape;
        oracle::Integers at;
        std::ptrdiff_t axis;
    };
    for (const Along& a : std::vector<Along>{{{5}, {{3}, {4, 0, 4}}, -1},
                                             {{2, 3}, {{2, 1}, {2, 0}}, -1},
                                             {{2, 3}, {{2, 4}, {2, 0, 2, 1, 1, 1, 0, 2}}, 1},
                                             {{3, 2}, {{1, 2}, {2, 2}}, 0},
                                             {{2, 3, 2}, {{2, 2, 2}, {0, 1, 2, 2, 1, 1, 0, 2}}, 1},
                                             {{2, 3}, {{2, 0}, {}}, -1}}) {
        run({words("take_along_axis ", a.axis, " ", gradients::text(a.at.shape)),
             [=, at = indices(a.at)](auto x) { return seqgrad::take_along_axis(x[0], at, a.axis); },
             [=](const Arrays& x) { return oracle::take_along_axis(x[0], a.at, a.axis); }},
            {{a.shape}});
    }
}
