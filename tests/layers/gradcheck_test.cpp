#include "seqgrad/layers/gradcheck.hpp"

#include <string>
#include <vector>

#include "support/toy_modules.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/model.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"

using namespace seqgrad;

namespace {

using V = Variable<double>;

V draw(const Shape& shape) {
    return parameter(Generator(7).normal<double>(shape));
}

/// x * weight with a gradient of the weight that is `factor` times too large, and a weight that has no part
/// in it.
class Faulty : public Module<double> {
  public:
    explicit Faulty(double factor, bool idle = false) : factor_(factor), idle_(idle) {}
    std::string type() const override { return "Faulty"; }

  protected:
    void members(Members<double>& m) override {
        m.parameter("weight", weight_);
        if (idle_) m.parameter("idle", spare_);
    }
    void build_parameters(const PartialShape&) override {
        weight_ = parameter(tensor<double>({1}, {1.5}));
        spare_ = parameter(tensor<double>({1}, {2}));
    }
    V call(const V& x) override {
        return record("faulty", Tensor<double>(x.value() * weight_.value()), {x, weight_},
                      [x = save(x), w = save(weight_), factor = factor_](Backward<double>& pass) {
                          pass.accumulate(0, Tensor<double>(pass.grad() * w.value()));
                          pass.accumulate(1, Tensor<double>(factor * pass.grad() * x.value()));
                      });
    }

  private:
    double factor_;
    bool idle_;
    V weight_, spare_;
};

/// One layer used for both inputs, and another one for their sum.
class Siamese : public Model<double> {
  protected:
    void members(Members<double>& m) override {
        m.child("encoder", encoder_);
        m.child("out", out_);
    }
    std::vector<V> call_several(const std::vector<V>& inputs) override {
        check_inputs(inputs, 2);
        const V a = encoder_(inputs[0]), b = encoder_(inputs[1]);
        return {out_(a + b), a * b};
    }

  private:
    SimpleRNN<double> encoder_{{.units = 3}};
    Dense<double> out_{{.units = 2}};
};

}  // namespace

TEST_CASE("gradcheck of a model checks its input and its weights, by name") {
    Faulty right(1);
    const GradcheckReport good = gradcheck(right, draw({2, 3}));
    CHECK_MESSAGE(good.passed, good.message());
    CHECK(good.compared == 6 * 6 + 6);
    CHECK(gradcheck(right, draw({2, 3}).detach()).compared == 6);

    Faulty wrong(2);
    const GradcheckReport bad = gradcheck(wrong, draw({2, 3}));
    CHECK(bad.outcome == GradcheckOutcome::wrong_gradient);
    CHECK(bad.input == 1);
    CHECK(bad.input_name == "weight");
    CHECK(bad.message().find("d input \"weight\" [0] is ") != std::string::npos);
    // Nothing wrong with x.
    wrong.parameters()[0].variable.set_requires_grad(false);
    CHECK(gradcheck(wrong, draw({2, 3})).passed);

    Faulty idle(1, true);
    const GradcheckReport unused = gradcheck(idle, draw({2, 3}));
    CHECK(unused.outcome == GradcheckOutcome::unused_input);
    CHECK(unused.input_name == "idle");
    CHECK(gradcheck(idle, draw({2, 3}), {.allow_unused = true}).passed);
}

TEST_CASE("gradcheck of a model leaves it as it was") {
    Sequential<double> model{LSTM<double>({.units = 2, .return_sequences = true, .stateful = true}),
                             Dropout<double>({.rate = 0.5, .seed = 3}), Dense<double>({.units = 2})};
    model.set_training(true);
    const V x = draw({2, 3, 2});
    model(x);
    const auto before = model.parameters();
    const auto state = model.state();
    Variable<double>(before[0].variable).mutable_data()[0] = 0.25;
    const GradcheckReport report = gradcheck(model, x);
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.input_name != "");
    const auto after = model.parameters();
    REQUIRE(after.size() == before.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
        CHECK(after[i].variable.same_as(before[i].variable));
        CHECK_FALSE(after[i].variable.has_grad());
    }
    CHECK(after[0].variable.value().data()[0] == 0.25);
    CHECK(model.state().generators == state.generators);
    CHECK(model.state().states == state.states);
    CHECK_FALSE(x.has_grad());
    // Also when a call throws.
    CHECK_THROWS_AS(gradcheck(model, draw({2, 3, 5})), ShapeError);
    CHECK(model.parameters()[0].variable.same_as(before[0].variable));
    CHECK(model.state().states == state.states);
    CHECK_THROWS_AS(gradcheck(model, V()), ValueError);
    CHECK_THROWS_AS(gradcheck(model, x, {.input_names = {"x"}}), ValueError);
}

TEST_CASE("gradcheck of models of several inputs and outputs, of masks and of a layer used twice") {
    Siamese twice;
    const GradcheckReport report = gradcheck(twice, {draw({2, 3, 2}), draw({2, 4, 2}).detach()});
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.compared == (4 + 6) * (12 + 6 + 9 + 3 + 6 + 2));

    Sequential<double> ids{Embedding<double>({.input_dim = 4, .output_dim = 3, .mask_zero = true}),
                           Bidirectional<double>(GRU<double>({.units = 2}))};
    const GradcheckReport masked = gradcheck(ids, constant(tensor<double>({2, 3}, {1, 2, 0, 3, 0, 0})));
    CHECK_MESSAGE(masked.passed, masked.message());

    // A mask of x itself counts.
    SimpleRNN<double> rnn({.units = 2});
    const V x = draw({1, 3, 2});
    const Mask last_left_out = tensor<bool>({1, 3}, {true, true, false});
    rnn(x);
    const GradcheckReport whole = gradcheck(rnn, x), part = gradcheck(rnn, x.with_mask(last_left_out));
    CHECK(whole.passed);
    CHECK(part.passed);
}
