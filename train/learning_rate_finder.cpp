#include "seqgrad/train/learning_rate_finder.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/internal/building.hpp"

namespace seqgrad {

namespace {

void check(const LearningRateFinderOptions& options) {
    const auto require = [](bool holds, const char* name, const char* range, double value) {
        if (!holds)
            throw ValueError(fmt::format("find_learning_rate: {} must be {}, got {}", name, range, value));
    };
    require(std::isfinite(options.min_rate) && options.min_rate > 0, "min_rate", "finite and above 0",
            options.min_rate);
    require(std::isfinite(options.max_rate) && options.max_rate > options.min_rate, "max_rate",
            "finite and above min_rate", options.max_rate);
    require(options.steps >= 2, "steps", "at least 2", static_cast<double>(options.steps));
    require(options.smoothing >= 0 && options.smoothing < 1, "smoothing", "in [0, 1)", options.smoothing);
    require(options.divergence > 1, "divergence", "above 1", options.divergence);
}

/// Keeps weights, gradients, optimizer, the default generator and what the model remembers, and gives them
/// back at its end.
template <class T>
class Experiment {
  public:
    explicit Experiment(Trainer<T>& trainer)
        : trainer_(trainer),
          parameters_(detail::build_optimizer(trainer.optimizer(), trainer.model())),
          model_(trainer.model().state()),
          optimizer_(trainer.optimizer().state()),
          generator_(default_generator().state()) {
        for (const Variable<T>& p : parameters_) {
            weights_.push_back(p.value());
            gradients_.push_back(p.has_grad() ? std::optional(p.grad()) : std::nullopt);
        }
    }
    ~Experiment() {
        for (std::size_t i = 0; i < parameters_.size(); ++i) {
            parameters_[i].assign(weights_[i]);
            parameters_[i].clear_grad();
            if (gradients_[i]) parameters_[i].set_grad(std::move(*gradients_[i]));
        }
        default_generator().set_state(generator_);
        trainer_.optimizer().set_state(optimizer_);
        trainer_.model().set_state(model_);
    }
    Experiment(const Experiment&) = delete;
    Experiment& operator=(const Experiment&) = delete;

  private:
    Trainer<T>& trainer_;
    std::vector<Variable<T>> parameters_;
    std::vector<Tensor<T>> weights_;
    std::vector<std::optional<Tensor<T>>> gradients_;
    ModuleState<T> model_;
    OptimizerState<T> optimizer_;
    GeneratorState generator_;
};

}  // namespace

double LearningRateCurve::suggestion() const {
    double steepest = 0.0, rate = 0.0;
    for (std::size_t i = 1; i + 1 < smoothed.size(); ++i) {
        const double slope =
            (smoothed[i + 1] - smoothed[i - 1]) / (std::log(rates[i + 1]) - std::log(rates[i - 1]));
        if (slope < steepest) {
            steepest = slope;
            rate = rates[i];
        }
    }
    if (rate == 0.0) throw ValueError("learning rate curve: the loss falls at no rate");
    return rate;
}

std::string LearningRateCurve::table() const {
    std::string out = fmt::format("{:>10}  {:>10}  {:>10}\n", "rate", "loss", "smoothed");
    for (std::size_t i = 0; i < rates.size(); ++i)
        out += fmt::format("{:>10.3g}  {:>10.4g}  {:>10.4g}\n", rates[i], losses[i], smoothed[i]);
    return out;
}

template <class T>
LearningRateCurve find_learning_rate(Trainer<T>& trainer, BatchSource<T>& source,
                                     const LearningRateFinderOptions& options) {
    check(options);
    // A copy of the default generator, which only the weights of a model that is not built are drawn from.
    Generator generator = options.seed ? Generator(*options.seed) : default_generator();
    source.start(generator);
    std::optional<Batch<T>> batch = source.next();
    if (!batch) throw ValueError("find_learning_rate: the data has no batches");
    Module<T>& model = trainer.model();
    detail::build_with(model, batch->samples);
    const Experiment<T> experiment(trainer);
    LearningRateCurve curve;
    const double factor =
        std::log(options.max_rate / options.min_rate) / static_cast<double>(options.steps - 1);
    double mean = 0.0, best = 0.0;
    for (std::size_t k = 0; k < options.steps; ++k) {
        if (!batch) {
            source.start(generator);
            batch = source.next();
            if (!batch)
                throw ValueError("find_learning_rate: the data has no batches when it is passed over again");
        }
        const double rate = options.min_rate * std::exp(factor * static_cast<double>(k));
        trainer.optimizer().set_learning_rate(rate);
        if (batch->reset_state) model.reset_state();
        double loss;
        try {
            loss = trainer.train_on_batch(batch->samples);
        } catch (const NonFiniteError&) {
            if (k == 0) throw;  // no rate has led to it
            break;
        }
        mean = options.smoothing * mean + (1.0 - options.smoothing) * loss;
        const double smoothed = mean / (1.0 - std::pow(options.smoothing, static_cast<double>(k + 1)));
        curve.rates.push_back(rate);
        curve.losses.push_back(loss);
        curve.smoothed.push_back(smoothed);
        best = k == 0 ? smoothed : std::min(best, smoothed);
        if (best > 0 && smoothed > options.divergence * best) break;
        batch = source.next();
    }
    return curve;
}

template <class T>
LearningRateCurve find_learning_rate(Trainer<T>& trainer, const Dataset<T>& data,
                                     const LearningRateFinderOptions& options) {
    DatasetBatches<T> batches(data, options.batch_size);
    return find_learning_rate(trainer, static_cast<BatchSource<T>&>(batches), options);
}

template LearningRateCurve find_learning_rate(Trainer<float>&, const Dataset<float>&,
                                              const LearningRateFinderOptions&);
template LearningRateCurve find_learning_rate(Trainer<double>&, const Dataset<double>&,
                                              const LearningRateFinderOptions&);
template LearningRateCurve find_learning_rate(Trainer<float>&, BatchSource<float>&,
                                              const LearningRateFinderOptions&);
template LearningRateCurve find_learning_rate(Trainer<double>&, BatchSource<double>&,
                                              const LearningRateFinderOptions&);

}  // namespace seqgrad
