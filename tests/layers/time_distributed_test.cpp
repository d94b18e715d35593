#include "seqgrad/layers/time_distributed.hpp"

#include <memory>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"

using namespace seqgrad;

TEST_CASE("TimeDistributed applies its layer to every step") {
    TimeDistributed layer(Flatten<double>{});
    static_assert(std::is_same_v<decltype(layer), TimeDistributed<double>>);
    const Tensor<double> x = Generator(1).normal<double>({2, 3, 2, 2});
    CHECK(elements(layer(constant(x)).value()).size() == 24);
    CHECK(layer(constant(x)).shape() == Shape{2, 3, 4});

    const auto lstm = std::make_shared<LSTM<double>>(LSTMConfig{.units = 3});
    TimeDistributed<double> words(lstm);
    const Variable<double> input = constant(Generator(2).normal<double>({2, 3, 4, 5}));
    const Variable<double> y = words(input);
    CHECK(y.shape() == Shape{2, 3, 3});
    for (std::ptrdiff_t t = 0; t < 3; ++t) {
        const Variable<double> step = (*lstm)(select(input, 1, t));
        for (std::size_t b = 0; b < 2; ++b)
            for (std::size_t u = 0; u < 3; ++u)
                CHECK(y.value()(b, static_cast<std::size_t>(t), u) ==
                      doctest::Approx(step.value()(b, u)).epsilon(1e-14));
    }
}

TEST_CASE("TimeDistributed names its layer in paths, and knows its shapes") {
    TimeDistributed<float> layer(Dense<float>({.units = 5}));
    CHECK(layer.compute_output_shape({unknown, unknown, 3}) == PartialShape{unknown, unknown, 5});
    layer.build({unknown, unknown, 3});
    REQUIRE(layer.parameters().size() == 2);
    CHECK(layer.parameters()[0].name == "layer.kernel");
    CHECK(layer.parameters()[0].variable.shape() == Shape{3, 5});
    CHECK(layer(constant(ones<float>({2, 0, 3}))).shape() == Shape{2, 0, 5});
}

TEST_CASE("TimeDistributed passes a mask of steps on") {
    TimeDistributed<float> layer(Dense<float>({.units = 5}));
    const Mask mask = tensor<bool>({2, 3}, {true, true, false, true, false, false});
    const Variable<float> y = layer(constant(ones<float>({2, 3, 4})).with_mask(mask));
    REQUIRE(y.mask() != nullptr);
    CHECK(*y.mask() == mask);
    CHECK_THROWS_WITH_AS(layer(constant(ones<float>({2, 3, 4})).with_mask(full<bool>({2}, true))),
                         "TimeDistributed: expected a mask [batch=2, time=3, ...], got [2]", ShapeError);
}

TEST_CASE("TimeDistributed gives its layer the inner part of a mask") {
    const Mask mask = tensor<bool>({1, 3, 2}, {true, true, true, false, false, false});
    const Variable<double> x = constant(Generator(3).normal<double>({1, 3, 2, 2})).with_mask(mask);
    TimeDistributed<double> last(LSTM<double>({.units = 2}));
    const Variable<double> y = last(x);
    REQUIRE(y.mask() != nullptr);
    CHECK(*y.mask() == tensor<bool>({1, 3}, {true, true, false}));
    // The second sentence ends after one word, the third has none.
    Tensor<double> changed = x.value();
    for (std::size_t i = 6; i < 12; ++i) changed.data()[i] = 100;
    CHECK(last(constant(changed).with_mask(mask)).value() == y.value());
    CHECK(y.value()(0, 2, 0) == 0);
    TimeDistributed<double> sequences(LSTM<double>({.units = 2, .return_sequences = true}));
    CHECK(*sequences(x).mask() == mask);
}

namespace {

/// A user's container of a layer.
class Wrapper : public Module<float> {
  public:
    explicit Wrapper(LSTMConfig config) : layer_(std::move(config)) {}
    std::string type() const override { return "Wrapper"; }

  protected:
    void members(Members<float>& m) override { m.child("layer", layer_); }
    Variable<float> call(const Variable<float>& x) override { return layer_(x); }

  private:
    LSTM<float> layer_;
};

}  // namespace

TEST_CASE("TimeDistributed refuses what has no steps, and stateful layers wherever they are") {
    TimeDistributed<float> layer(Dense<float>({.units = 5}));
    CHECK_THROWS_WITH_AS(
        layer(constant(ones<float>({2, 3}))),
        "TimeDistributed: expected x [batch, time, ...] (rank 3 or more), got (None, 3) (rank 2)",
        ShapeError);
    CHECK_THROWS_AS(TimeDistributed<float>(std::shared_ptr<Module<float>>()), ValueError);
    const LSTMConfig stateful{.units = 2, .stateful = true, .name = "memory"};
    CHECK_THROWS_WITH_AS(TimeDistributed<float>(LSTM<float>(stateful)),
                         "TimeDistributed: LSTM \"memory\" is stateful, but its batches here are of steps as "
                         "well as samples",
                         ValueError);
    CHECK_THROWS_AS(TimeDistributed<float>(Bidirectional<float>(LSTM<float>(stateful))), ValueError);
    CHECK_THROWS_AS(TimeDistributed<float>(Sequential<float>{Dropout<float>({}), LSTM<float>(stateful)}),
                    ValueError);
    CHECK_THROWS_AS(TimeDistributed<float>(Wrapper(stateful)), ValueError);
}
