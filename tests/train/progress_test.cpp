#include "seqgrad/train/progress.hpp"

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

namespace {

/// A terminal of a given width, and a clock that stands until it is moved.
struct Screen {
    std::ostringstream out;
    double time = 1000.0;
    std::size_t width = 100;

    ProgressOptions options(bool terminal = true) {
        return {.stream = &out,
                .terminal = terminal,
                .unicode = false,
                .color = false,
                .width = [this] { return width; },
                .clock = [this] { return time; }};
    }
    std::string take() {
        std::string text = out.str();
        out.str("");
        return text;
    }
};

Logs loss_of(double value) {
    Logs logs;
    logs.set("loss", value);
    return logs;
}

/// The third of ten epochs after 128 of 313 steps and 10 seconds, as shown in so many columns.
std::string at_width(std::size_t width, bool unicode = false, bool color = false) {
    Screen screen;
    screen.width = width;
    ProgressOptions options = screen.options();
    options.unicode = unicode;
    options.color = color;
    Progress progress(1, options);
    progress.begin_epoch(3, 10, 313);
    screen.take();
    screen.time += 10.0;
    Logs logs = loss_of(0.51234);
    logs.set("accuracy", 0.75);
    progress.step(128, 4096, logs);
    return screen.take();
}

/// A line as it is drawn: from the left, and what was longer before is erased.
std::string drawn(const std::string& line) {
    return "\r" + line + "\x1b[K";
}

}  // namespace

TEST_CASE("on a terminal one line is redrawn and stays when the epoch ends") {
    Screen screen;
    Progress progress(1, screen.options());
    progress.begin_epoch(1, 2, 4);
    CHECK(screen.take() == drawn("Epoch 1/2 .............................. 0/4"));
    screen.time += 1.0;
    progress.step(1, 32, loss_of(0.5));
    CHECK(screen.take() ==
          drawn("Epoch 1/2 =======>...................... 1/4  ETA 3.0s  32 samples/s  loss 0.5000"));
    screen.time += 1.0;
    progress.step(4, 128, loss_of(0.25));
    CHECK(screen.take() == drawn("Epoch 1/2 ============================== 4/4  64 samples/s  loss 0.2500"));
    screen.time += 1.0;
    progress.validate(2, 3);
    CHECK(screen.take() ==
          drawn("Epoch 1/2 ============================== 4/4  validating 2/3  64 samples/s  loss 0.2500"));
    Logs logs = loss_of(0.25);
    logs.set("val_loss", 0.375);
    progress.end_epoch(logs);
    CHECK(screen.take() == drawn("Epoch 1/2 ============================== 4/4  3.0s  64 samples/s  loss "
                                 "0.2500  val_loss 0.3750") +
                               "\n");
    progress.begin_epoch(2, 2, 4);
    CHECK(screen.take() == drawn("Epoch 2/2 .............................. 0/4"));
}

TEST_CASE("redraws are no more frequent than the interval, but an epoch's begin and end are always drawn") {
    Screen screen;
    ProgressOptions options = screen.options();
    options.interval = 0.5;
    Progress progress(1, options);
    progress.begin_epoch(1, 1, 100);
    CHECK(screen.take() != "");
    progress.step(1, 1, loss_of(1));
    screen.time += 0.25;
    progress.step(2, 2, loss_of(1));
    CHECK(screen.take() == "");
    screen.time += 0.25;
    progress.step(3, 3, loss_of(1));
    CHECK(screen.take() != "");
    progress.validate(1, 2);
    CHECK(screen.take() == "");
    progress.end_epoch(loss_of(1));
    CHECK(screen.take() != "");
}

TEST_CASE("a line never reaches the last column, and drops what matters least first") {
    CHECK(at_width(110) == drawn("Epoch  3/10 ============.................. 128/313  ETA 14s  410 samples/s "
                                 " loss 0.5123  accuracy 0.7500"));
    CHECK(at_width(90) ==
          drawn("Epoch  3/10 ======......... 128/313  ETA 14s  410 samples/s  loss 0.5123  accuracy 0.7500"));
    CHECK(at_width(80) ==
          drawn("Epoch  3/10 ========............ 128/313  ETA 14s  loss 0.5123  accuracy 0.7500"));
    CHECK(at_width(64) == drawn(" 3/10 ====...... 128/313  ETA 14s  loss 0.5123  accuracy 0.7500"));
    CHECK(at_width(54) == drawn(" 3/10 128/313  ETA 14s  loss 0.5123  accuracy 0.7500"));
    CHECK(at_width(50) == drawn(" 3/10 128/313  loss 0.5123  accuracy 0.7500"));
    CHECK(at_width(40) == drawn(" 3/10 128/313  loss 0.5123"));
    CHECK(at_width(24) == drawn(" 3/10 40%  loss 0.5123"));
    CHECK(at_width(17) == drawn(" 3/10 40% 0.5123"));
    CHECK(at_width(10) == drawn(" 3/10 40%"));
    for (std::size_t width = 3; width < 130; ++width) {
        const std::string line = at_width(width);
        CAPTURE(width);
        CHECK(line.size() - drawn("").size() <= width - 1);
        CHECK(std::count(line.begin(), line.end(), '\n') == 0);
    }
    CHECK(at_width(0) == drawn(" "));
}

TEST_CASE("at the end of an epoch every number is shown, however narrow the terminal") {
    for (std::size_t width = 1; width < 130; ++width) {
        Screen screen;
        screen.width = width;
        Progress progress(1, screen.options());
        progress.begin_epoch(3, 10, 313);
        screen.take();
        Logs logs = loss_of(0.5);
        logs.set("val_loss", 0.25);
        screen.time += 10.0;
        progress.step(313, 10000, logs);
        screen.take();
        progress.end_epoch(logs);
        const std::string line = screen.take();
        CAPTURE(width);
        CHECK(line.find("3/10") != std::string::npos);
        CHECK(line.find("  loss 0.5000  val_loss 0.2500\x1b[K\n") != std::string::npos);
        // One that fits is not broken.
        if (width > 50) CHECK(line.size() - drawn("\n").size() <= width - 1);
    }
}

TEST_CASE("the bar may be UTF-8 and in colour") {
    CHECK(at_width(63, true) == drawn(" 3/10 ━━━╸───── 128/313  ETA 14s  loss 0.5123  accuracy 0.7500"));
    CHECK(at_width(63, true, true) == drawn(" 3/10 \x1b[32m━━━╸\x1b[0m\x1b[2m─────\x1b[0m 128/313  ETA "
                                            "14s  loss 0.5123  accuracy 0.7500"));
}

TEST_CASE("elsewhere than on a terminal, and with verbose 2, there is one plain line per epoch") {
    for (const int verbose : {1, 2}) {
        Screen screen;
        Progress progress(verbose, screen.options(verbose == 2));
        progress.begin_epoch(9, 10, 4);
        screen.time += 0.5;
        progress.step(2, 64, loss_of(0.5));
        screen.time += 0.5;
        progress.step(4, 128, loss_of(0.25));
        progress.validate(1, 1);
        CHECK(screen.take() == "");
        screen.time += 1.0;
        Logs logs = loss_of(0.25);
        logs.set("val_loss", 0.125);
        progress.end_epoch(logs);
        CHECK(screen.take() ==
              "Epoch  9/10 - 2.0s - 250ms/step - 128 samples/s - loss: 0.2500 - val_loss: 0.1250\n");
    }
}

TEST_CASE("verbose 0 writes nothing, and any other number is refused") {
    Screen screen;
    {
        Progress progress(0, screen.options());
        progress.begin_epoch(1, 1, 1);
        screen.time += 1.0;
        progress.step(1, 1, loss_of(1));
        progress.end_epoch(loss_of(1));
    }
    CHECK(screen.take() == "");
    CHECK_THROWS_WITH_AS(Progress(3), "progress: verbose must be 0, 1 or 2, got 3", ValueError);
    CHECK_THROWS_AS(Progress(-1), ValueError);
}

TEST_CASE("a line that is still being redrawn is ended when training stops") {
    Screen screen;
    {
        Progress progress(1, screen.options());
        progress.begin_epoch(1, 1, 10);
        screen.take();
    }
    CHECK(screen.take() == "\n");
    {
        Progress progress(1, screen.options());
        progress.begin_epoch(1, 1, 10);
        progress.end_epoch(loss_of(1));
        screen.take();
    }
    CHECK(screen.take() == "");
}

TEST_CASE("a stream of unknown kind is a log, and its format stays") {
    std::ostringstream out;
    out.precision(3);
    Progress progress(1, {.stream = &out, .clock = [] { return 0.0; }});
    progress.begin_epoch(1, 1, 1);
    progress.step(1, 0, loss_of(0.123456));
    progress.end_epoch(loss_of(0.123456));
    CHECK(out.str() == "Epoch 1/1 - 0.0s - 0us/step - loss: 0.1235\n");
    CHECK(out.precision() == 3);
}

TEST_CASE("a stream that throws does so in the open, not in the destructor") {
    struct Refusing : std::streambuf {
        int_type overflow(int_type) override { throw std::runtime_error("full"); }
    } buffer;
    std::ostream out(&buffer);
    bool thrown = false;
    try {
        Progress progress(1, {.stream = &out, .terminal = true, .clock = [] { return 0.0; }});
        progress.begin_epoch(1, 1, 1);  // a stream swallows what its buffer throws, and turns bad
        out.exceptions(std::ios::goodbit);
        out.clear();
        out.exceptions(std::ios::badbit);
        progress.end_epoch(loss_of(1));
    } catch (const std::exception&) {
        thrown = true;
    }
    CHECK(thrown);
}

TEST_CASE("durations and rates read well") {
    const std::vector<std::pair<double, std::string>> durations{
        {0.0, "0.0s"},  {0.44, "0.4s"}, {9.94, "9.9s"},    {9.96, "10s"},       {59.4, "59s"},
        {59.6, "1:00"}, {65.0, "1:05"}, {3599.0, "59:59"}, {3599.6, "1:00:00"}, {7210.0, "2:00:10"},
    };
    for (const auto& [seconds, text] : durations) CHECK(detail::format_duration(seconds) == text);
    const std::vector<std::pair<std::size_t, std::string>> rates{{3, " 1.5 samples/s"},
                                                                 {40, " 20 samples/s"},
                                                                 {30000, " 15.0k samples/s"},
                                                                 {5000000, " 2.5M samples/s"}};
    for (const auto& [samples, text] : rates) {
        Screen screen;
        Progress progress(2, screen.options());
        progress.begin_epoch(1, 1, 1);
        screen.time += 2.0;
        progress.step(1, samples, loss_of(1));
        progress.end_epoch(loss_of(1));
        CHECK(screen.take().find(text) != std::string::npos);
    }
}
