#include "seqgrad/layers/dropout.hpp"

#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"

using namespace seqgrad;

TEST_CASE("Dropout gives x itself unless it is training") {
    Dropout<float> layer({.rate = 0.9});
    const Variable<float> x = constant(ones<float>({3, 4}));
    CHECK(layer(x).same_as(x));
    layer.set_training(true);
    CHECK_FALSE(layer(x).same_as(x));
    Dropout<float> none({.rate = 0});
    none.set_training(true);
    CHECK(none(x).same_as(x));
}

TEST_CASE("Dropout drops what Keras drops from the same seed, with another draw in each call") {
    // layer = keras.layers.Dropout(.25, noise_shape=(None, 1, None), seed=7), in float64
    // layer(np.ones((2, 2, 3)), training=True), twice
    Dropout<double> layer({.rate = 0.25, .noise_shape = PartialShape{unknown, 1, unknown}, .seed = 7});
    layer.set_training(true);
    const double k = 4.0 / 3.0;
    const Variable<double> x = constant(ones<double>({2, 2, 3}));
    const Tensor<double> first = layer(x).value(), second = layer(x).value();
    CHECK(first == tensor<double>({2, 2, 3}, {k, k, k, k, k, k, k, k, 0, k, k, 0}));
    CHECK(second == tensor<double>({2, 2, 3}, {k, k, 0, k, k, 0, 0, k, 0, 0, k, 0}));
    // keras.layers.Dropout(.5, seed=3)(np.ones((2, 4)), training=True)
    Dropout<double> whole({.rate = 0.5, .seed = 3});
    whole.set_training(true);
    CHECK(whole(constant(ones<double>({2, 4}))).value() == tensor<double>({2, 4}, {2, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_CASE("Dropout without a seed takes one from the default generator, unless it never draws") {
    const GeneratorState before = default_generator().state();
    Dropout<float> none({.rate = 0});
    CHECK(default_generator().state() == before);
    Dropout<float> some({.rate = 0.5});
    CHECK_FALSE(default_generator().state() == before);
}

TEST_CASE("Dropout passes gradients through what it keeps, and none where it drops everything") {
    Dropout<double> layer({.rate = 0.5, .seed = 3});
    layer.set_training(true);
    const Variable<double> x = parameter(full<double>({2, 4}, 3));
    const Variable<double> y = layer(x);
    backward(y, ones<double>({2, 4}));
    CHECK(x.grad() == tensor<double>({2, 4}, {2, 0, 0, 0, 0, 0, 0, 0}));
    Dropout<double> all({.rate = 1});
    all.set_training(true);
    CHECK(all(x).value() == zeros<double>({2, 4}));
}

TEST_CASE("Dropout refuses rates and noise shapes that mean nothing") {
    CHECK_THROWS_WITH_AS(Dropout<float>({.rate = 1.5, .name = "d"}),
                         "Dropout \"d\": rate must be in [0, 1], got 1.5", ValueError);
    CHECK_THROWS_AS(Dropout<float>({.rate = -0.1}), ValueError);
    CHECK_THROWS_WITH_AS(Dropout<float>({.rate = 0.5, .noise_shape = PartialShape{unknown, 0}}),
                         "Dropout: sizes in noise_shape must be at least 1, got (None, 0)", ValueError);
    Dropout<float> layer({.rate = 0.5, .noise_shape = PartialShape{unknown, 1, unknown}, .seed = 1});
    layer.set_training(true);
    CHECK_THROWS_WITH_AS(layer(constant(ones<float>({2, 2}))),
                         "Dropout: noise_shape (None, 1, None) has more axes than x [2, 2]", ShapeError);
    CHECK(layer.generator().state() == GeneratorState{.seed = 1, .counter = 0});
}

namespace {

/// Throws as often as it is asked to.
class Failing : public Module<double> {
  public:
    explicit Failing(bool* fails) : fails_(fails) {}
    std::string type() const override { return "Failing"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override { return input_shape; }

  protected:
    Variable<double> call(const Variable<double>& x) override {
        if (*fails_) throw ValueError("Failing: asked to fail");
        return x;
    }

  private:
    bool* fails_;
};

/// Whether a model that failed gives what it would have given had it not.
template <class Layer>
bool draws_again(const typename Layer::Config& config, const Tensor<double>& input) {
    const Variable<double> x = constant(input);
    bool fails = false;
    Sequential<double> model;
    model.add(Layer(config));
    model.add(Failing(&fails));
    model(x);
    model.set_training(true);
    const ModuleState<double> before = model.state();
    const Tensor<double> expected = model(x).value();
    CHECK(expected != model(x).value());
    model.set_state(before);
    fails = true;
    CHECK_THROWS_AS(model(x), ValueError);
    CHECK_THROWS_AS(model({x}), ValueError);
    fails = false;
    return model(x).value() == expected;
}

}  // namespace

TEST_CASE("a call that fails behind a layer that drops leaves what it drops next as it was") {
    CHECK(draws_again<Dropout<double>>({.rate = 0.5, .seed = 1}, ones<double>({4, 8})));
    const Tensor<double> sequences = ones<double>({4, 3, 2});
    CHECK(draws_again<LSTM<double>>({.units = 4, .dropout = 0.5, .seed = 1}, sequences));
    CHECK(draws_again<GRU<double>>({.units = 4, .recurrent_dropout = 0.5, .seed = 1}, sequences));
}

TEST_CASE("a call that fails leaves alone what a layer drew that has ceased to exist") {
    class Passing : public Module<double> {
      public:
        bool fails = true;
        Dropout<double> kept{{.rate = 0.5, .seed = 2}};
        std::string type() const override { return "Passing"; }

      protected:
        void members(Members<double>& members) override { members.child("kept", kept); }
        Variable<double> call(const Variable<double>& x) override {
            auto passing = std::make_unique<Dropout<double>>(DropoutConfig{.rate = 0.5, .seed = 1});
            passing->set_training(true);
            const Variable<double> y = kept((*passing)(x));
            passing.reset();
            if (fails) throw ValueError("Passing: asked to fail");
            return y;
        }
    };
    Passing model;
    model.set_training(true);
    const Variable<double> x = constant(ones<double>({4, 8}));
    CHECK_THROWS_AS(model(x), ValueError);
    CHECK(model.kept.generator().state() == Generator(2).state());
    model.fails = false;
    model(x);
    CHECK(model.kept.generator().state() != Generator(2).state());
}
