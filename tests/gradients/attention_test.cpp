#include "seqgrad/core/ops/attention.hpp"

#include <string>
#include <vector>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

using namespace gradients;
using oracle::Array;
using oracle::Arrays;
using oracle::Dual;
using oracle::Index;

namespace {

/// A mask by its kind, of any shape: whether element i of a row of S counts.
struct Pattern {
    const char* kind;
    Index shape;

    seqgrad::Mask mask() const {
        seqgrad::Mask out(seqgrad::Shape(shape.begin(), shape.end()));
        const std::size_t S = shape.back();
        for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = counts(i / S, i % S, S);
        return out;
    }
    bool counts(std::size_t row, std::size_t s, std::size_t S) const {
        const std::string k = kind;
        return k == "right"       ? s < S - row % S
               : k == "gaps"      ? (row + s) % 3 != 1
               : k == "empty row" ? row > 0 && (row + s) % 4 != 1
                                  : true;
    }
};

/// The mask's element for an index of the scores.
bool counts(const seqgrad::Mask& mask, const Index& i) {
    std::size_t offset = 0;
    for (std::size_t axis = 0; axis < mask.dimension(); ++axis) {
        const bool last = axis + 1 == mask.dimension();
        const std::size_t n = mask.shape()[axis];
        offset = offset * n + (n == 1 ? 0 : last ? i.back() : i[axis]);
    }
    return mask.data()[offset];
}

Array masked_softmax(const Array& x, const seqgrad::Mask& mask) {
    return oracle::build(x.shape, [&](const Index& i) -> Dual {
        if (!counts(mask, i)) return 0;
        Dual total = 0;
        Index j = i;
        for (j.back() = 0; j.back() < x.shape.back(); ++j.back())
            if (counts(mask, j)) total += exp(x(j) - x(i));
        return 1 / total;
    });
}

Array dot_scores(const Array& q, const Array& k) {
    return oracle::matmul(q, oracle::transpose(k, {0, 2, 1}));
}

Array additive_scores(const Array& q, const Array& k, const Array& v) {
    return oracle::build({q.shape[0], q.shape[1], k.shape[1]}, [&](const Index& i) {
        Dual total = 0;
        for (std::size_t a = 0; a < v.shape[0]; ++a)
            total += v({a}) * tanh(q({i[0], i[1], a}) + k({i[0], i[2], a}));
        return total;
    });
}

struct Sizes {
    std::size_t B, T, S, A;
};
const std::vector<Sizes> sizes{{1, 1, 1, 1}, {2, 1, 3, 2},  {1, 3, 2, 1}, {2, 3, 2, 3},
                               {2, 2, 5, 2}, {1, 2, 3, 17}, {0, 2, 2, 3}, {2, 0, 2, 3}};

}  // namespace

TEST_CASE("masked softmax") {
    for (const Index& shape :
         std::vector<Index>{{1}, {5}, {2, 3}, {3, 4}, {2, 2, 3}, {3, 1, 5}, {2, 2, 1, 4}}) {
        for (const char* kind : {"right", "gaps", "empty row", "whole"}) {
            Index memory{shape.front()};
            if (shape.size() > 1) memory.push_back(shape.back());
            Index shared(shape.size(), 1);
            shared.back() = shape.back();
            for (const Index& mask_shape : {shape, memory, shared}) {
                const Pattern pattern{kind, mask_shape};
                run({words("masked_softmax ", kind, " ", text(mask_shape)),
                     [mask = pattern.mask()](auto x) { return seqgrad::masked_softmax(x[0], &mask); },
                     [mask = pattern.mask()](const Arrays& x) { return masked_softmax(x[0], mask); }},
                    {{shape}});
            }
        }
    }
}

TEST_CASE("attention scores") {
    for (const Sizes& s : sizes) {
        const Index query{s.B, s.T, s.A}, keys{s.B, s.S, s.A};
        run({"dot_scores", [](auto x) { return seqgrad::dot_scores(x[0], x[1]); },
             [](const Arrays& x) { return dot_scores(x[0], x[1]); }},
            {{query, keys}});
        run({"additive_scores", [](auto x) { return seqgrad::additive_scores(x[0], x[1], x[2]); },
             [](const Arrays& x) { return additive_scores(x[0], x[1], x[2]); }},
            {{query, keys, {s.A}}});
    }
}
