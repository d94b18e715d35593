#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/optim/optimizer.hpp"
#include "seqgrad/train/history.hpp"

namespace seqgrad {

/// What a callback remembers, by names of its own.
template <class T>
struct CallbackState {
    std::map<std::string, double> numbers = {};
    std::map<std::string, std::vector<Tensor<T>>> tensors = {};
};

/// A run of Trainer::fit between two steps: all that it needs to go on as if it had never stopped.
template <class T>
struct TrainingState {
    /// What makes it this run, and has to be the same where it goes on: its source's settings and the steps
    /// of an epoch.
    SourceSettings setup = {};

    std::int64_t epoch = 1;                         ///< that is being made, counted from 1
    std::size_t step = 0;                           ///< steps of the epoch that are done
    std::size_t samples = 0;                        ///< trained on in the epoch
    double seconds = 0.0;                           ///< the epoch has taken
    bool finished = false;                          ///< whether a callback has ended the run for good
    std::vector<double> loss = {};                  ///< what the epoch's loss has gathered
    std::vector<std::vector<double>> metrics = {};  ///< what each metric has gathered in the epoch

    GeneratorState order =
        {};                   ///< what the order of samples is drawn from, where the pass over the data began
    std::size_t batches = 0;  ///< taken of the pass
    GeneratorState generator = {};  ///< default_generator()

    std::vector<std::pair<std::string, Tensor<T>>> weights = {};  ///< the model's parameters, by path
    ModuleState<T> model = {};
    OptimizerState<T> optimizer = {};
    std::vector<std::pair<std::string, CallbackState<T>>> callbacks = {};  ///< with the type of each
    History history = {};
};

}  // namespace seqgrad
