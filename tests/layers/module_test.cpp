#include "seqgrad/layers/module.hpp"

#include <memory>
#include <string>
#include <vector>

#include "support/toy_modules.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"

using namespace seqgrad;
using test::Affine;

namespace {

/// Two layers, one of them used twice.
class Twice : public Module<double> {
  public:
    std::string type() const override { return "Twice"; }
    Affine<double> inner;
    Affine<double> outer;

  protected:
    void members(Members<double>& m) override {
        m.child("inner", inner);
        m.child("outer", outer);
        m.child("again", inner);
    }
    Variable<double> call(const Variable<double>& x) override { return outer(inner(inner(x))); }
};

class Odd : public Module<double> {
  public:
    explicit Odd(int kind) : kind_(kind) {}
    std::string type() const override { return "Odd"; }

  protected:
    void members(Members<double>& m) override {
        switch (kind_) {
            case 0:
                m.parameter("w", a_);
                m.parameter("w", b_);
                break;
            case 1:
                m.child("self", *this);
                break;
            case 2:
                m.parameter("a.b", a_);
                break;
            default:
                m.parameter("", a_);
        }
    }

  private:
    int kind_;
    Variable<double> a_;
    Variable<double> b_;
};

/// Two layers and a parameter of its own that is there from the start; a call throws at its end while
/// `fails`.
class Failing : public Module<double> {
  public:
    std::string type() const override { return "Failing"; }
    PartialShape compute_output_shape(const PartialShape& x) const override {
        return dense.compute_output_shape(norm.compute_output_shape(x));
    }
    Dense<double> dense{{.units = 3}};
    LayerNormalization<double> norm;
    Variable<double> scale = parameter(full<double>({}, 2.0));
    bool fails = true;

  protected:
    void members(Members<double>& m) override {
        m.child("dense", dense);
        m.child("norm", norm);
        m.parameter("scale", scale);
    }
    Variable<double> call(const Variable<double>& x) override {
        const Variable<double> y = dense(norm(x)) * scale;
        if (fails) throw ValueError("Failing: fails");
        return y;
    }
};

/// x W y, whose parameter depends on the shapes of both inputs.
class Bilinear : public Module<double> {
  public:
    std::string type() const override { return "Bilinear"; }

  protected:
    void members(Members<double>& m) override { m.parameter("w", w_); }
    void build_several(const std::vector<PartialShape>& shapes) override {
        if (shapes.size() != 2) throw ValueError("Bilinear: takes two inputs");
        w_ = parameter(ones<double>(
            {static_cast<std::size_t>(shapes[0].back()), static_cast<std::size_t>(shapes[1].back())}));
    }
    std::vector<Variable<double>> call_several(const std::vector<Variable<double>>& inputs) override {
        return {vecdot(matmul(inputs[0], w_), inputs[1])};
    }

  private:
    Variable<double> w_;
};

}  // namespace

TEST_CASE("partial shapes print as Keras prints them") {
    CHECK(to_string(PartialShape{}) == "()");
    CHECK(to_string(PartialShape{unknown}) == "(None,)");
    CHECK(to_string(PartialShape{unknown, 24, 1}) == "(None, 24, 1)");
    CHECK(any_batch({32, 5}) == PartialShape{unknown, 5});
}

TEST_CASE("a module is built for all of its inputs") {
    Bilinear called, built;
    CHECK_THROWS_WITH_AS(called({constant(ones<double>({3, 2}))}), "Bilinear: takes two inputs", ValueError);
    CHECK_FALSE(called.built());
    const auto y = called({constant(ones<double>({3, 2})), constant(ones<double>({3, 4}))});
    CHECK(y[0].value() == full<double>({3}, 8.0));
    built.build_for({{unknown, 2}, {unknown, 4}});
    CHECK(built.parameters()[0].variable.shape() == Shape{2, 4});
    CHECK_THROWS_WITH_AS(Twice().build_for({}), "Twice: built without an input", ValueError);
    Affine<double> first;
    first.build_for({{unknown, 5}, {unknown, 7}});
    CHECK(first.scale.shape() == Shape{5});
}

TEST_CASE("a first call or build that fails takes back what it built inside") {
    Failing model;
    model.dense.set_name("dense");
    const auto unbuilt = [&] {
        CHECK_FALSE(model.built());
        CHECK_FALSE(model.dense.built());
        CHECK_FALSE(model.norm.built());
        CHECK(model.dense.output_shape().empty());
        CHECK(model.parameters().size() == 1);
    };
    CHECK_THROWS_WITH_AS(model(constant(ones<double>({2, 4}))), "Failing: fails", ValueError);
    unbuilt();
    CHECK_THROWS_AS(model.build({unknown, 4}), ValueError);
    unbuilt();
    model.fails = false;
    CHECK(model(constant(ones<double>({2, 5}))).shape() == Shape{2, 3});
    CHECK(model.parameters().size() == 5);
    CHECK(model.dense.parameters()[0].variable.shape() == Shape{5, 3});

    // What was built before stays, also in a call that fails.
    Failing half;
    half.norm.build({unknown, 4});
    CHECK_THROWS_AS(half(constant(ones<double>({2, 4}))), ValueError);
    CHECK(half.norm.built());
    CHECK_FALSE(half.dense.built());
    half.fails = true;
    CHECK_THROWS_AS(half(constant(ones<double>({2, 5}))), ShapeError);

    // Layers beside one that fails.
    Sequential<double> layers;
    layers.add(LayerNormalization<double>());
    auto failing = std::make_shared<Failing>();
    layers.add(failing);
    CHECK_THROWS_AS(layers(constant(ones<double>({2, 4}))), ValueError);
    CHECK(layers.parameters().size() == 1);
    CHECK(layers.output_shape().empty());
    failing->fails = false;
    CHECK(layers(constant(ones<double>({2, 7}))).shape() == Shape{2, 3});
}

TEST_CASE("parameters have dotted paths in order of definition, each once") {
    Twice model;
    CHECK(model.parameters().empty());  // not built
    model(constant(ones<double>({2, 3})));
    std::string names;
    for (const auto& [name, variable] : model.parameters()) names += name + to_string(variable.shape()) + " ";
    CHECK(names == "inner.scale[3] inner.shift[3] outer.scale[3] outer.shift[3] ");
    CHECK(model.parameter_count() == 12);
    CHECK(model.output_shape() == PartialShape{unknown, 3});
}

TEST_CASE("a shared layer gets the gradients of all its uses") {
    Twice model;
    const Variable<double> y = model(constant(full<double>({1, 1}, 5)));  // ((x s + h) s + h) S + H
    backward(y);
    CHECK(model.inner.scale.grad()(0) == 10);
    CHECK(model.inner.shift.grad()(0) == 2);
}

TEST_CASE("moving a model keeps its parameters") {
    Twice first;
    first(constant(ones<double>({1, 3})));
    const Variable<double> scale = first.inner.scale;
    Twice second = std::move(first);
    CHECK(second.parameters().size() == 4);
    CHECK(second.parameters()[0].variable.same_as(scale));
    CHECK(second.built());
}

TEST_CASE("bad members are refused by name") {
    CHECK_THROWS_WITH_AS(Odd(0).parameters(), "Odd: two members are named \"w\"", ValueError);
    CHECK_THROWS_WITH_AS(Odd(1).parameters(), "Odd: the module at \"self\" contains itself", ValueError);
    CHECK_THROWS_AS(Odd(2).parameters(), ValueError);
    CHECK_THROWS_AS(Odd(3).parameters(), ValueError);
    Odd odd(4);
    CHECK_THROWS_WITH_AS(odd(constant(ones<double>({1}))),
                         "Odd: a member is named \"\"; names are not empty and hold no dot", ValueError);
    CHECK_THROWS_AS(odd.compute_output_shape({1}), ValueError);
}

TEST_CASE("the training mode reaches every module inside") {
    Twice model;
    CHECK_FALSE(model.inner.training());
    model.set_training(true);
    CHECK(model.training());
    CHECK(model.inner.training());
    CHECK(model.outer.training());
    model.set_training(false);
    CHECK_FALSE(model.outer.training());
}

TEST_CASE("Sequential chains layers, names and builds them") {
    Sequential model{Affine<double>(), Affine<double>("head"), Affine<double>()};
    static_assert(std::is_same_v<decltype(model), Sequential<double>>);
    CHECK(model.size() == 3);
    CHECK(model[2].name() == "affine_1");
    CHECK_FALSE(model.built());
    model.build({unknown, 4});
    CHECK(model.built());
    CHECK(model.parameter_count() == 24);
    CHECK(model.parameters()[2].name == "head.scale");
    CHECK(model.compute_output_shape({unknown, 4}) == PartialShape{unknown, 4});
    CHECK(model(constant(full<double>({2, 4}, 3))).value() == full<double>({2, 4}, 3));
    CHECK_THROWS_AS(model[3], ValueError);
    model.add(Affine<double>());
    CHECK(model[3].built());
    CHECK(model.parameters().back().name == "affine_2.shift");
    CHECK(model(constant(full<double>({2, 4}, 3))).shape() == Shape{2, 4});
}

TEST_CASE("Sequential takes layers that do not say their output shape") {
    /// Twice the features, computed by a layer of its own.
    class Silent : public Module<double> {
      public:
        std::string type() const override { return "Silent"; }

      protected:
        void members(Members<double>& m) override { m.child("dense", dense_); }
        Variable<double> call(const Variable<double>& x) override { return dense_(x); }

      private:
        Dense<double> dense_{{.units = 6}};
    };
    const auto make = [] {
        return Sequential<double>{Dense<double>({.units = 3}), Silent(), Dense<double>({.units = 2})};
    };
    Sequential<double> called = make();
    CHECK(called(ones<double>({4, 5})).shape() == Shape{4, 2});
    Sequential<double> built = make();
    built.build({unknown, 5});
    Sequential<double> added{InputLayer<double>({.shape = {5}}), Dense<double>({.units = 3}), Silent(),
                             Dense<double>({.units = 2})};
    for (const Sequential<double>* model : {&called, &built, &added}) {
        CHECK(model->built());
        CHECK(model->parameter_count() == 5 * 3 + 3 + 3 * 6 + 6 + 6 * 2 + 2);
        CHECK(model->output_shape() == PartialShape{unknown, 2});
        CHECK(model->input_shape() == PartialShape{unknown, 5});
    }
    CHECK_THROWS_WITH_AS(
        built.compute_output_shape({unknown, 5}),
        "Silent \"silent\": does not say its output shape; call it once instead, or override "
        "compute_output_shape",
        ValueError);
    CHECK_THROWS_AS(make()(ones<double>({4})), ShapeError);
    CHECK_THROWS_AS(make().build({unknown, unknown}), ShapeError);
}

TEST_CASE("Sequential refuses a layer that would make it contain itself") {
    const auto model = std::make_shared<Sequential<double>>();
    const char* const why =
        "Sequential: add was given a layer that holds this model, which would contain itself";
    CHECK_THROWS_WITH_AS(model->add(std::shared_ptr<Module<double>>(model)), why, ValueError);
    const auto outer = std::make_shared<Sequential<double>>();
    outer->add(std::shared_ptr<Module<double>>(model));
    CHECK_THROWS_AS(model->add(std::shared_ptr<Module<double>>(outer)), ValueError);
    CHECK(model->size() == 0);
}

TEST_CASE("Sequential's output has the mask that its last layer gives it") {
    const Variable<double> x = constant(ones<double>({2, 3, 4})).with_mask(full<bool>({2, 3}, true));
    CHECK(Sequential{Affine<double>()}(x).mask() == nullptr);
    CHECK(Sequential{Dropout<double>({})}(x).mask() == x.mask());  // hands x itself on
    CHECK(Sequential{Dropout<double>({}), Flatten<double>()}(x).mask() == nullptr);
}

TEST_CASE("regularizers and constraints leave frozen parameters alone") {
    Dense<double> layer({.units = 1,
                         .kernel_initializer = Constant{-2},
                         .kernel_regularizer = L2{.l2 = 1},
                         .kernel_constraint = NonNeg{}});
    layer.build({unknown, 3});
    CHECK(layer.regularization_loss().item() == 12);
    Variable<double> kernel = layer.kernel();
    kernel.set_requires_grad(false);
    CHECK_FALSE(layer.regularization_loss());
    CHECK_FALSE(layer.apply_constraints());
    CHECK(kernel.value() == full<double>({3, 1}, -2));
    kernel.set_requires_grad(true);
    CHECK(layer.apply_constraints());
    CHECK(kernel.value() == zeros<double>({3, 1}));
}

TEST_CASE("Sequential refuses two layers of one name and leaves all unbuilt when one does not fit") {
    Sequential<double> model;
    model.add(Affine<double>("a"));
    CHECK_THROWS_WITH_AS(model.add(Affine<double>("a")), "Sequential: two layers are named \"a\"",
                         ValueError);
    CHECK_THROWS_AS(model.add(std::shared_ptr<Module<double>>()), ValueError);
    CHECK_THROWS_WITH_AS(model.add(Affine<double>("a.b")),
                         "Sequential: a layer is named \"a.b\"; the dot separates names in paths",
                         ValueError);
    CHECK(model.size() == 1);
    CHECK_THROWS_AS(model.build({}), ShapeError);
    CHECK_FALSE(model.built());
    CHECK_FALSE(model[0].built());
}

TEST_CASE("summary lists layers, output shapes and parameters") {
    Sequential model{Affine<double>(), Affine<double>("head")};
    CHECK(model.summary().find("? (not built)") != std::string::npos);
    model.build({unknown, 600});
    CHECK(model.summary() ==
          "Sequential\n"
          "----------------------------------------\n"
          " Layer (type)     Output shape  Param #\n"
          "----------------------------------------\n"
          " affine (Affine)  (None, 600)     1,200\n"
          " head (Affine)    (None, 600)     1,200\n"
          "----------------------------------------\n"
          "Total params: 2,400 (19,200 bytes)\n"
          "Trainable params: 2,400\n");
}

TEST_CASE("what a module remembers can be kept and given back, exactly") {
    const auto x = constant(Generator(1).uniform<double>({2, 3, 4}));
    Sequential<double> model;
    model.add(LSTM<double>({.units = 3, .dropout = 0.3, .return_sequences = true, .stateful = true}));
    model.add(Dropout<double>({.rate = 0.4}));
    model.add(Dropout<double>({.rate = 0.0}));
    model.add(Bidirectional<double>(GRU<double>({.units = 2, .recurrent_dropout = 0.2})));
    model.set_training(true);
    const auto names = [](const auto& all) {
        std::vector<std::string> names;
        for (const auto& [name, value] : all) names.push_back(name);
        return names;
    };
    const ModuleState<double> unused = model.state();
    CHECK(names(unused.generators) == std::vector<std::string>{"bidirectional.backward_layer.generator",
                                                               "bidirectional.forward_layer.generator",
                                                               "dropout.generator", "lstm.generator"});
    CHECK(names(unused.states) == std::vector<std::string>{"lstm.states"});
    CHECK(unused.states.at("lstm.states").empty());
    model(x);
    const ModuleState<double> kept = model.state();
    CHECK(kept.states.at("lstm.states").size() == 2);
    const Tensor<double> second = model(x).value(), third = model(x).value();
    CHECK(second != third);
    model.set_state(kept);
    CHECK(model(x).value() == second);
    CHECK(model(x).value() == third);
    model.set_state(unused);
    CHECK(model.state().generators == unused.generators);

    ModuleState<double> wrong = kept;
    wrong.generators.erase("dropout.generator");
    wrong.states["other"] = {};
    const ModuleState<double> before = model.state();
    CHECK_THROWS_WITH_AS(
        model.set_state(wrong),
        "Sequential: not the state of such a module: it has no generator \"dropout.generator\", an "
        "unexpected state \"other\"",
        ValueError);
    CHECK(model.state().generators == before.generators);
}

TEST_CASE("a module gives those directly inside it, in order, by name") {
    Twice twice;
    const auto children = twice.children();
    REQUIRE(children.size() == 3);
    CHECK(children[0].name == "inner");
    CHECK(children[1].module == &twice.outer);
    CHECK(children[2].name == "again");
    CHECK(children[2].module == &twice.inner);

    GRU<double> gru({.units = 2});
    REQUIRE(gru.children().size() == 1);
    CHECK(gru.children()[0].name.empty());
    CHECK(gru.children()[0].module == &gru.cell());
    CHECK(gru.cell().children().empty());
}

TEST_CASE("a module says where others are inside it") {
    Sequential<double> model;
    const auto layer = std::make_shared<Bidirectional<double>>(GRU<double>({.units = 2}));
    model.add(layer);
    CHECK(model.path_to(model) == "");
    CHECK(model.path_to(*layer) == "bidirectional");
    CHECK_FALSE(layer->path_to(model));
}
