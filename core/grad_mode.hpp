#pragma once

namespace seqgrad {

/// Whether operations on the calling thread record what `backward` needs. True unless a NoGrad is alive.
bool grad_enabled() noexcept;

/// While one is alive, operations on the calling thread record nothing and their results require no gradient.
///
///     { NoGrad guard; prediction = model(x); }   // neither memory nor time spent on a graph
class NoGrad {
  public:
    NoGrad() noexcept;
    ~NoGrad();
    NoGrad(const NoGrad&) = delete;
    NoGrad& operator=(const NoGrad&) = delete;

  private:
    bool previous_;
};

/// Whether operations on the calling thread check that what they compute is finite.
bool anomaly_detection_enabled() noexcept;

/// While one is alive, the first operation on the calling thread whose value, or whose gradient in a backward
/// pass, is not finite throws a NonFiniteError that names the operation, the element, the operands that were
/// not finite already, and for recurrent operations the first time step.
///
/// Every value is read once more, so this is for finding a mistake, not for training.
class DetectAnomaly {
  public:
    DetectAnomaly() noexcept;
    ~DetectAnomaly();
    DetectAnomaly(const DetectAnomaly&) = delete;
    DetectAnomaly& operator=(const DetectAnomaly&) = delete;

  private:
    bool previous_;
};

}  // namespace seqgrad
