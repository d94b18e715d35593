#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/train/trainer.hpp"

using namespace seqgrad;

// Run by the `tsan` preset, these show every write to what several threads share.

namespace {

constexpr std::size_t threads = 4;

Dataset<float> data_of(std::size_t i) {
    Generator generator(static_cast<std::int64_t>(i));
    return {generator.uniform<float>({40, 5, 2}), generator.uniform<float>({40, 1})};
}

Sequential<float> small_model() {
    return Sequential<float>(GRU<float>({.units = 4, .dropout = 0.2}), Dropout<float>({.rate = 0.2}),
                             Dense<float>({.units = 1}));
}

std::array<Tensor<float>, threads> together(const std::function<Tensor<float>(std::size_t)>& work) {
    std::array<Tensor<float>, threads> results;
    std::vector<std::jthread> all;
    for (std::size_t i = 0; i < threads; ++i) all.emplace_back([&, i] { results[i] = work(i); });
    all.clear();  // waits for them
    return results;
}

}  // namespace

TEST_CASE("threads train models of their own as each alone") {
    const auto trained = [](std::size_t i) {
        set_random_seed(static_cast<std::int64_t>(i));
        Sequential<float> model = small_model();
        Trainer trainer(model, Adam<float>({.learning_rate = 0.01}), MeanSquaredError{});
        const Dataset<float> data = data_of(i);
        trainer.fit(data, {.epochs = 3, .batch_size = 8, .validation_data = data, .verbose = 0, .seed = 1});
        return trainer.predict(data.x);
    };
    const auto results = together(trained);
    const GeneratorState before = default_generator().state();
    for (std::size_t i = 0; i < threads; ++i) CHECK(results[i] == trained(i));
    default_generator().set_state(before);
}

TEST_CASE("threads predict with one trainer") {
    Sequential<float> model = small_model();
    model.build({unknown, 5, 2});
    Trainer trainer(model, Adam<float>(), MeanSquaredError{});
    const auto predicted = [&](std::size_t i) { return trainer.predict(data_of(i).x, 16); };
    const auto results = together(predicted);
    for (std::size_t i = 0; i < threads; ++i) CHECK(results[i] == predicted(i));
}
