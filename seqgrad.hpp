#pragma once

// All of seqgrad.
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/tensor.hpp"
