#include "seqgrad/data/csv.hpp"

#include <clocale>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using namespace std::string_literals;

namespace {

CsvTable parse(std::string_view text, const CsvOptions& options = {}) {
    return parse_csv(text, "t.csv", options);
}

const std::string sets = SEQGRAD_TEST_SETS_DIR;

}  // namespace

TEST_CASE("a table holds numbers, text and missing values by column") {
    const CsvTable table = parse("day,level,note\n19580329,316.5,calm\n19580405,,\n19580412,NA,NA\n",
                                 {.text_columns = {"day", "note"}});
    CHECK(table.source() == "t.csv");
    CHECK(table.rows() == 3);
    CHECK(table.names() == std::vector<std::string>{"day", "level", "note"});
    CHECK(table.index("note") == 2);
    CHECK(table.is_text("day"));
    CHECK_FALSE(table.is_text("level"));
    CHECK(table.text("day") == std::vector<std::string>{"19580329", "19580405", "19580412"});
    CHECK(table.text("note") == std::vector<std::string>{"calm", "", "NA"});
    CHECK(table.numbers("level")[0] == 316.5);
    CHECK(std::isnan(table.numbers("level")[1]));
    CHECK(std::isnan(table.numbers("level")[2]));
    CHECK(table.place(1, "level") == "t.csv:3:2");
}

TEST_CASE("numbers are read to the last bit, whatever their notation") {
    const auto v = parse(
                       "x\n0.1\n+2\n-3.\n.5\n1e3\n-1.7976931348623157E+308\n4.9406564584124654e-324\n"
                       "123456789012345678901234567890\n-0\n")
                       .numbers("x");
    CHECK(v == std::vector<double>{0.1, 2, -3, 0.5, 1000, -std::numeric_limits<double>::max(),
                                   std::numeric_limits<double>::denorm_min(), 123456789012345678901234567890.,
                                   0});
    CHECK(std::signbit(v[8]));
}

TEST_CASE("numbers do not depend on the locale") {
    const std::string before = std::setlocale(LC_ALL, nullptr);
    for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"}) {
        std::setlocale(LC_ALL, name);
        CHECK(parse("x\n2.5\n").numbers("x")[0] == 2.5);
    }
    std::setlocale(LC_ALL, before.c_str());
}

TEST_CASE("line ends, byte-order mark, blanks and quotes leave the values alone") {
    const std::vector<std::string> spellings = {
        "a,b\n1,2\n3,4\n",
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r\n1,2\r\n3,4",
        "\xEF\xBB\xBF"
        "a,b\n1,2\n3,4\n",
        "a,b\n1,2\n3,4\n\n\r\n \n",
        " a , b\t\n 1 ,2\t\n3, 4 \n",
        "\"a\",\"b\"\n\"1\",2\n3,\"4\"\n",
        "\"a\" , \"b\"\n1,2\r\n3,\t\"4\"",
    };
    for (const std::string& text : spellings) {
        CAPTURE(text);
        const CsvTable table = parse(text);
        CHECK(table.names() == std::vector<std::string>{"a", "b"});
        CHECK(table.numbers("a") == std::vector<double>{1, 3});
        CHECK(table.numbers("b") == std::vector<double>{2, 4});
    }
}

TEST_CASE("semicolons and tabs delimit too") {
    CHECK(parse("a;b\n1;2\n", {.delimiter = ';'}).numbers("b")[0] == 2);
    const CsvTable tabs = parse("a\tb\n1\t\n\t2\n\t\n", {.delimiter = '\t'});
    CHECK(tabs.rows() == 3);
    CHECK(tabs.numbers("a")[0] == 1);
    CHECK(std::isnan(tabs.numbers("b")[0]));
    CHECK(std::isnan(tabs.numbers("a")[1]));
    CHECK(tabs.numbers("b")[1] == 2);
    CHECK(std::isnan(tabs.numbers("a")[2]));
    CHECK_THROWS_WITH_AS(parse("a|b\n", {.delimiter = '|'}),
                         "CsvOptions::delimiter: expected ',', ';' or '\\t', got \"|\"", ValueError);
}

TEST_CASE("a quoted field holds delimiters, quotes and line ends") {
    const CsvTable table =
        parse("who,x\n\"a,b\",1\n\"say \"\"hi\"\"\",2\n\"two\r\nlines\",3\n\"\",4\nend,5\n",
              {.text_columns = {"who"}});
    CHECK(table.text("who") == std::vector<std::string>{"a,b", "say \"hi\"", "two\r\nlines", "", "end"});
    CHECK(table.place(4, "x") == "t.csv:7:2");
}

TEST_CASE("a file without a header names its columns by number") {
    const CsvTable table = parse("7,8\n9,10\n", {.header = false});
    CHECK(table.names() == std::vector<std::string>{"1", "2"});
    CHECK(table.numbers("2") == std::vector<double>{8, 10});
    CHECK(table.place(0, "1") == "t.csv:1:1");
}

TEST_CASE("a header alone is a table of no rows") {
    for (const char* text : {"a,b", "a,b\n", "a,b\r\n\r\n"}) {
        CHECK(parse(text).rows() == 0);
        CHECK(parse(text).numbers("b").empty());
    }
}

TEST_CASE("a first column without a name is kept") {
    CHECK(parse(",x\n0,5\n1,6\n").numbers("")[1] == 1);
}

TEST_CASE("spellings of missing values can be chosen") {
    const CsvOptions options{.missing = {"-999"}};
    CHECK(std::isnan(parse("x\n-999\n", options).numbers("x")[0]));
    CHECK_THROWS_AS(parse("x,y\nNA,1\n", options), FormatError);
}

TEST_CASE("format errors name file, line, field and what was expected") {
    const auto refused = [](std::string_view text, const char* message, const CsvOptions& options = {}) {
        CAPTURE(text);
        CHECK_THROWS_WITH_AS(parse(text, options), message, FormatError);
    };
    refused("", "t.csv:1:1: expected a header line, got an empty file");
    refused("\xEF\xBB\xBF\n \n", "t.csv:1:1: expected a header line, got an empty file");
    refused("", "t.csv:1:1: expected a record, got an empty file", {.header = false});
    refused("\na\n1\n", "t.csv:1:1: expected the first record, got an empty line");
    refused("a,b\n1,2\n3,abc\n", "t.csv:3:2: expected a number, got \"abc\" (column \"b\")");
    refused("a,b\n1,2 3\n", "t.csv:2:2: expected a number, got \"2 3\" (column \"b\")");
    refused("a;b\n1,5;2\n", "t.csv:2:1: expected a number, got \"1,5\" (column \"a\")", {.delimiter = ';'});
    refused("a\n+-1\n", "t.csv:2:1: expected a number, got \"+-1\" (column \"a\")");
    refused("a\n0x10\n", "t.csv:2:1: expected a number, got \"0x10\" (column \"a\")");
    refused("a\n1e999\n",
            "t.csv:2:1: expected a number in the range of double, got \"1e999\" (column \"a\")");
    refused("a\n-inf\n", "t.csv:2:1: expected a finite number, got \"-inf\" (column \"a\")");
    refused("a\n\x01\x1b\n", "t.csv:2:1: expected a number, got \"\\x01\\x1b\" (column \"a\")");
    refused("a,b,c\n1,2,3\n4,5\n", "t.csv:3:3: expected 3 fields, got 2");
    refused("a,b,c\n1,2,3,\n", "t.csv:2:4: expected 3 fields, got 4");
    refused("a,b\n1,2\n\n3,4\n", "t.csv:3:1: expected 2 fields, got an empty line");
    refused("a\n1\n\n3\n", "t.csv:3:1: expected 1 fields, got an empty line");
    refused("a,b,a\n", "t.csv:1:3: expected a new column name, got \"a\" again");
    refused("b,a,a,b\n", "t.csv:1:3: expected a new column name, got \"a\" again");
    refused("a,b\n", "t.csv:1:1: expected a column \"date\"; the columns are \"a\", \"b\"",
            {.text_columns = {"date"}});
    refused("a,b\n1,\"2\n3,4\n", "t.csv:2:2: expected a closing quote before the end of the file");
    refused("a,b\n1,\"2\"x\n",
            "t.csv:2:2: expected a delimiter or the end of the line after a quoted field, got \"x\"");
    refused("a,b\n1,2\"\n", "t.csv:2:2: expected no quote inside a field that does not begin with one");
    refused("a,b\n1,2\r3,4\n", "t.csv:2:2: expected a line feed after a carriage return");
    refused("a,b\n1,\0\n"s, "t.csv:2:2: expected text, got a NUL byte (a binary or UTF-16 file?)");
    refused("a,b\n1,\"\0\"\n"s, "t.csv:2:2: expected text, got a NUL byte (a binary or UTF-16 file?)");
    refused(
        "\xFF\xFE"
        "a\0,\0b\0"s,
        "t.csv:1:1: expected text, got a NUL byte (a binary or UTF-16 file?)");
    refused("day,x\nM\xE4rz,2\n", "t.csv:2:1: expected UTF-8, got the byte 0xE4; convert the file to UTF-8",
            {.text_columns = {"day"}});
    refused("a,b\xFF\n", "t.csv:1:2: expected UTF-8, got the byte 0xFF; convert the file to UTF-8");
    refused("a,b\n1,\"\n\xC3\"\n", "t.csv:3:2: expected UTF-8, got the byte 0xC3; convert the file to UTF-8");
    refused("a\n" + std::string(100, 'x') + "\n",
            ("t.csv:2:1: expected a number, got \"" + std::string(40, 'x') + "...\" (column \"a\")").c_str());
}

TEST_CASE("asking for a column that is not there or of the other kind says what there is") {
    const CsvTable table = parse("date,x\n1958,1\n", {.text_columns = {"date"}});
    CHECK_THROWS_WITH_AS(table.numbers("y"), "t.csv: no column \"y\"; the columns are \"date\", \"x\"",
                         ValueError);
    CHECK_THROWS_AS(table.index("y"), ValueError);
    CHECK_THROWS_AS(table.is_text("y"), ValueError);
    CHECK_THROWS_WITH_AS(
        table.numbers("date"),
        "t.csv: column \"date\" was read as text; leave it out of CsvOptions::text_columns to have its "
        "numbers",
        ValueError);
    CHECK_THROWS_WITH_AS(
        table.text("x"),
        "t.csv: column \"x\" was read as numbers; name it in CsvOptions::text_columns to have its text",
        ValueError);
    CHECK_THROWS_WITH_AS(table.place(1, "x"), "t.csv: no row 1 among 1", ValueError);
}

TEST_CASE("files that cannot be read name the path and the system's reason") {
    CHECK_THROWS_WITH_AS(read_csv("no/such/file.csv"),
                         "cannot read \"no/such/file.csv\": No such file or directory", IoError);
    CHECK_THROWS_WITH_AS(read_csv(sets), ("cannot read \"" + sets + "\": Is a directory").c_str(), IoError);
}

TEST_CASE("the bundled series are read whole") {
    const CsvTable elnino = read_csv(sets + "/elnino.csv");
    CHECK(elnino.rows() == 61);
    CHECK(elnino.names().size() == 13);
    CHECK(elnino.numbers("YEAR").front() == 1950);
    CHECK(elnino.numbers("DEC").back() == 22.07);
    CHECK(elnino.place(15, "FEB") == sets + "/elnino.csv:17:3");

    const CsvTable co2 = read_csv(sets + "/co2.csv", {.text_columns = {"date"}});
    CHECK(co2.rows() == 2284);
    CHECK(co2.text("date").back() == "20011229");
    CHECK(co2.numbers("co2").back() == 371.5);

    const CsvTable sunspots = read_csv(sets + "/sunspots.csv");
    CHECK(sunspots.rows() == 309);
    CHECK(sunspots.numbers("SUNACTIVITY").back() == 2.9);

    const CsvTable macro = read_csv(sets + "/macrodata.csv");
    CHECK(macro.rows() == 203);
    CHECK(macro.names().size() == 14);
    CHECK(macro.numbers("realint").back() == -3.44);
}

TEST_CASE("a file may have very many columns") {
    std::string names;
    for (int i = 0; i < 200000; ++i) names.append("c").append(std::to_string(i)).append(",");
    CHECK(parse_csv(names + "last\n", "t.csv").names().size() == 200001);
    CHECK_THROWS_WITH_AS(parse_csv(names + "c7\n", "t.csv"),
                         "t.csv:1:200001: expected a new column name, got \"c7\" again", FormatError);
    try {
        parse_csv(names + "last\n", "t.csv").index("missing");
        FAIL("found a column that is not there");
    } catch (const ValueError& error) {
        const std::string message = error.what();
        CHECK(message.ends_with("\"c99\" and 199901 more"));
    }
}
