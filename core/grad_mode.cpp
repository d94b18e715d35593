#include "seqgrad/core/grad_mode.hpp"

#include <utility>

namespace seqgrad {
namespace {

thread_local bool recording = true;
thread_local bool detecting = false;

}  // namespace

bool grad_enabled() noexcept {
    return recording;
}

NoGrad::NoGrad() noexcept : previous_(std::exchange(recording, false)) {}
NoGrad::~NoGrad() {
    recording = previous_;
}

bool anomaly_detection_enabled() noexcept {
    return detecting;
}

DetectAnomaly::DetectAnomaly() noexcept : previous_(std::exchange(detecting, true)) {}
DetectAnomaly::~DetectAnomaly() {
    detecting = previous_;
}

}  // namespace seqgrad
