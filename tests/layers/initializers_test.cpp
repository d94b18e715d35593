#include "seqgrad/layers/initializers.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "support/fixture.hpp"
#include "support/ulp.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;
using test::Json;
using test::max_ulp_distance;

// What may differ from Keras: nothing where numbers are uniform, the rounding of log, sin and cos where
// normal, that of the QR factorisation where orthogonal.
constexpr std::uint64_t normal_ulps = 2;
constexpr double orthogonal_difference = 1e-6;

namespace {

template <Real T>
double max_difference(const Tensor<T>& a, const Tensor<T>& b) {
    REQUIRE(a.shape() == b.shape());
    double worst = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = std::abs(double{a.data()[i]} - double{b.data()[i]});
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

/// The draws of a golden file, each compared with what `initializer` makes of its shape by `compare(made,
/// expected)`.
template <class Compare>
void check_fixture(const std::string& name, const Initializer& initializer, std::size_t draws,
                   Compare compare) {
    CAPTURE(name);
    const Json fixture = test::read_fixture(test::golden_path("initializers/" + name + ".json"));
    CHECK(initializer.name() == fixture.at("initializer").get<std::string>());
    CHECK(fixture.at("draws").size() == draws);
    for (const Json& draw : fixture.at("draws")) {
        const auto expected = test::to_tensor<float>(draw);
        CAPTURE(to_string(Shape(expected.shape())));
        compare(initializer.make<float>(expected.shape()), expected);
    }
}

template <Real T>
void check_equal(const Tensor<T>& made, const Tensor<T>& expected) {
    CHECK(made == expected);
}
template <Real T>
void check_rounding(const Tensor<T>& made, const Tensor<T>& expected) {
    CHECK(max_ulp_distance(made, expected) <= normal_ulps);
}
template <Real T>
void check_factorisation(const Tensor<T>& made, const Tensor<T>& expected) {
    CHECK(max_difference(made, expected) <= orthogonal_difference);
}

}  // namespace

TEST_CASE("float tensors are those of Keras from the same seed") {
    check_fixture("GlorotUniform", GlorotUniform{.seed = 42}, 6, check_equal<float>);
    check_fixture("HeUniform", HeUniform{.seed = 42}, 6, check_equal<float>);
    check_fixture("LecunUniform", LecunUniform{.seed = 42}, 6, check_equal<float>);
    check_fixture("RandomUniform", RandomUniform{.minval = -0.1, .maxval = 0.3, .seed = 42}, 6,
                  check_equal<float>);
    check_fixture(
        "VarianceScaling",
        VarianceScaling{
            .scale = 2.0, .mode = FanMode::fan_avg, .distribution = ScalingDistribution::uniform, .seed = 42},
        6, check_equal<float>);
    check_fixture("GlorotNormal", GlorotNormal{.seed = 42}, 6, check_rounding<float>);
    check_fixture("HeNormal", HeNormal{.seed = 42}, 6, check_rounding<float>);
    check_fixture("LecunNormal", LecunNormal{.seed = 42}, 6, check_rounding<float>);
    check_fixture("RandomNormal", RandomNormal{.stddev = 0.2, .seed = 42}, 6, check_rounding<float>);
    check_fixture("TruncatedNormal", TruncatedNormal{.stddev = 0.2, .seed = 42}, 6, check_rounding<float>);
    check_fixture("Orthogonal", Orthogonal{.seed = 42}, 5, check_factorisation<float>);
}

TEST_CASE("the weights and the input of the seed notebook come from the seed alone") {
    // The file's input is float32, its layer is in float64.
    const Json fixture = test::read_fixture(test::golden_path("initializers/seed_notebook.json"));
    const auto seed = fixture.at("seed").get<std::int64_t>();
    const auto expected = [&](const char* key) { return test::to_tensor<double>(fixture.at(key)); };
    check_rounding(tensorflow_normal<float>({32, 16, 12}, seed), test::to_tensor<float>(fixture.at("x")));
    check_equal(Initializer(GlorotUniform{.seed = seed}).make<double>({12, 8}), expected("kernel"));
    check_factorisation(Initializer(Orthogonal{.seed = seed}).make<double>({8, 8}),
                        expected("recurrent_kernel"));
    check_equal(Initializer("zeros").make<double>({8}), expected("bias"));
}

TEST_CASE("modes, distributions and fan axes") {
    // Keras 3.15.1: keras.initializers.VarianceScaling(1.7, "fan_out", distribution, seed=5)((3, 2))
    const auto scaled = [](FanMode mode, ScalingDistribution distribution) {
        return Initializer(
            VarianceScaling{.scale = 1.7, .mode = mode, .distribution = distribution, .seed = 5});
    };
    check_equal(scaled(FanMode::fan_out, ScalingDistribution::uniform).make<float>({3, 2}),
                tensor<float>({3, 2}, {-1.39932835f, 1.05926621f, 1.51248419f, -0.495826364f, 0.0332360268f,
                                       -0.456314445f}));
    check_rounding(scaled(FanMode::fan_out, ScalingDistribution::untruncated_normal).make<float>({3, 2}),
                   tensor<float>({3, 2}, {-1.89496529f, 1.06779635f, 0.176654428f, -0.119650237f,
                                          0.836071789f, -0.666569531f}));

    // keras.initializers.GlorotUniform(seed=5, input_axes=[0], output_axes=[1, -1])((2, 3, 4))[0, 0]
    const Tensor<float> axes =
        Initializer(GlorotUniform{.seed = 5, .input_axes = {0}, .output_axes = {1, -1}})
            .make<float>({2, 3, 4});
    check_equal(tensor<float>({4}, elements(axes).first(4)),
                tensor<float>({4}, {-0.573668718f, 0.434256792f, 0.62005806f, -0.203268975f}));
    // keras.initializers.GlorotUniform(seed=5)(())
    check_equal(Initializer(GlorotUniform{.seed = 5}).make<float>({}), full<float>({}, -1.51778471f));

    CHECK(fan_mode("fan_in") == FanMode::fan_in);
    CHECK(fan_mode("fan_out") == FanMode::fan_out);
    CHECK(fan_mode("fan_avg") == FanMode::fan_avg);
    CHECK_THROWS_WITH_AS(fan_mode("fan"), doctest::Contains("\"fan\""), ValueError);
    CHECK(scaling_distribution("normal") == ScalingDistribution::truncated_normal);
    CHECK(scaling_distribution("truncated_normal") == ScalingDistribution::truncated_normal);
    CHECK(scaling_distribution("untruncated_normal") == ScalingDistribution::untruncated_normal);
    CHECK(scaling_distribution("uniform") == ScalingDistribution::uniform);
    CHECK_THROWS_WITH_AS(scaling_distribution("cauchy"), doctest::Contains("\"cauchy\""), ValueError);
}

TEST_CASE("double tensors are those of Keras in float64") {
    // Keras 3.15.1: keras.initializers.X(..., seed=42)((3, 2), dtype="float64")
    const Shape shape{3, 2};
    const auto made = [&](const Initializer& initializer) { return initializer.make<double>(shape); };
    CHECK(made(GlorotUniform{.seed = 42}) ==
          tensor<double>(shape, {-0.52698482871026964, 0.49003355967192608, 0.28215515645363043,
                                 -1.0078381557094513, -1.0303712250265373, 0.088147488960414133}));
    CHECK(made(RandomUniform{.minval = -0.1, .maxval = 0.3, .seed = 42}) ==
          tensor<double>(shape, {0.0037861795490942013, 0.18946748304831862, 0.15151425297908516,
                                 -0.084005224784485411, -0.088119181553045392, 0.11609346118171321}));
    CHECK(max_ulp_distance(
              made(HeNormal{.seed = 42}),
              tensor<double>(shape, {-1.5039299715812853, -0.25111230101144144, -0.89502286444522894,
                                     1.6736188752407291, -0.15995070463377495, 0.27617187434426738})) <=
          normal_ulps);
    CHECK(max_ulp_distance(
              made(RandomNormal{.mean = 0.3, .stddev = 0.2, .seed = 42}),
              tensor<double>(shape, {-0.024041870181081004, 0.24589448898364208, 0.34789684100992441,
                                     0.48660944727593108, 0.16734110440053543, -0.21354138828646946})) <=
          normal_ulps);
    CHECK(max_ulp_distance(made(TruncatedNormal{.mean = 0.3, .stddev = 0.2, .seed = 42}),
                           tensor<double>(shape, {-0.024041870181081004, 0.24589448898364208,
                                                  0.10715532748860793, 0.66060361888602159,
                                                  0.26553647680030373, 0.3595049319748822})) <= normal_ulps);
    CHECK(max_difference(made(Orthogonal{.gain = 1.5, .seed = 42}),
                         tensor<double>(shape, {-1.3753675663927245, 0.59863351958188116, 0.20329398056154382,
                                                0.47037276570795095, -0.56305915744475477,
                                                -1.2924346677930239})) <= 1e-14);
}

TEST_CASE_TEMPLATE("Orthogonal has orthogonal columns, or rows where there are fewer", T, float, double) {
    constexpr double gain = 2.0;
    for (const Shape& shape : {Shape{7, 7}, Shape{40, 3}, Shape{3, 40}, Shape{2, 5, 4}, Shape{1, 1}}) {
        CAPTURE(to_string(shape));
        const Tensor<T> q = Initializer(Orthogonal{.gain = gain, .seed = 3}).make<T>(shape);
        REQUIRE(Shape(q.shape()) == shape);
        const std::size_t columns = shape.back();
        const std::size_t rows = q.size() / columns;
        const bool by_column = rows >= columns;
        const std::size_t vectors = by_column ? columns : rows;
        const std::size_t length = by_column ? rows : columns;
        const auto at = [&](std::size_t v, std::size_t i) {
            return double{q.data()[by_column ? i * columns + v : v * columns + i]};
        };
        for (std::size_t a = 0; a < vectors; ++a) {
            for (std::size_t b = 0; b < vectors; ++b) {
                double dot = 0.0;
                for (std::size_t i = 0; i < length; ++i) dot += at(a, i) * at(b, i);
                CHECK(dot == doctest::Approx(a == b ? gain * gain : 0.0).epsilon(1e-5).scale(1.0));
            }
        }
    }
    CHECK(Initializer(Orthogonal{}).make<T>({0, 4}).shape() == Shape{0, 4});
}

TEST_CASE("constant rules") {
    CHECK(Initializer(Zeros{}).make<float>({2, 3}) == zeros<float>({2, 3}));
    CHECK(Initializer(Ones{}).make<double>({3}) == ones<double>({3}));
    CHECK(Initializer(Constant{.value = 0.1}).make<float>({2}) == full<float>({2}, 0.1f));
    CHECK(Initializer(Identity{.gain = 2.5}).make<float>({2, 3}) ==
          tensor<float>({2, 3}, {2.5f, 0, 0, 0, 2.5f, 0}));
    CHECK(Initializer(Identity{}).make<double>({3, 2}) == tensor<double>({3, 2}, {1, 0, 0, 1, 0, 0}));
}

TEST_CASE(
    "with a seed every call repeats itself, without one none does but set_random_seed repeats them all") {
    const Initializer seeded = HeNormal{.seed = 7};
    CHECK(seeded.make<float>({4, 4}) == seeded.make<float>({4, 4}));

    const Initializer unseeded = GlorotUniform{};
    set_random_seed(123);
    const Tensor<float> first = unseeded.make<float>({4, 4});
    const Tensor<float> second = unseeded.make<float>({4, 4});
    CHECK(first != second);
    set_random_seed(123);
    CHECK(unseeded.make<float>({4, 4}) == first);
    CHECK(unseeded.make<float>({4, 4}) == second);

    set_random_seed(123);
    const std::int64_t seed = make_default_seed();
    CHECK(Initializer(GlorotUniform{.seed = seed}).make<float>({4, 4}) == first);
}

TEST_CASE("an initializer can be given by name") {
    const auto is = [](const Initializer& a, const Initializer& b) { return a == b; };
    CHECK(is("zeros", Zeros{}));
    CHECK(is("Zeros", Zeros{}));
    CHECK(is("zero", Zeros{}));
    CHECK(is("ones", Ones{}));
    CHECK(is("one", Ones{}));
    CHECK(is("constant", Constant{}));
    CHECK(is("uniform", RandomUniform{}));
    CHECK(is("random_uniform", RandomUniform{}));
    CHECK(is("normal", RandomNormal{}));
    CHECK(is("random_normal", RandomNormal{}));
    CHECK(is("truncated_normal", TruncatedNormal{}));
    CHECK(is("variance_scaling", VarianceScaling{}));
    CHECK(is("glorot_uniform", GlorotUniform{}));
    CHECK(is("GlorotUniform", GlorotUniform{}));
    CHECK(is("glorot_normal", GlorotNormal{}));
    CHECK(is("he_uniform", HeUniform{}));
    CHECK(is("he_normal", HeNormal{}));
    CHECK(is("lecun_uniform", LecunUniform{}));
    CHECK(is("lecun_normal", LecunNormal{}));
    CHECK(is(std::string("orthogonal"), Orthogonal{}));
    CHECK(is(std::string_view("identity"), Identity{}));
    CHECK_FALSE(is("glorot_uniform", GlorotUniform{.seed = 1}));
    CHECK(Initializer("he_normal").name() == "HeNormal");
    CHECK_THROWS_WITH_AS(Initializer("glorot"),
                         doctest::Contains("no initializer is called \"glorot\"; there are Zeros"),
                         ValueError);
}

TEST_CASE("initializers are values that fit a config") {
    struct Config {
        Initializer kernel = GlorotUniform{};
        Initializer bias = "zeros";
    };
    const Config config{.kernel = Orthogonal{.gain = 0.5}, .bias = std::string("ones")};
    CHECK(config.kernel.name() == "Orthogonal");
    CHECK(std::get<Orthogonal>(config.kernel.rule()).gain == 0.5);
    CHECK(config.bias == Ones{});
    Config copy = config;
    CHECK(copy.kernel == config.kernel);
    copy.kernel = HeNormal{.seed = 3};
    CHECK(copy.kernel != config.kernel);
}

TEST_CASE("bad arguments and unsuitable shapes are refused by name") {
    const auto make = [](const Initializer& initializer, const Shape& shape) {
        return initializer.make<float>(shape);
    };
    CHECK_THROWS_WITH_AS(
        Initializer(RandomUniform{.minval = 1.0, .maxval = 0.0}),
        doctest::Contains("RandomUniform: minval must be finite and not above maxval, got minval=1"),
        ValueError);
    CHECK_THROWS_WITH_AS(Initializer(RandomNormal{.stddev = -1.0}),
                         "RandomNormal: stddev must be finite and not negative, got -1", ValueError);
    CHECK_THROWS_WITH_AS(Initializer(TruncatedNormal{.mean = std::nan("")}),
                         doctest::Contains("TruncatedNormal: mean"), ValueError);
    CHECK_THROWS_WITH_AS(Initializer(VarianceScaling{.scale = 0.0}),
                         "VarianceScaling: scale must be positive and finite, got 0", ValueError);
    CHECK_THROWS_AS(Initializer(VarianceScaling{.scale = std::nan("")}), ValueError);
    CHECK_THROWS_AS(Initializer(Orthogonal{.gain = INFINITY}), ValueError);
    CHECK_THROWS_AS(Initializer(Identity{.gain = std::nan("")}), ValueError);
    CHECK_THROWS_WITH_AS(make(Orthogonal{}, {4}), "Orthogonal: needs a shape of rank 2 or more, got [4]",
                         ShapeError);
    CHECK_THROWS_WITH_AS(make(Identity{}, {2, 2, 2}), "Identity: needs a shape of rank 2, got [2, 2, 2]",
                         ShapeError);
    CHECK_THROWS_AS(make(HeNormal{.input_axes = {0}, .output_axes = {2}}, {3, 4}), ShapeError);
}

TEST_CASE("a fixture that is not one is refused") {
    CHECK_THROWS_AS(test::read_fixture(test::golden_path("initializers/missing.json")), IoError);
    CHECK_THROWS_AS(
        test::to_tensor<float>(Json::parse(R"({"shape": [3], "dtype": "float32", "data": [1, 2]})")),
        FormatError);
    CHECK_THROWS_AS(
        test::to_tensor<float>(Json::parse(R"({"shape": [1], "dtype": "float32", "data": [null]})")),
        FormatError);
    CHECK_THROWS_AS(test::to_tensor<float>(Json::parse(R"({"shape": [1]})")), FormatError);
    CHECK(test::to_tensor<bool>(Json::parse(R"({"shape": [3], "dtype": "bool", "data": [1, 0, true]})")) ==
          tensor<bool>({3}, {true, false, true}));
    CHECK(test::to_tensor<std::int64_t>(
              Json::parse(R"({"shape": [1], "dtype": "int64", "data": [9007199254740993]})")) ==
          tensor<std::int64_t>({1}, {9007199254740993}));
}
