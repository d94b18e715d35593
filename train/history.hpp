#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seqgrad {

/// Numbers with names, in the order in which they were first set: "loss" before all others.
class Logs {
  public:
    using Entry = std::pair<std::string, double>;

    /// Sets or replaces a number.
    void set(std::string_view name, double value);

    bool contains(std::string_view name) const noexcept;
    /// Throws ValueError, naming those there are, when there is none of that name.
    double operator[](std::string_view name) const;

    bool empty() const noexcept { return entries_.empty(); }
    std::vector<Entry>::const_iterator begin() const noexcept { return entries_.begin(); }
    std::vector<Entry>::const_iterator end() const noexcept { return entries_.end(); }

    friend bool operator==(const Logs&, const Logs&) = default;

  private:
    std::vector<Entry> entries_;
};

/// What one epoch came to.
struct Epoch {
    std::int64_t epoch;  ///< counted from 1
    double seconds;      ///< that it took, validation included
    Logs logs;           ///< "loss", with validation data "val_loss"
};

/// A training run, epoch by epoch.
class History {
  public:
    void append(Epoch epoch) { epochs_.push_back(std::move(epoch)); }

    const std::vector<Epoch>& epochs() const& noexcept { return epochs_; }
    /// Of a temporary by value, so that a loop can go over `trainer.fit(data).epochs()`.
    std::vector<Epoch> epochs() && noexcept { return std::move(epochs_); }

    /// Names of all numbers, in the order of their first appearance.
    std::vector<std::string> names() const;

    /// One number per epoch that has it: `history["val_loss"]`. Throws ValueError, naming those there are,
    /// when no epoch has one of that name.
    std::vector<double> operator[](std::string_view name) const;

    /// A table for reading: one line per epoch, numbers to 4 digits. Where an epoch lacks a number the place
    /// is empty.
    std::string table() const;

    /// Comma-separated values with a header "epoch,seconds,loss,...": every number so that it is read back
    /// exactly.
    std::string csv() const;

    /// A JSON object of lists with a number for each epoch, as exactly: {"epoch": [1, 2], "seconds": [...],
    /// "loss": [...]}. What an epoch lacks, or is not finite, is null.
    std::string json() const;

  private:
    std::vector<Epoch> epochs_;
};

/// Writes the table.
std::ostream& operator<<(std::ostream& out, const History& history);

namespace detail {

/// "0.1234", "1.2340e-05": a loss or metric for reading.
std::string format_metric(double value);

}  // namespace detail
}  // namespace seqgrad
