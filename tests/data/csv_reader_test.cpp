#include "seqgrad/data/csv_reader.hpp"

#include <cmath>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using namespace std::string_literals;
using seqgrad::test::TemporaryFolder;

namespace {

/// A file with this text.
class TextFile {
  public:
    explicit TextFile(std::string_view text) : path_((folder_ / "t.csv").string()) {
        std::ofstream(path_, std::ios::binary) << text;
    }
    const std::string& path() const { return path_; }

  private:
    TemporaryFolder folder_;
    std::string path_;
};

/// What the call throws, without the folder; "" if nothing.
template <class Call>
std::string refusal(const TextFile& file, Call call) {
    try {
        call();
    } catch (const FormatError& error) {
        const std::string message = error.what();
        return message.starts_with(file.path()) ? message.substr(file.path().size() - 5) : message;
    }
    return "";
}

std::vector<double> column(CsvReader& reader, std::size_t index) {
    std::vector<double> values;
    while (reader.next()) values.push_back(reader.number(index));
    return values;
}

}  // namespace

TEST_CASE("records come one by one, with their numbers, texts and places") {
    const TextFile file("day,level\n\"one\ntwo\",1.5\nthree,\n\n");
    CsvReader reader(file.path(), {.text_columns = {"day"}});
    CHECK(reader.source() == file.path());
    CHECK(reader.names() == std::vector<std::string>{"day", "level"});
    CHECK(reader.index("level") == 1);
    CHECK(reader.is_text(0));
    CHECK_FALSE(reader.is_text(1));
    REQUIRE(reader.next());
    CHECK(reader.text(0) == "one\ntwo");
    CHECK(reader.number(1) == 1.5);
    CHECK(reader.line() == 2);
    CHECK(reader.place(1) == file.path() + ":2:2");
    REQUIRE(reader.next());
    CHECK(reader.text(0) == "three");
    CHECK(std::isnan(reader.number(1)));
    CHECK(reader.line() == 4);
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.next());
}

TEST_CASE("what there is not is refused") {
    const TextFile file("day,level\none,1\n");
    CsvReader reader(file.path(), {.text_columns = {"day"}});
    const std::string no_record = file.path() + ": no record; call next first";
    CHECK_THROWS_WITH_AS(reader.number(1), no_record.c_str(), ValueError);
    CHECK_THROWS_WITH_AS(reader.text(0), no_record.c_str(), ValueError);
    CHECK_THROWS_WITH_AS(reader.line(), no_record.c_str(), ValueError);
    CHECK_THROWS_WITH_AS(reader.place(0), no_record.c_str(), ValueError);
    REQUIRE(reader.next());
    CHECK_THROWS_WITH_AS(reader.number(2), (file.path() + ": no column 2 among 2").c_str(), ValueError);
    CHECK_THROWS_AS(reader.text(2), ValueError);
    CHECK_THROWS_AS(reader.place(2), ValueError);
    CHECK_THROWS_AS(reader.is_text(2), ValueError);
    CHECK_THROWS_AS(reader.number(0), ValueError);
    CHECK_THROWS_AS(reader.text(1), ValueError);
    CHECK_THROWS_WITH_AS(reader.index("x"),
                         (file.path() + ": no column \"x\"; the columns are \"day\", \"level\"").c_str(),
                         ValueError);
    CHECK_FALSE(reader.next());
    CHECK_THROWS_AS(reader.number(1), ValueError);
    CHECK_THROWS_WITH_AS(CsvReader("no/such/file.csv"),
                         "cannot read \"no/such/file.csv\": No such file or directory", IoError);
    CHECK_THROWS_AS(CsvReader(file.path(), {.delimiter = '|'}), ValueError);
}

TEST_CASE("it begins again wherever it was, with a header, a byte-order mark, and without") {
    for (const std::string& text : {"x,y\n1,2\n3,4\n5,6\n"s, "\xEF\xBB\xBFx,y\r\n1,2\r\n3,4\r\n5,6"s,
                                    "1,2\n3,4\n5,6\n"s, "\xEF\xBB\xBF\"1\",2\n3,4\n5,6\n\n"s}) {
        CAPTURE(text);
        const TextFile file(text);
        CsvReader reader(file.path(), {.header = text.find('x') != std::string::npos});
        for (int taken = 0; taken <= 4; ++taken) {
            reader.rewind();
            for (int i = 0; i < taken; ++i) reader.next();
            reader.rewind();
            reader.rewind();
            CHECK(column(reader, 0) == std::vector<double>{1, 3, 5});
        }
        // From any position that it had.
        std::vector<CsvReader::Position> positions;
        reader.rewind();
        do positions.push_back(reader.position());
        while (reader.next());
        REQUIRE(positions.size() == 4);
        for (const std::size_t i : std::vector<std::size_t>{2, 0, 3, 1}) {
            reader.seek(positions[i]);
            CHECK(reader.position().byte == positions[i].byte);
            for (std::size_t k = i; k < 3; ++k) {
                REQUIRE(reader.next());
                CHECK(reader.number(1) == 2.0 * static_cast<double>(k) + 2);
                CHECK(reader.line() == positions[k].line);
            }
            CHECK_FALSE(reader.next());
        }
    }
}

TEST_CASE("a reader moves with its place in the file") {
    const TextFile file("x\n1\n2\n");
    CsvReader first(file.path());
    REQUIRE(first.next());
    CsvReader second(std::move(first));
    CHECK(second.number(0) == 1);
    CHECK(column(second, 0) == std::vector<double>{2});
}

TEST_CASE("a table holds what a reader has not read yet") {
    const TextFile file("x\n1\n2\n3\n");
    CsvReader reader(file.path());
    REQUIRE(reader.next());
    const CsvTable table(std::move(reader));
    CHECK(table.numbers("x") == std::vector<double>{2, 3});
    CHECK(table.place(0, "x") == file.path() + ":3:1");
    CHECK(CsvTable().rows() == 0);
}

TEST_CASE("an error comes with its record, and is not read over") {
    const TextFile file("x\n1\nabc\n3\n");
    CsvReader reader(file.path());
    for (int pass = 0; pass < 2; ++pass) {
        CHECK(reader.next());
        CHECK(refusal(file, [&] { reader.next(); }) ==
              "t.csv:3:1: expected a number, got \"abc\" (column \"x\")");
        CHECK_THROWS_WITH_AS(reader.next(),
                             (file.path() + ": reading on after an error; rewind or seek first").c_str(),
                             ValueError);
        CHECK_THROWS_AS(reader.number(0), ValueError);
        reader.rewind();
    }
}

TEST_CASE("blocks end anywhere in a record") {
    // A block ends at 64 KiB: shifted by a byte each, every byte of the record that has everything in it
    // comes to stand there once, and every pair of bytes is torn apart.
    const std::string record = "\"a \"\"b\"\"\r\n, \xC3\xA4\" , -1.25e2\r\n";
    constexpr std::size_t block = 1 << 16;
    for (std::size_t before = 0; before <= record.size() + 2; ++before) {
        std::string text = "\xEF\xBB\xBFs,x\r\n";
        text += std::string(block - before - text.size() - 4, 'z') + ",7\r\n";
        REQUIRE(text.size() + before == block);
        text += record + record;
        const TextFile file(text);
        const CsvTable table = read_csv(file.path(), {.text_columns = {"s"}});
        REQUIRE(table.rows() == 3);
        CHECK(table.text("s")[1] == "a \"b\"\r\n, \xC3\xA4");
        CHECK(table.text("s")[2] == table.text("s")[1]);
        CHECK(table.numbers("x") == std::vector<double>{7, -125, -125});
        CHECK(table.place(2, "x") == file.path() + ":5:2");
    }
}

TEST_CASE("a file is read as its text is, whatever is wrong with it") {
    const std::vector<std::string> texts = {
        "",
        "\n",
        "\r",
        "\r\r\n",
        "\xEF\xBB\xBF",
        "\xEF\xBB",
        "a",
        "a\n",
        "a\n1\n\n\n",
        "a\n1\n\r\r\n\t ",
        "a\n1\n\r\r\n 2",
        "a\n1\n\r\n\r2\n",
        "a\n1\n \r2\n",
        "a\n1\n\n2\n",
        "a\n\n \n2\n",
        "\na\n",
        "\ra\n",
        "a,b\n1,2\n3\n",
        "a,b\n1,2\n3,4,5\n",
        "a,b\n1,\"2",
        "a,b\n1,\"2\"x\n",
        "a,b\n1,\"\n2\"x\n",
        "a,b\n1,2\"\n",
        "a,b\n1,2\r3,4\n",
        "a,b\n1,\0\n"s,
        "a,b\n1,\"\n\xC3\"\n",
        "a,b\n1,2\r",
        "a,b\n1, ",
        "a,b\n1,",
        "a,a\n",
    };
    for (const std::string& text : texts) {
        for (const bool header : {true, false}) {
            CAPTURE(text);
            const TextFile file(text);
            const CsvOptions options{.header = header};
            std::size_t rows_in_file = 0, rows_in_memory = 0;
            const std::string in_file =
                refusal(file, [&] { rows_in_file = read_csv(file.path(), options).rows(); });
            const std::string in_memory =
                refusal(file, [&] { rows_in_memory = parse_csv(text, "t.csv", options).rows(); });
            CHECK(in_file == in_memory);
            CHECK(rows_in_file == rows_in_memory);
        }
    }
}

TEST_CASE("line ends and blanks before the end of a file are not records, and before a record an error") {
    const auto parse = [](std::string_view text) { return parse_csv(text, "t.csv").rows(); };
    CHECK(parse("a\n1\n\r\r\n\t ") == 1);
    CHECK_THROWS_WITH_AS(parse("a\n1\n\r\r\n 2"), "t.csv:3:1: expected a line feed after a carriage return",
                         FormatError);
    CHECK_THROWS_WITH_AS(parse("a\n1\n \r2\n"), "t.csv:3:1: expected a line feed after a carriage return",
                         FormatError);
    CHECK_THROWS_WITH_AS(parse("a\n1\n\r\n\r2\n"), "t.csv:3:1: expected 1 fields, got an empty line",
                         FormatError);
    CHECK_THROWS_WITH_AS(parse("a\n1\n\n \n\n2\n"), "t.csv:3:1: expected 1 fields, got an empty line",
                         FormatError);
}

TEST_CASE("a quote that is never closed does not take a large file into memory") {
    const TextFile file("a,b\n1,2\n3,\"4\n" + std::string(17 << 20, '\n'));
    CsvReader reader(file.path());
    REQUIRE(reader.next());
    CHECK(refusal(file, [&] { reader.next(); }) ==
          "t.csv:3:2: expected a record of at most 16 MiB, got a longer one; does a quote or a line end "
          "miss?");
}

TEST_CASE("a pipe can be read once") {
    TemporaryFolder folder;
    const std::string path = (folder / "pipe").string();
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    std::thread writer([&path] { std::ofstream(path, std::ios::binary) << "1\n2\n"; });
    CsvReader reader(path, {.header = false});
    writer.join();
    reader.rewind();  // nothing was read yet
    CHECK(column(reader, 0) == std::vector<double>{1, 2});
    CHECK_THROWS_WITH_AS(reader.rewind(), ("cannot read \"" + path + "\": Illegal seek").c_str(), IoError);
}
