#include "seqgrad/layers/model.hpp"

#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <unistd.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/weights.hpp"

using namespace seqgrad;

namespace {

/// Two sentences through the same layers: their similarity, and the code of the first.
class Similarity : public Model<double> {
  public:
    Similarity() : Model("similarity") {}
    Embedding<double> words{{.input_dim = 5, .output_dim = 3, .mask_zero = true}};
    LSTM<double> encoder{{.units = 2}};
    Dense<double> scale{{.units = 1}};

  protected:
    void members(Members<double>& m) override {
        m.child("words", words);
        m.child("encoder", encoder);
        m.child("encoder_again", encoder);
        m.child("scale", scale);
    }
    std::vector<Variable<double>> call_several(const std::vector<Variable<double>>& inputs) override {
        check_inputs(inputs, 2);
        const Variable<double> a = encoder(words(inputs[0]));
        const Variable<double> b = encoder(words(inputs[1]));
        return {scale(a * b), a};
    }
};

/// One label for every word; optionally something that ends the mask.
class Tagger : public Model<double> {
  public:
    explicit Tagger(bool flat = false) : flat_(flat) {}

  protected:
    void members(Members<double>& m) override {
        m.child("words", words_);
        m.child("rnn", rnn_);
        m.child("drop", drop_);
    }
    Variable<double> call(const Variable<double>& x) override {
        const Variable<double> y = drop_(rnn_(words_(x)));
        return flat_ ? end_(y) : y;
    }

  private:
    bool flat_;
    Embedding<double> words_{{.input_dim = 5, .output_dim = 3, .mask_zero = true}};
    LSTM<double> rnn_{{.units = 2, .return_sequences = true}};
    Dropout<double> drop_{{.rate = 0.5}};
    Flatten<double> end_;
};

const Variable<double> first = constant(tensor<double>({2, 3}, {1, 2, 0, 3, 0, 0}));
const Variable<double> second = constant(tensor<double>({2, 2}, {4, 1, 2, 0}));

}  // namespace

TEST_CASE("a model takes several inputs and gives several outputs") {
    Similarity model;
    CHECK(model.description() == "Model \"similarity\"");
    const std::vector<Variable<double>> y = model({first, second});
    REQUIRE(y.size() == 2);
    CHECK(y[0].shape() == Shape{2, 1});
    CHECK(y[1].shape() == Shape{2, 2});
    CHECK(model.output_shape() == PartialShape{unknown, 1});
    CHECK_THROWS_WITH_AS(model({first}), "Model \"similarity\": takes 2 inputs, got 1", ValueError);
    CHECK_THROWS_WITH_AS(model(first), "Model \"similarity\": takes 2 inputs, got 1", ValueError);
}

TEST_CASE("a model with call_several alone takes one input like any other") {
    // Two outputs of one input.
    class Heads : public Model<double> {
      protected:
        void members(Members<double>& m) override {
            m.child("first", first_);
            m.child("second", second_);
        }
        std::vector<Variable<double>> call_several(const std::vector<Variable<double>>& inputs) override {
            check_inputs(inputs, 1);
            return {first_(inputs[0]), second_(inputs[0])};
        }

      private:
        Dense<double> first_{{.units = 2}}, second_{{.units = 3}};
    };
    Heads model;
    const Variable<double> x = constant(ones<double>({4, 5}));
    const Variable<double> y = model(x);
    CHECK(y.shape() == Shape{4, 2});
    CHECK(y.value() == model({x})[0].value());
    class Nothing : public Model<double> {};
    CHECK_THROWS_WITH_AS(Nothing()(x), "Model: has neither call nor call_several", ValueError);
    CHECK_THROWS_WITH_AS(Nothing()({x}), "Model: has neither call nor call_several", ValueError);
}

TEST_CASE("a user's model is built with all of its layers, or not at all") {
    Tagger built, called;
    built.set_training(true);
    built.build({unknown, 4});
    CHECK(built.built());
    CHECK(built.training());
    called(constant(zeros<double>({2, 4})));
    REQUIRE(built.parameters().size() == called.parameters().size());
    REQUIRE_FALSE(built.parameters().empty());
    for (std::size_t i = 0; i < built.parameters().size(); ++i)
        CHECK(built.parameters()[i].variable.shape() == called.parameters()[i].variable.shape());
    CHECK(weights_to_json(built).find("rnn.recurrent_kernel") != std::string::npos);

    Similarity two;
    two.build_for({{unknown, 3}, {unknown, 2}});
    CHECK(two.parameters().size() == 6);
    CHECK(two.output_shape() == PartialShape{unknown, 1});

    Tagger steps_unknown;
    CHECK_THROWS_WITH_AS(
        steps_unknown.build({unknown, unknown}),
        "Model: cannot be built for (None, None): its layers are built by a call, which needs all "
        "sizes but that of the batch; call it once with a batch instead",
        ValueError);
    CHECK_FALSE(steps_unknown.built());
    Similarity one;
    CHECK_THROWS_WITH_AS(
        one.build({unknown, 3}),
        "Model \"similarity\": cannot be built for (None, 3): its layers are built by a call, and "
        "one with zeros threw: Model \"similarity\": takes 2 inputs, got 1; call it once with a "
        "batch instead",
        ValueError);
    CHECK_FALSE(one.built());
    CHECK_THROWS_WITH_AS(weights_to_json(one), doctest::Contains("has no weights yet"), ValueError);
}

TEST_CASE("a model whose first call throws is not built") {
    class Halfway : public Model<double> {
      public:
        bool fails = true;
        Dense<double> first{{.units = 2}}, second{{.units = 2}};

      protected:
        void members(Members<double>& m) override {
            m.child("first", first);
            m.child("second", second);
        }
        Variable<double> call(const Variable<double>& x) override {
            const Variable<double> y = first(x);
            if (fails) throw ValueError("fails");
            return second(y);
        }
    };
    Halfway model;
    const Variable<double> x = constant(ones<double>({1, 3}));
    CHECK_THROWS_WITH_AS(model(x), "fails", ValueError);
    CHECK_FALSE(model.built());
    CHECK_THROWS_WITH_AS(weights_to_json(model), doctest::Contains("has no weights yet"), ValueError);
    model.fails = false;
    model(x);
    CHECK(model.built());
    CHECK(model.parameters().size() == 4);
    model.fails = true;
    CHECK_THROWS_AS(model(x), ValueError);
    CHECK(model.built());
}

TEST_CASE("building by a call forgets what the call made the model remember") {
    class Stateful : public Model<double> {
      public:
        LSTM<double> rnn{{.units = 2, .stateful = true}};

      protected:
        void members(Members<double>& m) override { m.child("rnn", rnn); }
        Variable<double> call(const Variable<double>& x) override { return rnn(x); }
    };
    Stateful model;
    model.build({unknown, 3, 1});
    CHECK(model.rnn.states().empty());
    CHECK(model(constant(ones<double>({4, 3, 1}))).shape() == Shape{4, 2});
}

TEST_CASE("a layer used twice has its parameters once, with the gradients of both uses") {
    Similarity model;
    const std::vector<Variable<double>> y = model({first, second});
    const auto parameters = model.parameters();
    REQUIRE(parameters.size() == 6);
    CHECK(parameters[0].name == "words.embeddings");
    CHECK(parameters[1].name == "encoder.kernel");
    CHECK(parameters[5].name == "scale.bias");
    backward(sum(y[0]));
    const Tensor<double> both = model.encoder.kernel().grad();

    // The same through each use alone, the other one detached.
    Variable<double> kernel = model.encoder.kernel();
    kernel.clear_grad();
    const Variable<double> a = model.encoder(model.words(first)), b = model.encoder(model.words(second));
    backward(sum(model.scale(a * b.detach())));
    backward(sum(model.scale(a.detach() * b)));
    REQUIRE(both.size() == kernel.grad().size());
    for (std::size_t i = 0; i < both.size(); ++i)
        CHECK(both.data()[i] == doctest::Approx(kernel.grad().data()[i]).epsilon(1e-12));
}

TEST_CASE("what a layer makes of padding does not reach the model's outputs") {
    Similarity model;
    const Tensor<double> code = model({first, second})[1].value();
    const Variable<double> longer = constant(tensor<double>({2, 4}, {1, 2, 0, 0, 3, 0, 0, 0}));
    CHECK(model({longer, second})[1].value() == code);
}

TEST_CASE("a model's output has the mask that its last layer gave it") {
    Tagger model;
    const Variable<double> y = model(first);
    REQUIRE(y.mask() != nullptr);
    CHECK(*y.mask() == tensor<bool>({2, 3}, {true, true, false, true, false, false}));
    CHECK(Tagger(true)(first).mask() == nullptr);
    CHECK(model({first}).size() == 1);  // the call with a list is there, too
    CHECK(model({first})[0].mask() != nullptr);
}

TEST_CASE("a model's mode, weights and summary are those of its layers") {
    Tagger model;
    model(first);
    model.set_training(true);
    CHECK_FALSE(model(first).value() == model(first).value());  // dropout
    model.set_training(false);
    const Tensor<double> y = model(first).value();
    CHECK(model.summary().find("rnn (LSTM)") != std::string::npos);
    CHECK(model.summary().find("Total params: 63") != std::string::npos);

    const auto path = std::filesystem::temp_directory_path() /
                      ("seqgrad_model_test_" + std::to_string(::getpid()) + ".json");
    save_weights(model, path);
    Tagger other;
    other(first);
    CHECK_FALSE(other(first).value() == y);
    load_weights(other, path);
    CHECK(other(first).value() == y);
    std::filesystem::remove(path);
}
