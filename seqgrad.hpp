#pragma once

// All of seqgrad.
#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/data/csv.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/data/scaler.hpp"
#include "seqgrad/data/series.hpp"
#include "seqgrad/data/windows.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/weights.hpp"
