#include "seqgrad/core/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "support/ulp.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using test::max_ulp_distance;

// Every literal tensor below was printed by Keras 3.15.1 on TensorFlow 2.21.0 (CPU), with the call named
// beside it. Uniform numbers and integers must be equal, normal ones within 2 units in the last place.
constexpr std::uint64_t normal_ulps = 2;

namespace {

using Int = std::int64_t;

/// A first part of a tensor's elements, as rank 1.
template <class T>
Tensor<T> head(const Tensor<T>& t, std::size_t n) {
    return tensor<T>(Shape{n}, elements(t).first(n));
}

}  // namespace

TEST_CASE("a generator repeats Keras's SeedGenerator draw by draw in float32") {
    // g = keras.random.SeedGenerator(42), then one call after the other with seed=g
    Generator g(42);
    // keras.random.uniform((5,), -0.5, 2.0)
    CHECK(g.uniform<float>({5}, -0.5, 2.0) ==
          tensor<float>({5}, {0.20608288f, 0.746042252f, 1.28864622f, -0.449494898f, -0.303504646f}));
    // keras.random.normal((5,), 0.1, 1.3)
    CHECK(max_ulp_distance(g.normal<float>({5}, 0.1, 1.3),
                           tensor<float>({5}, {1.56796443f, 0.161056742f, 1.34727824f, 1.41956794f,
                                               -0.636788964f})) <= normal_ulps);
    // keras.random.truncated_normal((9,), 0.1, 1.3)
    CHECK(max_ulp_distance(
              g.truncated_normal<float>({9}, 0.1, 1.3),
              tensor<float>({9}, {0.134195983f, 0.456854194f, 0.614558876f, 1.18229604f, 1.81544387f,
                                  0.82298851f, -1.49642181f, 0.77522397f, 0.153466716f})) <= normal_ulps);
    // keras.random.dropout(ones((12,)), 0.3) == 0
    CHECK(g.bernoulli<float>({12}, 0.3) == tensor<float>({12}, {1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0}));
    // keras.random.uniform((2, 2))
    CHECK(g.uniform<float>({2, 2}) ==
          tensor<float>({2, 2}, {0.909530044f, 0.124261379f, 0.747404456f, 0.618195653f}));
}

TEST_CASE("a generator repeats Keras's SeedGenerator draw by draw in float64") {
    // as above with dtype="float64"
    Generator g(42);
    CHECK(g.uniform<double>({5}, -0.5, 2.0) ==
          tensor<double>({5}, {0.14866360974692228, 1.3091717177080087, 1.0719640377283066,
                               -0.40003264894147472, -0.42574487788290494}));
    CHECK(max_ulp_distance(g.normal<double>({5}, 0.1, 1.3),
                           tensor<double>({5}, {0.32897314904711106, 2.3369704209750917, -1.9733103255514859,
                                                -0.53126498751299822, 1.3073357540039618})) <= normal_ulps);
    CHECK(max_ulp_distance(g.truncated_normal<double>({9}, 0.1, 1.3),
                           tensor<double>({9}, {1.1865856423186871, 0.23225882938300446, 0.23706337370718852,
                                                -0.93123964368293877, 0.76695498689859865,
                                                -0.066133780253501223, -0.22755210038336074,
                                                -1.0116371451090374, 0.35324604062237808})) <= normal_ulps);
    CHECK(g.bernoulli<double>({12}, 0.3) == tensor<double>({12}, {1, 0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0}));
    CHECK(g.uniform<double>({2, 2}) == tensor<double>({2, 2}, {0.27624062471885491, 0.97923659462145651,
                                                               0.32900187560656735, 0.31527867504274654}));
}

TEST_CASE("integers and permutations repeat Keras's") {
    // g = keras.random.SeedGenerator(7), then one call after the other with seed=g
    constexpr Int two31 = Int{1} << 31;
    Generator g(7);
    // keras.random.randint((6,), -3, 1000)
    CHECK(g.integers({6}, -3, 1000) == tensor<Int>({6}, {-3, 761, 753, 9, 7, 438}));
    // keras.random.randint((4,), -2**31, 2**31 - 1)
    CHECK(g.integers({4}, -two31, two31 - 1) ==
          tensor<Int>({4}, {-645586259, -1010472032, -1632087721, 1962167024}));
    // keras.random.randint((5,), -3, 2**40, dtype="int64")
    CHECK(g.integers({5}, -3, Int{1} << 40) ==
          tensor<Int>({5}, {172677355792, 608063458246, 493517177081, 124946655344, 502999671618}));
    // keras.random.randint((4,), -2**63, 2**63 - 1, dtype="int64")
    CHECK(g.integers({4}, std::numeric_limits<Int>::min(), std::numeric_limits<Int>::max()) ==
          tensor<Int>(
              {4}, {-922491178316878940, 5792394996461893385, -3091248410102652584, -8571256629712600135}));
    // keras.random.shuffle(arange(10))
    CHECK(g.permutation(10) == tensor<Int>({10}, {2, 7, 9, 6, 0, 4, 1, 5, 3, 8}));
}

TEST_CASE("a long permutation breaks ties as Keras does") {
    // keras.random.shuffle(arange(200000), seed=7): among 2^23 sort keys some two thousand pairs are equal
    constexpr std::size_t n = 200000;
    const Tensor<Int> p = Generator(7).permutation(n);
    CHECK(head(p, 6) == tensor<Int>({6}, {56748, 128577, 40070, 108911, 195491, 103838}));
    Int checksum = 0;  // sum of i * p[i]
    for (std::size_t i = 0; i < n; ++i) checksum += static_cast<Int>(i) * p(i);
    CHECK(checksum == 1999909636599018);

    std::vector<Int> sorted(p.begin(), p.end());
    std::sort(sorted.begin(), sorted.end());
    bool complete = true;
    for (std::size_t i = 0; i < n; ++i) complete = complete && sorted[i] == static_cast<Int>(i);
    CHECK(complete);
}

TEST_CASE("permutations of nothing and of one element") {
    CHECK(Generator(1).permutation(0).shape() == Shape{0});
    CHECK(Generator(1).permutation(1) == tensor<Int>({1}, {0}));
}

TEST_CASE("split gives TensorFlow's stateless_split") {
    // c = tf.random.split(tf.constant([42, 0], tf.int32), 3)
    Generator g(42);
    std::vector<Generator> children = g.split(3);
    REQUIRE(children.size() == 3);
    CHECK(children[0].state() == GeneratorState{1218717381, 1019202592});
    CHECK(children[1].state() == GeneratorState{1901827109, -1643997701});
    CHECK(children[2].state() == GeneratorState{-1677062271, -2125450471});
    CHECK(g.state() == GeneratorState{42, 1});
    // tf.random.stateless_uniform((4,), seed=c[0])
    CHECK(children[0].uniform<float>({4}) ==
          tensor<float>({4}, {0.182498217f, 0.643486142f, 0.223006368f, 0.651783466f}));

    std::set<std::pair<Int, Int>> pairs;
    for (const Generator& child : Generator(3).split(1000))
        pairs.insert({child.state().seed, child.state().counter});
    CHECK(pairs.size() == 1000);
    CHECK(g.split(0).empty());
}

TEST_CASE("any integer is a seed, folded as Keras folds it") {
    // keras.random.uniform((2,), seed=seed)
    const auto first_two = [](Int seed) { return Generator(seed).uniform<float>({2}); };
    CHECK(first_two(0) == tensor<float>({2}, {0.211015463f, 0.706009984f}));
    CHECK(first_two(-5) == tensor<float>({2}, {0.219588161f, 0.527770042f}));
    CHECK(first_two(2147483645) == tensor<float>({2}, {0.233690739f, 0.571567655f}));
    CHECK(first_two(2147483646) == tensor<float>({2}, {0.211015463f, 0.706009984f}));
    CHECK(first_two(3000000000) == tensor<float>({2}, {0.822497249f, 0.560722351f}));
    CHECK(first_two(123456789012345) == tensor<float>({2}, {0.192447543f, 0.0621041059f}));
}

TEST_CASE("tensorflow_normal is tf.random.normal after tf.random.set_seed") {
    const auto near = [](Int seed, const Tensor<float>& single, const Tensor<double>& twice) {
        CAPTURE(seed);
        CHECK(max_ulp_distance(tensorflow_normal<float>({3}, seed), single) <= normal_ulps);
        CHECK(max_ulp_distance(tensorflow_normal<double>({3}, seed), twice) <= normal_ulps);
    };
    near(0, tensor<float>({3}, {1.51106262f, 0.422922045f, -0.41969493f}),
         tensor<double>({3}, {1.4454338067818133, -0.30526920137436109, -0.49504188699227536}));
    near(42, tensor<float>({3}, {0.327468514f, -0.842625797f, 0.319433689f}),
         tensor<double>({3}, {-1.3598275767565153, 0.67212278237307632, -0.77197909818549137}));
    near(-5, tensor<float>({3}, {-0.488262475f, 0.940612853f, 1.52042961f}),
         tensor<double>({3}, {0.48750434815235927, -0.95559205207759235, -0.14346063737196768}));
    near(3000000000, tensor<float>({3}, {0.528308988f, -0.572689235f, -0.651283026f}),
         tensor<double>({3}, {-0.17125187680820445, -0.41109925417731286, -0.37883482697243165}));
    // two 32-bit words of seed for Python's generator
    near((Int{1} << 40) + 5, tensor<float>({3}, {-0.0572910942f, -2.34129643f, 0.615666032f}),
         tensor<double>({3}, {1.0339229695772199, 0.50702092179603131, 1.1798203431277481}));
}

TEST_CASE_TEMPLATE("a shorter draw is the beginning of a longer one", T, float, double) {
    const Generator start(5);
    const auto whole = [&](auto draw) {
        Generator g = start;
        return draw(g, std::size_t{1300});
    };
    const auto uniform = [](Generator& g, std::size_t n) { return g.uniform<T>({n}); };
    const auto normal = [](Generator& g, std::size_t n) { return g.normal<T>({n}); };
    const auto truncated = [](Generator& g, std::size_t n) { return g.truncated_normal<T>({n}); };
    const auto narrow = [](Generator& g, std::size_t n) { return g.integers({n}, 0, 1000); };
    const auto wide = [](Generator& g, std::size_t n) { return g.integers({n}, 0, Int{1} << 50); };
    for (const std::size_t n :
         {0u, 1u, 2u, 3u, 4u, 5u, 127u, 128u, 129u, 255u, 256u, 257u, 511u, 513u, 1023u}) {
        CAPTURE(n);
        const auto same = [&](auto draw) {
            Generator g = start;
            return draw(g, n) == head(whole(draw), n);
        };
        CHECK(same(uniform));
        CHECK(same(normal));
        CHECK(same(truncated));
        CHECK(same(narrow));
        CHECK(same(wide));
    }
}

TEST_CASE_TEMPLATE("draws stay where they belong", T, float, double) {
    Generator g(11);
    constexpr std::size_t n = 20000;
    const auto inside = [](const auto& t, auto low, auto high) {
        return std::all_of(t.begin(), t.end(), [=](auto x) { return low <= x && x < high; });
    };
    CHECK(inside(g.uniform<T>({n}, -2.0, 3.0), T(-2), T(3)));
    CHECK(inside(g.truncated_normal<T>({n}), T(-2), T(2)));
    CHECK(inside(g.integers({n}, -2, 3), Int{-2}, Int{3}));
    const Tensor<T> ones_and_zeros = g.bernoulli<T>({n}, 0.25);
    const auto count = std::count(ones_and_zeros.begin(), ones_and_zeros.end(), T(1));
    CHECK(count + std::count(ones_and_zeros.begin(), ones_and_zeros.end(), T(0)) == n);
    CHECK(count == doctest::Approx(0.25 * n).epsilon(0.03));
}

TEST_CASE("the ends of the arguments' ranges") {
    Generator g(3);
    CHECK(g.uniform<float>({3}, 2.0, 2.0) == full<float>({3}, 2.0f));
    CHECK(g.normal<double>({3}, 2.0, 0.0) == full<double>({3}, 2.0));
    CHECK(g.integers({3}, 7, 8) == full<Int>({3}, 7));
    CHECK(g.bernoulli<float>({1000}, 0.0) == zeros<float>({1000}));
    CHECK(g.bernoulli<float>({1000}, 1.0) == ones<float>({1000}));
    const double drawn = Generator(3).uniform<double>({1})(0);  // 1 only where the draw is less than p
    CHECK(Generator(3).bernoulli<double>({1}, drawn)(0) == 0.0);
    CHECK(Generator(3).bernoulli<double>({1}, std::nextafter(drawn, 1.0))(0) == 1.0);
    CHECK(g.normal<float>({}).size() == 1);
    CHECK(g.uniform<double>({2, 0, 3}).shape() == Shape{2, 0, 3});
}

TEST_CASE("a draw counts once whatever its size, and a saved state goes on from there") {
    Generator g(42);
    g.uniform<float>({1000});
    g.permutation(5);
    CHECK(g.state() == GeneratorState{42, 2});
    const GeneratorState saved = g.state();
    const Tensor<double> next = g.normal<double>({7});
    CHECK(g.normal<double>({7}) != next);
    g.set_state(saved);
    CHECK(g.normal<double>({7}) == next);
    CHECK(Generator(saved).normal<double>({7}) == next);
}

TEST_CASE("bad arguments are refused by name and leave the generator as it was") {
    Generator g(1);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK_THROWS_WITH_AS(g.uniform<float>({2}, 1.0, 0.5),
                         "uniform: needs minval <= maxval with a finite difference, got minval=1, maxval=0.5",
                         ValueError);
    CHECK_THROWS_AS(g.uniform<float>({2}, nan, 1.0), ValueError);
    CHECK_THROWS_AS(g.uniform<float>({2}, 0.0, infinity), ValueError);
    CHECK_THROWS_AS(g.uniform<float>({2}, -3e38, 3e38), ValueError);
    CHECK_NOTHROW(Generator(1).uniform<double>({2}, -3e38, 3e38));
    CHECK_THROWS_WITH_AS(g.normal<float>({2}, 0.0, -1.0),
                         "normal: mean and stddev must be finite and stddev >= 0, got mean=0, stddev=-1",
                         ValueError);
    CHECK_THROWS_AS(g.normal<double>({2}, nan, 1.0), ValueError);
    CHECK_THROWS_AS(g.normal<double>({2}, 0.0, nan), ValueError);
    CHECK_THROWS_WITH_AS(
        g.truncated_normal<double>({2}, 0.0, -2.5),
        "truncated_normal: mean and stddev must be finite and stddev >= 0, got mean=0, stddev=-2.5",
        ValueError);
    CHECK_THROWS_WITH_AS(g.bernoulli<float>({2}, 1.5), "bernoulli: p must be in [0, 1], got p=1.5",
                         ValueError);
    CHECK_THROWS_AS(g.bernoulli<double>({2}, -0.1), ValueError);
    CHECK_THROWS_AS(g.bernoulli<double>({2}, nan), ValueError);
    CHECK_THROWS_WITH_AS(g.integers({2}, 4, 4), "integers: needs low < high, got low=4, high=4", ValueError);
    CHECK_THROWS_AS(g.integers({2}, 5, -5), ValueError);
    CHECK_THROWS_AS(g.permutation(std::size_t{1} << 41), ValueError);
    const std::size_t huge = std::size_t{1} << 40;
    CHECK_THROWS_AS(g.uniform<float>({huge, huge}), ShapeError);
    CHECK_THROWS_AS(g.integers({huge, huge}, 0, 2), ShapeError);
    CHECK(g.state() == GeneratorState{1, 0});
}

TEST_CASE("each thread has a default generator of its own, reseeded by set_random_seed") {
    set_random_seed(9);
    CHECK(default_generator().state() == GeneratorState{9, 0});
    // keras.random.randint((), 1, 10**9 + 1, seed=9)
    CHECK(make_default_seed() == 258013580);
    CHECK(default_generator().state() == GeneratorState{9, 1});
    CHECK(make_default_seed() != 258013580);

    GeneratorState other;
    Int seed_of_other = 0;
    std::thread([&] {
        other = default_generator().state();
        seed_of_other = make_default_seed();
    }).join();
    CHECK(other == GeneratorState{0, 0});
    CHECK(seed_of_other == 885695631);  // keras.random.randint((), 1, 10**9 + 1, seed=0)
    CHECK(default_generator().state() == GeneratorState{9, 2});
}
