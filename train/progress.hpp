#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "seqgrad/train/history.hpp"

namespace seqgrad {

/// Where and how progress is shown. What is not given is found out from the stream and the environment.
struct ProgressOptions {
    std::ostream* stream = nullptr;           ///< std::cout where null; must outlive the Progress
    std::optional<bool> terminal = {};        ///< whether a line can be redrawn in place
    std::optional<bool> unicode = {};         ///< whether the bar may be drawn in UTF-8
    std::optional<bool> color = {};           ///< whether the bar may be coloured; not with NO_COLOR set
    std::function<std::size_t()> width = {};  ///< the terminal's columns, asked at every redraw
    std::function<double()> clock = {};       ///< seconds since any moment
    double interval = 0.1;                    ///< shortest time between two redraws, in seconds
};

namespace detail {

/// What there is to show of an epoch. Times are in seconds since its beginning.
struct EpochProgress {
    std::int64_t epoch = 0;
    std::int64_t epochs = 0;
    std::size_t step = 0;
    std::size_t steps = 0;
    std::size_t samples = 0;
    std::size_t validation_step = 0;
    std::size_t validation_steps = 0;
    bool finished = false;
    double seconds = 0.0;  ///< until now
    double trained = 0.0;  ///< until the last step of training ended
    Logs logs = {};
};

/// "0.4s", "12s", "1:05", "2:00:10".
std::string format_duration(double seconds);

}  // namespace detail

/// Shows how far a training run is.
///
/// On a terminal, one line per epoch is redrawn in place and stays when the epoch ends:
///
///     Epoch 3/10 ━━━━━━━━━━━━━━━╸──────────── 128/313  ETA 12s  2345 samples/s  loss 0.1234
///
/// In narrow terminals it drops what matters least, and the shortest form is "3/10 41% 0.1234". Anywhere else
/// there is one line per epoch, written when it ends, without control characters:
///
///     Epoch 3/10 - 18s - 58ms/step - 2345 samples/s - loss: 0.1234 - val_loss: 0.1301
class Progress {
  public:
    /// `verbose` as in Keras: 0 shows nothing; 1 the bar, or lines where the stream is no terminal; 2 lines.
    /// Throws ValueError for any other.
    explicit Progress(int verbose, ProgressOptions options = {});
    /// Ends a line that is being redrawn, so that what is written next has one of its own.
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// Begins an epoch, counted from 1, of `epochs`, in which `steps` are to be made, 0 where nobody knows.
    /// An epoch that is gone on with has taken `seconds` already.
    void begin_epoch(std::int64_t epoch, std::int64_t epochs, std::size_t steps, double seconds = 0.0);
    /// `step` steps of this epoch are done, on `samples` samples together. `logs` are the epoch's so far.
    void step(std::size_t step, std::size_t samples, const Logs& logs);
    /// `step` of `steps` steps of validation are done.
    void validate(std::size_t step, std::size_t steps);
    /// Ends the epoch with its final numbers.
    void end_epoch(const Logs& logs);

    /// The clock that times are taken from, in seconds.
    double now() const { return options_.clock(); }

  private:
    enum class Style { silent, bar, lines };

    void draw(bool at_once);

    ProgressOptions options_;
    Style style_ = Style::silent;
    bool line_open_ = false;
    detail::EpochProgress state_;
    double begun_ = 0.0;
    double drawn_ = 0.0;
};

}  // namespace seqgrad
