#pragma once

#include <stdexcept>
#include <string>

namespace seqgrad {

/// Base of every exception that seqgrad throws on purpose. The object a call was made on is left as it was.
class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Shapes, ranks or axes that do not fit the operation. The message names the operation, its operands and
/// their shapes.
class ShapeError : public Error {
  public:
    using Error::Error;
};

/// An argument outside its allowed values (a negative rate, an unknown name, an index out of range, ...).
class ValueError : public Error {
  public:
    using Error::Error;
};

/// A loss, gradient or other number of a computation became infinite or NaN.
class NonFiniteError : public ValueError {
  public:
    using ValueError::ValueError;
};

/// The operating system refused to read or write; the message names the path and the system's reason.
class IoError : public Error {
  public:
    using Error::Error;
};

/// A file could be read but does not hold what its format promises; the message names the place in the file.
class FormatError : public Error {
  public:
    using Error::Error;
};

}  // namespace seqgrad
