// What stands behind all callbacks, and the one made of functions; the header's others are in callbacks/.
#include "seqgrad/train/callbacks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

template <class T>
AnyCallback<T>::AnyCallback(std::shared_ptr<Callback<T>> callback) {
    if (!callback) throw ValueError("fit: expected a callback, got none");
    make_ = [callback = std::move(callback)] { return callback; };
}

namespace detail {

Monitor::Monitor(const char* callback, std::string name, MonitorMode mode, double min_delta)
    : callback_(callback), name_(std::move(name)), min_delta_(std::abs(min_delta)) {
    if (name_.empty()) throw ValueError(fmt::format("{}: monitor needs a name", callback_));
    if (!std::isfinite(min_delta))
        throw ValueError(fmt::format("{}: min_delta must be finite, got {}", callback_, min_delta));
    constexpr std::array<std::string_view, 6> growing{"acc", "auc", "precision", "recall", "f1", "r2"};
    const auto grows = [&](std::string_view part) { return name_.find(part) != std::string::npos; };
    larger_ =
        mode == MonitorMode::max || (mode == MonitorMode::automatic && std::ranges::any_of(growing, grows));
}

std::optional<double> Monitor::value(const Logs& logs, const std::vector<std::string>& names) const {
    if (logs.contains(name_)) return logs[name_];
    const auto known = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
    if (known(name_)) return std::nullopt;
    std::vector<std::string> all = names;
    for (const auto& [name, value] : logs)
        if (!known(name)) all.push_back(name);
    const bool validated = known("val_loss"), of_validation = name_.starts_with("val_");
    const std::string measured = of_validation ? name_.substr(4) : name_;
    std::vector<std::string> mends;
    if (of_validation && !validated) mends.emplace_back("validation_data");
    if (!known(measured)) mends.push_back(fmt::format("the Trainer a metric named \"{}\"", measured));
    throw ValueError(fmt::format("{}: the epoch has no \"{}\" to monitor, it has {} (give {})", callback_,
                                 name_, fmt::join(all, ", "), fmt::join(mends, " and ")));
}

bool Monitor::better(double value, double than) const {
    return larger_ ? value - min_delta_ > than : value + min_delta_ < than;
}

double Monitor::worst() const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return larger_ ? -infinity : infinity;
}

}  // namespace detail

namespace {

template <class T>
class FunctionsCallback : public Callback<T> {
  public:
    explicit FunctionsCallback(LambdaCallback<T> functions) : functions_(std::move(functions)) {}
    std::string type() const override { return "LambdaCallback"; }
    void on_train_begin(TrainingRun<T>& run) override {
        if (functions_.on_train_begin) functions_.on_train_begin(run);
    }
    void on_epoch_begin(TrainingRun<T>& run, std::int64_t epoch) override {
        if (functions_.on_epoch_begin) functions_.on_epoch_begin(run, epoch);
    }
    void on_train_batch_end(TrainingRun<T>& run, std::size_t step, const Logs& logs) override {
        if (functions_.on_train_batch_end) functions_.on_train_batch_end(run, step, logs);
    }
    void on_epoch_end(TrainingRun<T>& run, std::int64_t epoch, Logs& logs) override {
        if (functions_.on_epoch_end) functions_.on_epoch_end(run, epoch, logs);
    }
    void on_train_end(TrainingRun<T>& run) override {
        if (functions_.on_train_end) functions_.on_train_end(run);
    }

  private:
    LambdaCallback<T> functions_;
};

}  // namespace

template <class T>
template <std::same_as<T> U>
std::shared_ptr<Callback<U>> LambdaCallback<T>::make() const {
    return std::make_shared<FunctionsCallback<T>>(*this);
}

template std::shared_ptr<Callback<float>> LambdaCallback<float>::make<float>() const;
template std::shared_ptr<Callback<double>> LambdaCallback<double>::make<double>() const;
template class AnyCallback<float>;
template class AnyCallback<double>;

}  // namespace seqgrad
