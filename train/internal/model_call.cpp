#include "seqgrad/train/internal/model_call.hpp"

#include <optional>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/internal/finite.hpp"
#include "seqgrad/layers/internal/call_watch.hpp"

namespace seqgrad::detail {

namespace {

/// "element [0, 3] of shape [2, 4] is nan"; empty where all are finite.
template <class T>
std::string non_finite_element(const Tensor<T>& t) {
    const auto bad = first_non_finite(t);
    if (!bad) return "";
    std::vector<std::size_t> index(t.dimension());
    std::size_t rest = *bad;
    for (std::size_t axis = t.dimension(); axis-- > 0;) {
        index[axis] = rest % t.shape(axis);
        rest /= t.shape(axis);
    }
    return fmt::format("element [{}] of shape {} is {}", fmt::join(index, ", "), to_string(t.shape()),
                       non_finite_name(t.data()[*bad]));
}

/// Finds the first call that ended with a number that is not finite, or did not end.
template <class T>
class FirstNonFinite : public CallWatch<T> {
  public:
    void entered(const Module<T>& module) override { open_.push_back(&module); }
    void left(const Module<T>& module, std::span<const Variable<T>> outputs) override {
        open_.pop_back();
        for (const Variable<T>& output : outputs) {
            if (found_ != nullptr) return;
            if (std::string element = non_finite_element(output.value()); !element.empty()) {
                found_ = &module;
                element_ = std::move(element);
            }
        }
    }

    const Module<T>* found() const { return found_; }
    const std::string& element() const { return element_; }
    /// The innermost call that has not ended.
    const Module<T>* open() const { return open_.empty() ? nullptr : open_.back(); }

  private:
    std::vector<const Module<T>*> open_;
    const Module<T>* found_ = nullptr;
    std::string element_;
};

}  // namespace

template <class T>
Variable<T> output_of(Module<T>& model, const std::vector<Variable<T>>& inputs) {
    if (inputs.size() == 1) return model(inputs[0]);
    const std::vector<Variable<T>> outputs = model(inputs);
    if (outputs.empty()) throw ValueError(fmt::format("{}: gave no output", model.description()));
    return outputs[0];
}

template <class T>
Variable<T> output_of(Module<T>& model, const Dataset<T>& batch) {
    std::vector<Variable<T>> inputs{constant(batch.x)};
    for (const Tensor<T>& input : batch.more_inputs) inputs.push_back(constant(input));
    return output_of(model, inputs);
}

template <class T>
std::optional<std::string> diagnose_non_finite(Module<T>& model, const Dataset<T>& batch,
                                               const std::optional<Tensor<T>>& sample_weight) {
    std::vector<const Tensor<T>*> inputs{&batch.x};
    for (const Tensor<T>& input : batch.more_inputs) inputs.push_back(&input);
    for (const Tensor<T>* input : inputs) {
        if (const std::string element = non_finite_element(*input); !element.empty())
            return fmt::format("the inputs are not finite: {}", element);
    }
    const auto named = [&](const Module<T>& module) {
        const std::optional<std::string> path = model.path_to(module);
        return !path || path->empty() ? module.description()
                                      : fmt::format("layer \"{}\" ({})", *path, module.type());
    };
    const NoGrad no_grad;
    FirstNonFinite<T> watch;
    try {
        output_of(model, batch);
    } catch (const Error& error) {
        if (watch.found() == nullptr && watch.open() != nullptr)
            return fmt::format("{}: {}", named(*watch.open()), error.what());
    }
    if (watch.found() != nullptr) {
        return fmt::format("the first layer whose output is not finite is {}: {}", named(*watch.found()),
                           watch.element());
    }
    if (const std::string element = non_finite_element(batch.y); !element.empty())
        return fmt::format("the targets are not finite: {}", element);
    if (!sample_weight) return std::nullopt;
    if (const std::string element = non_finite_element(*sample_weight); !element.empty())
        return fmt::format("the sample weights are not finite: {}", element);
    return std::nullopt;
}

template Variable<float> output_of(Module<float>&, const std::vector<Variable<float>>&);
template Variable<double> output_of(Module<double>&, const std::vector<Variable<double>>&);
template Variable<float> output_of(Module<float>&, const Dataset<float>&);
template Variable<double> output_of(Module<double>&, const Dataset<double>&);
template std::optional<std::string> diagnose_non_finite(Module<float>&, const Dataset<float>&,
                                                        const std::optional<Tensor<float>>&);
template std::optional<std::string> diagnose_non_finite(Module<double>&, const Dataset<double>&,
                                                        const std::optional<Tensor<double>>&);

}  // namespace seqgrad::detail
