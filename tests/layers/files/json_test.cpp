#include "seqgrad/layers/files/json.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/damage.hpp"
#include "support/edge_numbers.hpp"
#include "support/locales.hpp"
#include "support/memory_file.hpp"
#include "support/stored.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using test::content_of;
using test::for_each_damage;
using test::MemoryFile;
using test::same_bits;
using test::small_tensors;
using test::TemporaryFolder;

namespace {

const std::filesystem::path golden_files = std::filesystem::path(SEQGRAD_TEST_GOLDEN_DIR) / "files";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

std::string text_of(const StoredTensors& tensors, const SaveOptions& options = {}) {
    const TemporaryFolder folder;
    write_json(tensors, folder / "t.json", options);
    CHECK(folder.files() == 1);
    return content_of(folder / "t.json");
}

JsonFile read(const std::string& text, const LoadOptions& options = {}) {
    const MemoryFile file(text);
    return read_json(file.path(), options);
}

/// The message of the FormatError that a text gives, from behind the file's name on; "" where it is read.
/// Any other exception fails the test.
std::string refusal(const std::string& text, const LoadOptions& options = {}) {
    const MemoryFile file(text);
    try {
        read_json(file.path(), options);
    } catch (const FormatError& e) {
        const std::string message = e.what(), path = file.path().string() + ": ";
        CHECK(message.starts_with(path));
        return message.substr(path.size());
    }
    return "";
}

/// A file with one tensor "x", as a person would write it.
std::string file_of(const std::string& tensor, const std::string& rest = "") {
    return "{\"format\": \"seqgrad\", \"version\": 2, \"oldest_reader\": 2, \"tensors\": {\"x\": {" + tensor +
           "}}" + rest + "}";
}
std::string numbers(const std::string& shape, const std::string& data, const std::string& dtype = "float32") {
    return file_of("\"shape\": " + shape + ", \"dtype\": \"" + dtype + "\", \"data\": " + data);
}
std::string base64(const std::string& shape, const std::string& data, const std::string& dtype = "float32") {
    return file_of("\"shape\": " + shape + ", \"dtype\": \"" + dtype +
                   "\", \"encoding\": \"base64\", \"data\": " + data);
}

template <class T>
using BitsOf = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;

/// Every number that is awkward, and many at random; all bit patterns of NaNs among them if asked for.
template <class T>
std::vector<T> many_numbers(std::size_t count, bool finite) {
    using Limits = std::numeric_limits<T>;
    using Bits = BitsOf<T>;
    std::vector<T> values = test::edge_numbers<T>();
    for (int power = Limits::min_exponent - Limits::digits; power < Limits::max_exponent; ++power) {
        const T exact = std::ldexp(T{1}, power);
        values.insert(values.end(), {exact, -exact, std::nextafter(exact, T{0}),
                                     std::nextafter(exact, Limits::infinity())});
    }
    for (T power = 1; std::isfinite(power); power *= 10) values.insert(values.end(), {power, 1 / power});
    if (!finite) {
        values.insert(values.end(), {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(),
                                     std::copysign(Limits::quiet_NaN(), T{-1}), Limits::signaling_NaN()});
    }
    std::mt19937_64 random(20260101);
    while (values.size() < count) {
        const T value = std::bit_cast<T>(static_cast<Bits>(random()));
        if (!finite || std::isfinite(value)) values.push_back(value);
    }
    if (finite) std::erase_if(values, [](T value) { return !std::isfinite(value); });
    return values;
}

constexpr Encoding encodings[] = {Encoding::decimal, Encoding::base64};

}  // namespace

TEST_CASE_TEMPLATE("a million numbers come back bit for bit, in both encodings and any locale", T, float,
                   double) {
    StoredTensors tensors;
    std::vector<T> values = many_numbers<T>(1'000'000, true);
    const std::size_t count = values.size();
    CHECK(count > 900'000);
    tensors.add("x", {{count}, std::move(values)});
    StoredTensors few;
    std::vector<T> some = many_numbers<T>(20'000, true);
    const std::size_t some_count = some.size();
    few.add("x", {{some_count}, std::move(some)});
    const TemporaryFolder folder;
    for (const Encoding encoding : encodings) {
        write_json(tensors, folder / "t.json", {.encoding = encoding});
        write_json(few, folder / "here.json", {.encoding = encoding});
        for (const std::string& name : test::other_locales()) {
            CAPTURE(name);
            const test::OtherLocale locale(name);
            CHECK(same_bits(read_json(folder / "t.json").tensors, tensors));
            write_json(few, folder / "there.json", {.encoding = encoding});
            CHECK(content_of(folder / "here.json") == content_of(folder / "there.json"));
        }
    }
}

TEST_CASE_TEMPLATE("numbers that are not finite are refused, or come back with all their bits", T, float,
                   double) {
    StoredTensors tensors;
    std::vector<T> values = many_numbers<T>(20'000, false);
    const std::size_t count = values.size();
    tensors.add("x", {{count}, std::move(values)});
    const TemporaryFolder folder;
    for (const Encoding encoding : encodings) {
        CHECK_THROWS_AS(write_json(tensors, folder / "t.json", {.encoding = encoding}), ValueError);
        CHECK(folder.files() == 0);
        write_json(tensors, folder / "all.json", {.encoding = encoding, .allow_non_finite = true});
        CHECK(same_bits(read_json(folder / "all.json").tensors, tensors));
        std::filesystem::remove(folder / "all.json");
    }
    StoredTensors two;
    two.add("fine", {{1}, std::vector<T>{1}});
    two.add("a", {{2, 2}, std::vector<T>{0, 1, std::numeric_limits<T>::infinity(), 3}});
    two.add("b", {{1}, std::vector<T>{std::numeric_limits<T>::quiet_NaN()}});
    CHECK_THROWS_WITH_AS(write_json(two, folder / "t.json"),
                         "write_json: numbers that are not finite are not saved, unless "
                         "SaveOptions::allow_non_finite says so:\n"
                         "  \"a\" of shape [2, 2]: element 2 is inf\n"
                         "  \"b\" of shape [1]: element 0 is nan",
                         ValueError);
}

TEST_CASE("the file is the one that the documentation shows") {
    const std::string page = content_of(std::filesystem::path(SEQGRAD_TEST_DOCS_DIR) / "format.md");
    for (const Encoding encoding : encodings) {
        const std::string shown =
            text_of(small_tensors(), {.encoding = encoding, .metadata = {{"author", "me"}}});
        CAPTURE(shown);
        CHECK(page.find("```json\n" + shown + "```\n") != std::string::npos);
    }
}

TEST_CASE("what was written comes back: tensors in order, metadata, version and checksum") {
    for (const Encoding encoding : encodings) {
        const JsonFile file = read(
            text_of(small_tensors(), {.encoding = encoding, .metadata = {{"a", "\n\"\xC3\xA9"}, {"b", ""}}}));
        CHECK(same_bits(file.tensors, small_tensors()));
        CHECK(file.metadata == std::map<std::string, std::string>{{"a", "\n\"\xC3\xA9"}, {"b", ""}});
        CHECK(file.version == 2);
        CHECK(file.format == "seqgrad");
        CHECK(file.checksum.value_or("").size() == 16);
        CHECK_FALSE(file.model);
        CHECK_FALSE(file.training);
    }
    CHECK(read(text_of({})).tensors.empty());
    // The checksum is one of what is in the file, not of how it is written.
    CHECK(read(text_of(small_tensors())).checksum ==
          read(text_of(small_tensors(), {.encoding = Encoding::base64})).checksum);
}

TEST_CASE("files of every version stay readable") {
    for (const auto& [name, dtype] : {std::pair{"float32", DType::float32}, {"float64", DType::float64}}) {
        const JsonFile first = read_json(golden_files / (std::string("weights-1-") + name + ".json"));
        CHECK(first.version == 1);
        CHECK(first.format == "seqgrad-weights");
        CHECK_FALSE(first.checksum);
        REQUIRE(first.tensors.size() == 5);
        CHECK(first.tensors.begin()->name == "lstm.kernel");
        CHECK(first.tensors.begin()->tensor.shape() == Shape{3, 8});
        CHECK(first.tensors.begin()->tensor.dtype() == dtype);
        for (const char* encoding : {"decimal", "base64"}) {
            const JsonFile second =
                read_json(golden_files / (std::string("weights-2-") + name + "-" + encoding + ".json"));
            CHECK(second.version == 2);
            CHECK(second.checksum);
            CHECK(same_bits(second.tensors, first.tensors));
        }
    }
    const JsonFile first = read_json(golden_files / "weights-1-float32.json");
    const std::vector<float>& kernel = first.tensors.find("lstm.kernel")->data<float>();
    CHECK(std::signbit(kernel[0]));
    CHECK(kernel[1] == std::numeric_limits<float>::denorm_min());
    CHECK(kernel[2] == std::numeric_limits<float>::max());
    const JsonFile checkpoint = read_json(golden_files / "checkpoint-1-float32.json");
    CHECK(checkpoint.training);
    CHECK(checkpoint.tensors.empty());
}

TEST_CASE("what a person writes is read: without checksum and encoding, in any order and spacing") {
    const JsonFile file = read(
        "\n { \"tensors\" : { \"x\" :{\"dtype\":\"float64\" ,\"data\" :\t[ 1 ,\r\n-2.5E+1,0.1e-1 ] , "
        "\"shape\":[3]}},"
        "\"oldest_reader\":2,\"version\":2,\"format\":\"seqgrad\"} \n");
    CHECK(file.tensors.find("x")->data<double>() == std::vector<double>{1, -25, 0.01});
    CHECK_FALSE(file.checksum);
    // A later version that says that readers of this one will do.
    CHECK(refusal(replaced(numbers("[1]", "[1]"), "\"version\": 2", "\"version\": 7")) == "");
    CHECK(
        refusal(replaced(replaced(numbers("[1]", "[1]"), "\"version\": 2", "\"version\": 7"),
                         "\"oldest_reader\": 2", "\"oldest_reader\": 4")) ==
        "/: version 7 of the format, for readers of version 4 and later; this library reads up to version 3");
    // Numbers that are rounded, to zero as well, and those that are nearly too large.
    const JsonFile rounded = read(numbers("[6]",
                                          "[1e-50,-1e-400,3.4028235677973366e38,0.1000000000000000055,"
                                          "16777217,1.00000005960464477540]"));
    const std::vector<float>& x = rounded.tensors.find("x")->data<float>();
    CHECK(x[0] == 0);
    CHECK(std::signbit(x[1]));
    CHECK(x[2] == std::numeric_limits<float>::max());
    CHECK(x[3] == 0.1F);
    CHECK(x[4] == 16777216);
    // Halfway between two, and a little more: through double it would be rounded down.
    CHECK(x[5] == std::nextafter(1.0F, 2.0F));
}

TEST_CASE("what does not belong into a file is refused with the place") {
    CHECK(refusal(numbers("[2]", "[1,2]")) == "");
    CHECK(refusal(base64("[2]", "\"AACAPwAAAEA=\"")) == "");

    SUBCASE("texts that are not JSON") {
        CHECK(refusal("") ==
              "/: not valid JSON: while parsing value - unexpected end of input; expected '[', "
              "'{', or a literal (line 1, column 1)");
        CHECK(refusal("{\n  \"format\" 1}") ==
              "/format: not valid JSON: while parsing object separator - unexpected number literal; expected "
              "':' "
              "(line 2, column 13)");
        const std::string good = numbers("[2]", "[1,2]");
        for (std::size_t size = 0; size < good.size(); ++size) {
            CAPTURE(size);
            CHECK(refusal(good.substr(0, size)).find("(line 1, column ") != std::string::npos);
        }
        CHECK(refusal(good + "x")
                  .starts_with("/: not valid JSON: while parsing value - invalid literal; expected "
                               "end of input"));
        CHECK(refusal(good + "{}").find("expected end of input") != std::string::npos);
        const std::string nul(1, '\0');
        CHECK(refusal(good + nul).find("a NUL byte") != std::string::npos);
        CHECK(refusal(good + nul + "more").find("a NUL byte") != std::string::npos);
        CHECK(refusal(replaced(good, "seqgrad", "seq" + nul)).find("a NUL byte") != std::string::npos);
        CHECK(refusal(replaced(good, "[1,2]", "[1," + nul + "2]")) ==
              "/tensors/x/data/1: expected a number, got ?2 (line 1, column 120)");
        const std::string utf8 = refusal(replaced(good, "\"x\"", "\"x\xFF\""));
        CHECK(utf8.find("ill-formed UTF-8 byte") != std::string::npos);
        CHECK(utf8.find('\xFF') == std::string::npos);
        CHECK(refusal(replaced(good, "seqgrad", "\\ud800")).find("surrogate") != std::string::npos);
        for (const char* comment : {"/**/", "//\n", "#\n"}) CHECK(refusal(comment + good) != "");
    }
    SUBCASE("the head") {
        CHECK(refusal("[]") == "/: expected an object, got []");
        CHECK(refusal("null") == "/: expected an object, got null");
        CHECK(refusal("{}") == "/: \"format\" is missing");
        const std::string good = numbers("[2]", "[1,2]");
        CHECK(refusal(replaced(good, "\"seqgrad\"", "\"onnx\"")) ==
              "/format: expected \"seqgrad\" (or, before version 2, \"seqgrad-weights\" or "
              "\"seqgrad-checkpoint\"), got \"onnx\"");
        CHECK(refusal(replaced(good, "\"seqgrad\"", "1")) == "/format: expected a string, got 1");
        CHECK(refusal(replaced(good, "\"version\": 2", "\"version\": 1")) ==
              "/version: expected a version from 2 on, got 1");
        CHECK(refusal(replaced(good, "\"version\": 2", "\"version\": 2.0")) ==
              "/version: expected a whole number of 64 bits, at least 0, got 2.0");
        CHECK(refusal(replaced(good, "\"oldest_reader\": 2", "\"oldest_reader\": 3")) ==
              "/oldest_reader: expected at most the version, 2, got 3");
        CHECK(refusal(replaced(good, "\"oldest_reader\": 2,", "")) == "/: \"oldest_reader\" is missing");
        CHECK(refusal(replaced(good, "\"version\": 2", "\"version\": 2, \"version\": 2")) ==
              "/version: stands there twice (line 1, column 45)");
        CHECK(refusal(file_of("", ", \"code\": 1"))
                  .starts_with("/: unknown key \"code\"; known are format, version, "));
        CHECK(refusal(replaced(good, "\"tensors\"", "\"tensor\"")) == "/: \"tensors\" is missing");
        CHECK(refusal("{\"format\": \"seqgrad-weights\", \"version\": 2, \"tensors\": {}}") ==
              "/version: expected version 1 of the format \"seqgrad-weights\", got 2");
        CHECK(refusal("{\"format\": \"seqgrad-weights\", \"version\": 1, \"tensors\": []}") ==
              "/tensors: expected an object of tensors, got []");
    }
    SUBCASE("checksum and metadata") {
        const std::string good = text_of(small_tensors(), {.metadata = {{"author", "me"}}});
        const std::string checksum = *read(good).checksum;
        const std::string wrong = refusal(replaced(good, "-2.5", "-2.6"));
        CHECK(wrong.starts_with("/checksum: the checksum of the file is "));
        CHECK(wrong.ends_with(", not " + checksum + " as it says: it was changed or damaged"));
        CHECK(refusal(replaced(good, "\"me\"", "\"you\"")).starts_with("/checksum: "));
        CHECK(refusal(replaced(good, "\"me\"", "1")) == "/metadata/author: expected a string, got 1");
        CHECK(refusal(replaced(good, checksum, "A" + checksum.substr(1))).starts_with("/checksum: "));
        CHECK(refusal(replaced(good, "\"" + checksum + "\"", "1")) == "/checksum: expected a string, got 1");
        CHECK(refusal(file_of("\"shape\": [], \"dtype\": \"float32\", \"data\": [1]",
                              ", \"metadata\": []")) == "/metadata: expected an object of strings, got []");
    }
    SUBCASE("a tensor's members") {
        CHECK(refusal(file_of("\"dtype\": \"float32\", \"data\": [1]")) ==
              "/tensors/x: \"shape\" is missing");
        CHECK(refusal(file_of("\"shape\": [1], \"dtype\": \"float32\"")) ==
              "/tensors/x: \"data\" is missing");
        CHECK(refusal(file_of("\"shape\": [1], \"data\": [1]")) == "/tensors/x: \"dtype\" is missing");
        CHECK(refusal(file_of("\"shape\": [1], \"data\": [1], \"dtype\": \"float32\"")) ==
              "/tensors/x/data: expected an array of numbers or base64 after \"dtype\", got [1]");
        CHECK(refusal(numbers("[1]", "[1]", "float16")) ==
              "/tensors/x/dtype: expected \"float32\" or \"float64\", got \"float16\"");
        CHECK(refusal(file_of("\"shape\": [1], \"dtype\": \"float32\", \"data\": [1], \"data\": [1]"))
                  .starts_with("/tensors/x/data: stands there twice"));
        CHECK(refusal(file_of("\"shape\": [1], \"dtype\": \"float32\", \"data\": [1], \"extra\": 1")) ==
              "/tensors/x: unknown key \"extra\"; known are shape, dtype, data, encoding");
        CHECK(refusal(
                  file_of("\"shape\": [1], \"dtype\": \"float32\", \"encoding\": \"hex\", \"data\": [1]")) ==
              "/tensors/x/encoding: expected \"decimal\" or \"base64\", got \"hex\"");
        CHECK(refusal(base64("[1]", "[1]")) == "/tensors/x/data: expected \"base64\", got decimal");
        CHECK(refusal(numbers("[1]", "\"AACAPw==\"")) ==
              "/tensors/x/data: expected an array of numbers where no encoding is stated, got a string");
        CHECK(refusal("{\"format\": \"seqgrad\", \"version\": 2, \"oldest_reader\": 2, \"tensors\": "
                      "{\"a/b~\": 1}}") == "/tensors/a~1b~0: expected an object, got 1");
    }
    SUBCASE("shapes") {
        for (const char* size : {"-3", "1.5", "1e2", "\"2\"", "null", "[2]", "18446744073709551616"}) {
            CAPTURE(size);
            CHECK(
                refusal(numbers("[" + std::string(size) + "]", "[1,2]"))
                    .starts_with("/tensors/x/shape/0: expected a whole number of 64 bits, at least 0, got "));
        }
        CHECK(refusal(numbers("2", "[1,2]")) == "/tensors/x/shape: expected an array of sizes, got 2");
        CHECK(refusal(numbers("[5]", "[1,2]"))
                  .starts_with(
                      "/tensors/x/data: the 5 numbers of the shape do not fit into the 8 bytes that follow"));
        CHECK(refusal(numbers("[3]", "[1.5,2.5]")) ==
              "/tensors/x/data: expected the 3 numbers of the shape, got 2 (line 1, column 125)");
        CHECK(refusal(numbers("[1]", "[1,2]"))
                  .starts_with("/tensors/x/data/1: more than the 1 numbers of the shape"));
        CHECK(refusal(numbers("[4294967296,4294967296,4294967296]", "[1,2]"))
                  .starts_with(
                      "/tensors/x/shape: shape [4294967296, 4294967296, 4294967296] holds more elements"));
        CHECK(refusal(numbers("[1000000000000000000]", "[1,2]"))
                  .starts_with(
                      "/tensors/x/data: the 1000000000000000000 numbers of the shape do not fit into"));
        CHECK(refusal(base64("[1000000000000000000]", "\"AACAPw==\"")).find("do not fit into") !=
              std::string::npos);
        CHECK(refusal(file_of("\"dtype\": \"float32\", \"data\": [1,2], \"shape\": [3]")) ==
              "/tensors/x: shape [3] does not hold 2 numbers");
    }
    SUBCASE("numbers") {
        const auto element = [](const std::string& number, const std::string& dtype = "float32") {
            return refusal(numbers("[2]", "[1," + number + "]", dtype));
        };
        CHECK(element("3.4028235e38") == "");
        CHECK(element("1e39") ==
              "/tensors/x/data/1: the number 1e39 is too large for float32 (line 1, column 123)");
        CHECK(element("1e39", "float64") == "");
        CHECK(element("-1e400", "float64")
                  .starts_with("/tensors/x/data/1: the number -1e400 is too large for float64"));
        CHECK(element("1e99999999999999999999").find("too large") != std::string::npos);
        CHECK(element("1e-99999999999999999999") == "");
        CHECK(element("0e99999999999999999999") == "");
        CHECK(element("0." + std::string(400, '0') + "1e401") == "");
        CHECK(element("1" + std::string(400, '0') + "e-400") == "");
        for (const char* bad : {"null",
                                "true",
                                "[1]",
                                "{}",
                                "\"1\"",
                                "\"NaN\"",
                                "\"Infinity\"",
                                "\"nan:7fc0000g\"",
                                "\"nan:7F800001\"",
                                "\"nan:3f800000\"",
                                "\"nan:7f80001\"",
                                "\"inf",
                                "NaN",
                                "inf",
                                "+1",
                                "01",
                                "-",
                                "1.",
                                ".5",
                                "1e",
                                "1e+",
                                "0x1",
                                "1_0",
                                "1 2",
                                "",
                                ",",
                                "--1"}) {
            CAPTURE(bad);
            CHECK(element(bad).starts_with("/tensors/x/data/1: "));
        }
        CHECK(element("1" + std::string(5000, '0')).starts_with("/tensors/x/data/1: "));
        CHECK(refusal(numbers("[]", "1")) ==
              "/tensors/x/data: expected an array of numbers or base64, got 1 (line 1, column 116)");
        CHECK(refusal(numbers("[]", "{}"))
                  .starts_with("/tensors/x/data: expected an array of numbers or base64"));
    }
    SUBCASE("base64") {
        const auto bytes = [](const std::string& text) { return refusal(base64("[1]", "\"" + text + "\"")); };
        CHECK(bytes("AACAPw==") == "");
        for (const char* bad :
             {"", "AACAPw", "AACAPw=", "AACAPw==A", "AACAPw==AAAA", "AACAPx==", "AAC APw==", "A",
              "AAC*Pw==", "AACAPw\\u003d=", "AACA", "====", "AAC=", "AACAPwAAAEA=", "\xC3\xA9"}) {
            CAPTURE(bad);
            CHECK(bytes(bad).starts_with("/tensors/x/data"));
        }
        CHECK(bytes("AAC*Pw==").starts_with("/tensors/x/data/0: expected a digit of base64, got AAC*Pw=="));
        CHECK(refusal(
                  file_of(
                      "\"dtype\": \"float32\", \"encoding\": \"base64\", \"data\": \"AACA\", \"shape\": [1]"))
                  .starts_with("/tensors/x/data: 3 bytes of base64 are no whole number of float32"));
    }
}

TEST_CASE("the limits of a loader hold, and nesting is one of them") {
    const std::string good = numbers("[2]", "[1,2]");
    CHECK(refusal(good, {.limits = {.max_bytes = good.size()}}) == "");
    CHECK(refusal(good, {.limits = {.max_bytes = good.size() - 1}}) ==
          "/: " + std::to_string(good.size()) + " bytes are more than the limit of " +
              std::to_string(good.size() - 1));
    CHECK(refusal(good, {.limits = {.max_depth = 4}}) == "");
    CHECK(refusal(good, {.limits = {.max_depth = 3}})
              .starts_with("/tensors/x/shape: nested deeper than 3 levels"));
    CHECK(refusal(good, {.limits = {.max_keys = 10}}) == "");
    CHECK(refusal(good, {.limits = {.max_keys = 9}})
              .starts_with("/tensors/x/data: more than the limit of 9 values"));
    CHECK(refusal(good, {.limits = {.max_string_length = 13}}) == "");
    CHECK(refusal(good, {.limits = {.max_string_length = 12}})
              .starts_with("/oldest_reader: a text of 13 bytes is longer than the limit of 12"));
    const std::string deep = "{\"a\": " + std::string(200'000, '[');
    CHECK(refusal(deep).starts_with("/a/0/0/0/"));
    // A text that would be taken into memory before it is known to be too long.
    CHECK(refusal("{\"" + std::string(5'000'000, 'a')).find("longer than the limit of 1048576 bytes") !=
          std::string::npos);
    CHECK(refusal("{\"a\": " + std::string(5'000'000, '1')).find("longer than the limit") !=
          std::string::npos);
}

TEST_CASE("every truncation and every flipped bit of a file is refused or gives the same") {
    std::vector<std::string> files;
    for (const Encoding encoding : encodings)
        files.push_back(text_of(small_tensors(), {.encoding = encoding, .metadata = {{"author", "me"}}}));
    for (const char* name :
         {"weights-2-float32-base64", "weights-2-float64-decimal", "model-2-float32-decimal"})
        files.push_back(content_of(golden_files / (std::string(name) + ".json")));
    for (const std::string& good : files) {
        MemoryFile file(good);
        const JsonFile whole = read_json(file.path());
        REQUIRE(whole.checksum);
        for_each_damage(good, [&](std::string_view text) {
            file.write(text);
            try {
                const JsonFile other = read_json(file.path());
                if (same_bits(other.tensors, whole.tensors) && other.metadata == whole.metadata &&
                    other.model == whole.model) {
                    return;
                }
            } catch (const FormatError&) {
                return;
            }
            FAIL_CHECK("read as something else: ", text);
        });
    }
}

TEST_CASE("every truncation of a file of version 1 is refused") {
    for (const char* name : {"weights-1-float32", "checkpoint-1-float32"}) {
        const std::string good = content_of(golden_files / (std::string(name) + ".json"));
        // Behind the last bracket there is a line break, which means nothing.
        for (std::size_t size = 0; size + 1 < good.size(); ++size) {
            CAPTURE(size);
            CHECK(refusal(good.substr(0, size)) != "");
        }
    }
}

TEST_CASE("progress is told, and what it throws ends the work") {
    StoredTensors tensors;
    tensors.add("x", {{1'000'000}, std::vector<float>(1'000'000, 0.5F)});
    const TemporaryFolder folder;
    for (const Encoding encoding : encodings) {
        std::vector<std::uint64_t> told;
        const auto record = [&](std::uint64_t expected_total) {
            return [&told, expected_total](std::uint64_t done, std::uint64_t total) {
                CHECK(total == expected_total);
                told.push_back(done);
            };
        };
        write_json(tensors, folder / "t.json", {.encoding = encoding, .progress = record(4'000'000)});
        CHECK(told.size() >= 4);
        CHECK(std::ranges::is_sorted(told));
        CHECK(told.back() == 4'000'000);
        told.clear();
        const auto size = std::filesystem::file_size(folder / "t.json");
        read_json(folder / "t.json", {.progress = record(size)});
        CHECK(told.size() >= 4);
        CHECK(std::ranges::is_sorted(told));
        CHECK(told.back() == size);
        const auto stop = [](std::uint64_t, std::uint64_t) { throw std::runtime_error("enough"); };
        const std::string before = content_of(folder / "t.json");
        CHECK_THROWS_WITH_AS(write_json(tensors, folder / "t.json", {.progress = stop}), "enough",
                             std::runtime_error);
        CHECK_THROWS_WITH_AS(read_json(folder / "t.json", {.progress = stop}), "enough", std::runtime_error);
        CHECK(content_of(folder / "t.json") == before);
        CHECK(folder.files() == 1);
    }
}

TEST_CASE("texts that are not UTF-8 are not saved, and files that are not there are IoErrors") {
    const TemporaryFolder folder;
    StoredTensors odd;
    odd.add("\xFF", {});
    CHECK_THROWS_WITH_AS(write_json(odd, folder / "t.json"),
                         "a name or text that is to be saved is not UTF-8", ValueError);
    CHECK_THROWS_AS(write_json({}, folder / "t.json", {.metadata = {{"a", "\xFF"}}}), ValueError);
    CHECK(folder.files() == 0);
    CHECK_THROWS_WITH_AS(
        read_json(folder / "none.json"),
        ("cannot open " + (folder / "none.json").string() + ": No such file or directory").c_str(), IoError);
    CHECK_THROWS_AS(read_json(folder.path()), IoError);
}
