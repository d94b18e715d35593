#pragma once

#include <string_view>
#include <vector>

#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad::detail {

/// What Adam and AdamW share.
struct AdamRule {
    double beta_1;
    double beta_2;
    double epsilon;
    bool amsgrad;

    std::vector<std::string_view> slot_names() const {
        if (amsgrad) return {"momentum", "velocity", "velocity_hat"};
        return {"momentum", "velocity"};
    }
};

template <class Config>
AdamRule adam_rule(const Config& config) {
    return {.beta_1 = config.beta_1,
            .beta_2 = config.beta_2,
            .epsilon = config.epsilon,
            .amsgrad = config.amsgrad};
}

/// Throws ValueError for an argument out of its range.
template <class T>
void check_adam(const char* type, const AdamRule& rule);

template <class T>
void adam_update(const AdamRule& rule, const ParameterUpdate<T>& u);

}  // namespace seqgrad::detail
