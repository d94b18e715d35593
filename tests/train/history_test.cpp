#include "seqgrad/train/history.hpp"

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

namespace {

Logs logs(std::initializer_list<Logs::Entry> entries) {
    Logs out;
    for (const auto& [name, value] : entries) out.set(name, value);
    return out;
}

History two_epochs() {
    History history;
    history.append({.epoch = 1, .seconds = 1.25, .logs = logs({{"loss", 0.1}})});
    history.append({.epoch = 2, .seconds = 12.5, .logs = logs({{"loss", 1e-5}, {"val_loss", 1.0 / 3}})});
    return history;
}

}  // namespace

TEST_CASE("logs keep the order in which numbers came, and replace") {
    Logs l = logs({{"loss", 1}, {"accuracy", 2}});
    l.set("loss", 3);
    std::vector<std::string> names;
    for (const auto& entry : l) names.push_back(entry.first);
    CHECK(names == std::vector<std::string>{"loss", "accuracy"});
    CHECK(l["loss"] == 3);
    CHECK(l.contains("accuracy"));
    CHECK_FALSE(l.contains("acc"));
    CHECK_THROWS_WITH_AS(l["acc"], "logs: no number is named \"acc\"; there is loss, accuracy", ValueError);
    CHECK_THROWS_WITH_AS(Logs()["loss"], "logs: no number is named \"loss\"; there are none", ValueError);
}

TEST_CASE("history gives one number per epoch that has it") {
    const History history = two_epochs();
    CHECK(history["loss"] == std::vector<double>{0.1, 1e-5});
    CHECK(history["val_loss"] == std::vector<double>{1.0 / 3});
    CHECK(history.names() == std::vector<std::string>{"loss", "val_loss"});
    CHECK(history.epochs().size() == 2);
    CHECK_THROWS_WITH_AS(history["mae"], "history: no number is named \"mae\"; there is loss, val_loss",
                         ValueError);
}

TEST_CASE("the epochs of a temporary history outlive it") {
    static_assert(std::is_same_v<decltype(two_epochs().epochs()), std::vector<Epoch>>);
    std::vector<double> losses;
    for (const Epoch& epoch : two_epochs().epochs()) losses.push_back(epoch.logs["loss"]);
    CHECK(losses == std::vector<double>{0.1, 1e-5});
    History history = two_epochs();
    CHECK(&history.epochs() == &std::as_const(history).epochs());
    CHECK(std::move(history).epochs().size() == 2);
}

TEST_CASE("history prints as a table with places left empty") {
    std::ostringstream out;
    out << two_epochs();
    CHECK(out.str() ==
          "epoch  seconds        loss  val_loss\n"
          "    1     1.25      0.1000          \n"
          "    2    12.50  1.0000e-05    0.3333\n");
    CHECK(History().table() == "epoch  seconds\n");
}

TEST_CASE("history as CSV is read back exactly") {
    CHECK(two_epochs().csv() ==
          "epoch,seconds,loss,val_loss\n"
          "1,1.25,0.1,\n"
          "2,12.5,1e-05,0.3333333333333333\n");
}

TEST_CASE("numbers that are not finite are written by name") {
    History history;
    history.append({.epoch = 1, .seconds = 1, .logs = logs({{"loss", 0.5}, {"val_loss", -std::nan("")}})});
    CHECK(history.csv() == "epoch,seconds,loss,val_loss\n1,1,0.5,nan\n");
}

TEST_CASE("numbers for reading have 4 decimals, or 5 digits where they are very small or large") {
    CHECK(detail::format_metric(0.0) == "0.0000");
    CHECK(detail::format_metric(0.12345) == "0.1235");
    CHECK(detail::format_metric(-12.0) == "-12.0000");
    CHECK(detail::format_metric(9.9e-4) == "9.9000e-04");
    CHECK(detail::format_metric(1e6) == "1.0000e+06");
    CHECK(detail::format_metric(-std::numeric_limits<double>::infinity()) == "-inf");
    CHECK(detail::format_metric(-std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("JSON holds every number exactly, null where there is none") {
    History history = two_epochs();
    history.append({.epoch = 3,
                    .seconds = 0.5,
                    .logs = logs({{"loss", std::numeric_limits<double>::quiet_NaN()}, {"a \"b\"", 2.0}})});
    CHECK(history.json() == R"({"epoch":[1,2,3],"seconds":[1.25,12.5,0.5],"loss":[0.1,1e-05,null],)"
                            R"("val_loss":[null,0.3333333333333333,null],"a \"b\"":[null,null,2.0]})");
    CHECK(History().json() == R"({"epoch":[],"seconds":[]})");
}
