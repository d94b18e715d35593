#include "seqgrad/layers/gradcheck.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/layers/internal/parameter_handles.hpp"

namespace seqgrad {

namespace {

using Variables = std::vector<Variable<double>>;

GradcheckReport check(Module<double>& model, const Variables& inputs, GradcheckOptions options,
                      const std::function<Variables(const Variables&)>& call) {
    if (!options.input_names.empty())
        throw ValueError(
            "gradcheck: the inputs of a model's gradcheck have names of their own, leave input_names out");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!inputs[i])
            throw ValueError(
                fmt::format("gradcheck: input {} of {} is an empty handle", i, model.description()));
    }
    if (!model.built()) {
        const NoGrad guard;
        call(inputs);
    }
    Variables all = inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        options.input_names.push_back(inputs.size() == 1 ? "x" : fmt::format("x[{}]", i));
    for (const auto& [name, parameter] : model.parameters()) {
        if (!parameter.requires_grad()) continue;
        all.push_back(parameter);
        options.input_names.push_back(name);
    }

    // Put back, too, if a call throws.
    struct KeptState {
        Module<double>& model;
        ModuleState<double> state;
        ~KeptState() { model.set_state(state); }
    } const kept{model, model.state()};
    detail::ParameterHandles<double> handles(model);
    const auto f = [&](std::span<const Variable<double>> in) {
        model.set_state(kept.state);
        for (std::size_t i = inputs.size(); i < all.size(); ++i) handles.replace(all[i], in[i]);
        Variables x(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(inputs.size()));
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i].with_mask_of(inputs[i]);
        return call(x);
    };
    return gradcheck(GradcheckFunction(f), all, options);
}

}  // namespace

GradcheckReport gradcheck(Module<double>& model, const Variable<double>& x, const GradcheckOptions& options) {
    return check(model, {x}, options, [&](const Variables& in) { return Variables{model(in[0])}; });
}

GradcheckReport gradcheck(Module<double>& model, const std::vector<Variable<double>>& inputs,
                          const GradcheckOptions& options) {
    return check(model, inputs, options, [&](const Variables& in) { return model(in); });
}

}  // namespace seqgrad
