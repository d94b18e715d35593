#include "seqgrad/layers/files/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "support/failing_files.hpp"
#include "support/memory_file.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using test::content_of;
using test::MemoryFile;
using test::TemporaryFolder;
using test::write_text;

namespace {

const std::filesystem::path golden_files = std::filesystem::path(SEQGRAD_TEST_GOLDEN_DIR) / "files";

/// A file of this header, the size of which stands before it, and of `data` bytes of zeros.
std::string file_of(const std::string& header, std::size_t data = 0) {
    std::string text;
    for (int byte = 0; byte < 8; ++byte) text += static_cast<char>((header.size() >> (8 * byte)) & 0xFF);
    return text + header + std::string(data, '\0');
}

/// The message of the FormatError that a file of these bytes gives, from its name on; "" where it is read.
std::string refusal(const std::string& bytes, const LoadLimits& limits = {}) {
    const MemoryFile file(bytes);
    std::string message;
    try {
        read_safetensors(file.path(), limits);
    } catch (const FormatError& e) {
        message = e.what();
        const std::string path = file.path().string() + ": ";
        CHECK(message.starts_with(path));
        message = message.substr(path.size());
    }
    return message;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    return std::ranges::equal(
        a, b, {}, [](T x) { return std::bit_cast<Bits>(x); }, [](T x) { return std::bit_cast<Bits>(x); });
}

}  // namespace

TEST_CASE("what is written as safetensors is read back bit for bit, in its order") {
    using F = std::numeric_limits<float>;
    using D = std::numeric_limits<double>;
    StoredTensors tensors;
    tensors.add("b.kernel", {{3, 2},
                             std::vector<float>{0.1F, -0.0F, F::denorm_min(), F::max(), F::infinity(),
                                                std::bit_cast<float>(0xFFA00001U)}});
    tensors.add("empty", {{0, 5}, std::vector<float>{}});
    tensors.add("a \"quoted\" \xC3\xA9", {{2}, std::vector<double>{D::denorm_min(), -D::infinity()}});
    tensors.add("scalar", {{}, std::vector<float>{7}});
    const TemporaryFolder folder;
    write_safetensors(tensors, folder / "t.safetensors", {{"format", "pt"}, {"note", "\n"}});
    CHECK(folder.files() == 1);
    const StoredTensors read = read_safetensors(folder / "t.safetensors");
    REQUIRE(read.size() == tensors.size());
    for (auto a = read.begin(), b = tensors.begin(); a != read.end(); ++a, ++b) {
        CHECK(a->name == b->name);
        CHECK(a->tensor.shape() == b->tensor.shape());
        REQUIRE(a->tensor.dtype() == b->tensor.dtype());
        if (a->tensor.dtype() == DType::float32) {
            CHECK(same_bits(a->tensor.data<float>(), b->tensor.data<float>()));
        } else {
            CHECK(same_bits(a->tensor.data<double>(), b->tensor.data<double>()));
        }
    }
    const auto metadata = read_safetensors_metadata(folder / "t.safetensors");
    CHECK(metadata == std::map<std::string, std::string>{{"format", "pt"}, {"note", "\n"}});

    write_safetensors({}, folder / "none.safetensors");
    CHECK(read_safetensors(folder / "none.safetensors").empty());
    CHECK(content_of(folder / "none.safetensors") == file_of("{}      "));
}

TEST_CASE("the file that Python's safetensors reads in its test is the one that is written") {
    StoredTensors tensors;
    tensors.add("lstm.kernel", {{2, 3}, std::vector<float>{0, 0.1F, -2.5F, 1e-40F, 3e38F, 7}});
    tensors.add("wide", {{2}, std::vector<double>{0.1, -1e300}});
    tensors.add("scalar", {{}, std::vector<float>{-1}});
    const TemporaryFolder folder;
    write_safetensors(tensors, folder / "t", {{"format", "pt"}});
    CHECK(content_of(folder / "t") == content_of(golden_files / "seqgrad.safetensors"));
}

TEST_CASE("a file of Python's safetensors is read") {
    const StoredTensors tensors = read_safetensors(golden_files / "python.safetensors");
    REQUIRE(tensors.size() == 4);
    REQUIRE(tensors.find("weight") != nullptr);
    CHECK(tensors.find("weight")->shape() == Shape{2, 3});
    CHECK(tensors.find("weight")->data<float>() == std::vector<float>{0, 0.1F, -2.5F, 1e-40F, 3e38F, 7});
    CHECK(tensors.find("wide")->data<double>() == std::vector<double>{0.1, -1e300});
    CHECK(tensors.find("half")->data<float>() == std::vector<float>{1, -0.5F, 65504, 0x1p-24F});
    CHECK(tensors.find("brain")->data<float>() == std::vector<float>{1, -0.5F, 0x1.FEp127F, 0x1p-133F});
    CHECK(read_safetensors_metadata(golden_files / "python.safetensors") ==
          std::map<std::string, std::string>{{"format", "np"}});
}

TEST_CASE("tensors of other elements are kept beside those of floating-point numbers") {
    const StoredTensors tensors =
        read_safetensors(golden_files / "pytorch" / "wrapped" / "types.safetensors");
    REQUIRE(tensors.size() == 1);
    CHECK(tensors.find("weight")->data<float>() == std::vector<float>{1.5F, -2.0F});
    CHECK(tensors.find("long") == nullptr);
    std::vector<std::string> described;
    for (const StoredTensors::Other& other : tensors.others())
        described.push_back(other.name + " " + other.dtype + " " + to_string(other.shape));
    std::ranges::sort(described);
    CHECK(described == std::vector<std::string>{"bytes U8 [2]", "complex C64 [1]", "flags BOOL [3]",
                                                "float8 F8_E4M3 [2]", "int I32 [1, 2]", "long I64 []",
                                                "short I16 [1]", "small I8 [1]"});
    using Bytes = std::vector<std::uint8_t>;
    CHECK(tensors.find_other("long")->bytes == Bytes{7, 0, 0, 0, 0, 0, 0, 0});
    CHECK(tensors.find_other("short")->bytes == Bytes{0xD4, 0xFE});
    CHECK(tensors.find_other("flags")->bytes == Bytes{1, 0, 1});

    const TemporaryFolder folder;
    write_safetensors(tensors, folder / "t");
    const StoredTensors again = read_safetensors(folder / "t");
    CHECK(again.find("weight")->data<float>() == tensors.find("weight")->data<float>());
    REQUIRE(again.others().size() == tensors.others().size());
    for (const StoredTensors::Other& other : tensors.others()) {
        CAPTURE(other.name);
        const StoredTensors::Other* const same = again.find_other(other.name);
        REQUIRE(same != nullptr);
        CHECK(same->dtype == other.dtype);
        CHECK(same->shape == other.shape);
        CHECK(same->bytes == other.bytes);
    }

    StoredTensors wrong;
    wrong.add_other({"a", {2}, "I64", Bytes(8)});
    CHECK_THROWS_WITH_AS(write_safetensors(wrong, folder / "t"),
                         "write_safetensors: \"a\": 8 bytes are not those of shape [2] in I64", ValueError);
    StoredTensors unknown_type;
    unknown_type.add_other({"a", {2}, "I65", Bytes(8)});
    CHECK_THROWS_WITH_AS(write_safetensors(unknown_type, folder / "t"),
                         "write_safetensors: \"a\": there is no type I65", ValueError);
}

TEST_CASE("weights in several files are read by their index") {
    const TemporaryFolder folder;
    StoredTensors first, second;
    first.add("a", {{2}, std::vector<float>{1, 2}});
    first.add("b", {{1}, std::vector<float>{3}});
    second.add("c", {{1}, std::vector<double>{4}});
    write_safetensors(first, folder / "m-00001-of-00002.safetensors", {{"format", "pt"}});
    write_safetensors(second, folder / "m-00002-of-00002.safetensors", {{"note", "x"}});
    const auto index = folder / "m.safetensors.index.json";
    const auto refused = [&](const std::string& map, const LoadLimits& limits = {}) {
        write_text(index, map);
        try {
            read_safetensors(index, limits);
        } catch (const FormatError& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    const std::string good =
        R"({"metadata":{"total_size":20},"weight_map":{"a":"m-00001-of-00002.safetensors",)"
        R"("b":"m-00001-of-00002.safetensors","c":"m-00002-of-00002.safetensors"}})";
    CHECK(refused(good) == "");
    const StoredTensors all = read_safetensors(index);
    CHECK(all.size() == 3);
    CHECK(all.find("b")->data<float>() == std::vector<float>{3});
    CHECK(all.find("c")->data<double>() == std::vector<double>{4});
    CHECK(read_safetensors_metadata(index) ==
          std::map<std::string, std::string>{{"format", "pt"}, {"note", "x"}});

    CHECK(refused("{}").ends_with("\"weight_map\" is missing"));
    CHECK(refused(R"({"weight_map":{"a":"../m.safetensors"}})").find("beside the index") !=
          std::string::npos);
    CHECK(refused(R"({"weight_map":{"a":"m.bin"}})").find("\".safetensors\"") != std::string::npos);
    CHECK(refused(R"({"weight_map":{"a":3}})").find("the name of a file, got 3") != std::string::npos);
    CHECK(refused(R"({"weight_map":{"z":"m-00002-of-00002.safetensors"}})")
              .find("m-00002-of-00002.safetensors: holds no \"z\", which ") != std::string::npos);
    write_safetensors(first, folder / "n.safetensors");
    CHECK(refused(R"({"weight_map":{"a":"n.safetensors","b":"m-00001-of-00002.safetensors"}})")
              .find("/a: stands in another file of the index, too") != std::string::npos);
    CHECK(refused(good, {.max_bytes = content_of(folder / "n.safetensors").size() + 60})
              .find("more than the limit of") != std::string::npos);
    write_text(index, R"({"weight_map":{"a":"none.safetensors"}})");
    CHECK_THROWS_AS(read_safetensors(index), IoError);
    CHECK_THROWS_WITH_AS(write_safetensors(first, index),
                         doctest::Contains("has a name that is read as an index of files"), ValueError);
}

TEST_CASE("all numbers of 16 bits are read as the same float32") {
    constexpr std::size_t n = 1 << 16;
    for (const bool brain : {false, true}) {
        const std::string dtype = brain ? "BF16" : "F16";
        std::string text =
            file_of("{\"x\":{\"dtype\":\"" + dtype + "\",\"shape\":[65536],\"data_offsets\":[0,131072]}}");
        for (std::size_t bits = 0; bits < n; ++bits) {
            text += static_cast<char>(bits & 0xFF);
            text += static_cast<char>(bits >> 8);
        }
        const TemporaryFolder folder;
        write_text(folder / "t", text);
        const StoredTensors tensors = read_safetensors(folder / "t");
        const std::vector<float>& values = tensors.find("x")->data<float>();
        std::size_t wrong = 0;
        for (std::size_t bits = 0; bits < n; ++bits) {
            const int fraction_bits = brain ? 7 : 10, bias = brain ? 127 : 15;
            const int top = 2 * bias + 1;
            const auto exponent = static_cast<int>((bits & 0x7FFF) >> fraction_bits);
            const auto fraction = static_cast<double>(bits & ((std::size_t{1} << fraction_bits) - 1));
            const double whole = exponent == 0 ? 0 : std::ldexp(1.0, fraction_bits);
            double expected = std::ldexp(whole + fraction, std::max(exponent, 1) - bias - fraction_bits);
            if (exponent == top)
                expected = fraction == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
            if ((bits & 0x8000) != 0) expected = -expected;
            const auto got = static_cast<double>(values[bits]);
            const bool same = std::isnan(expected)
                                  ? std::isnan(got)
                                  : got == expected && std::signbit(got) == std::signbit(expected);
            wrong += same ? 0 : 1;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("a header that is not as the format says is refused with the place") {
    const auto tensor = [](const std::string& rest) { return "{\"x\":{" + rest + "}}"; };
    const auto offsets = [&](const std::string& shape, const std::string& at,
                             const std::string& dtype = "F32") {
        return tensor("\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + at);
    };
    CHECK(refusal(file_of(offsets("[2]", "[0,8]"), 8)) == "");
    CHECK(refusal(file_of(offsets("[2]", "[0,8]") + "   ", 8)) == "");

    CHECK(refusal("") == "expected 8 bytes with the header's size, got 0");
    CHECK(refusal("1234567") == "expected 8 bytes with the header's size, got 7");
    CHECK(refusal(std::string(8, '\xFF')) ==
          "expected a header of at most 0 bytes, got 18446744073709551615");
    CHECK(refusal(file_of("{}").substr(0, 9)) == "expected a header of at most 1 bytes, got 2");
    CHECK(refusal(file_of("")) == "/: expected a header that begins with {");
    CHECK(refusal(file_of(" {}")) == "/: expected a header that begins with {");
    CHECK(refusal(file_of("[]")) == "/: expected a header that begins with {");
    CHECK(refusal(file_of("{}\n")) == "/: expected a header that ends with } and spaces");
    CHECK(refusal(file_of("{")) == "/: expected a header that ends with } and spaces");
    CHECK(refusal(file_of("{[}")).starts_with("/: not valid JSON: "));
    CHECK(refusal(file_of("{}{}")).starts_with("/: not valid JSON: "));
    CHECK(refusal(file_of("{\"a\xFF\": 1}")).starts_with("/: not valid JSON: "));
    CHECK(refusal(file_of("{}", 1)) ==
          "the tensors have 0 bytes together, and the file has 1 after its header");

    CHECK(refusal(file_of("{\"x\":1}")) == "/x: expected an object, got 1");
    CHECK(refusal(file_of(offsets("[1]", "[0,8]", "I64"), 8)) == "");
    CHECK(refusal(file_of(offsets("[2]", "[0,8]", "i64"), 8)) ==
          "/x/dtype: expected a type of the format, such as F32 or I64, got \"i64\"");
    CHECK(refusal(file_of(offsets("[1]", "[0,9]", "I64"), 9)) ==
          "/x/data_offsets: 9 bytes are not those of shape [1] in I64");
    CHECK(refusal(file_of(offsets("[4]", "[0,3]", "F6_E2M3"), 3)) == "");
    CHECK(refusal(file_of(offsets("[3]", "[0,3]", "F6_E2M3"), 3)) ==
          "/x/data_offsets: 3 bytes are not those of shape [3] in F6_E2M3");
    CHECK(refusal(file_of(offsets("[1]", "[0,1]", "F4"), 1)) ==
          "/x/data_offsets: 1 bytes are not those of shape [1] in F4");
    CHECK(refusal(file_of(tensor("\"dtype\":\"F32\",\"shape\":[2]"), 8)) ==
          "/x: \"data_offsets\" is missing");
    CHECK(refusal(file_of(tensor("\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0],\"z\":1"))) ==
          "/x: unknown key \"z\"; known are dtype, shape, data_offsets");
    for (const char* size : {"-3", "1.5", "\"2\"", "null", "1e2", "18446744073709551616"}) {
        CAPTURE(size);
        CHECK(refusal(file_of(offsets("[" + std::string(size) + "]", "[0,8]"), 8))
                  .starts_with("/x/shape/0: expected a whole number of 64 bits, at least 0, got "));
    }
    CHECK(refusal(file_of(offsets("2", "[0,8]"), 8)) == "/x/shape: expected an array of sizes, got 2");
    CHECK(refusal(file_of(offsets("[2]", "[0,8,8]"), 8)) ==
          "/x/data_offsets: expected [begin, end], got [0,8,8]");
    CHECK(refusal(file_of(offsets("[2]", "[8,0]"), 8)) ==
          "/x/data_offsets: the end 0 stands before the begin 8");
    CHECK(refusal(file_of(offsets("[3]", "[0,8]"), 8)) ==
          "/x/data_offsets: 8 bytes are not those of shape [3] in F32");
    CHECK(refusal(file_of(offsets("[2]", "[0,9]"), 9)) ==
          "/x/data_offsets: 9 bytes are not those of shape [2] in F32");
    CHECK(refusal(file_of(offsets("[4611686018427387904]", "[0,0]"))) ==
          "/x/data_offsets: 0 bytes are not those of shape [4611686018427387904] in F32");
    CHECK(refusal(file_of(offsets("[4294967296,4294967296,4294967296]", "[0,8]"), 8)).ends_with("in F32"));
    CHECK(refusal(file_of(offsets("[4611686018427387903]", "[0,18446744073709551612]"), 8))
              .ends_with("in F32"));
    CHECK(refusal(file_of(offsets("[2]", "[0,8]"), 4)) ==
          "the tensors have 8 bytes together, and the file has 4 after its header");
    CHECK(refusal(file_of(offsets("[2]", "[4,12]"), 12)) ==
          "/x/data_offsets: expected to begin at 0, where the data before ends (it leaves a gap), got 4");

    const auto two = [](const std::string& name, const std::string& at) {
        return file_of("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"" + name +
                           "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" + at + "}}",
                       16);
    };
    CHECK(refusal(two("y", "[8,16]")) == "");
    CHECK(refusal(two("x", "[8,16]")) == "/x: stands there twice (line 1, column 57)");
    CHECK(refusal(two("y", "[4,12]")) ==
          "/y/data_offsets: expected to begin at 8, where the data before ends (it overlaps), got 4");
    CHECK(refusal(two("y", "[0,8]")).find("it overlaps") != std::string::npos);
    CHECK(refusal(file_of("{\"__metadata__\":1}")) == "/__metadata__: expected an object of strings, got 1");
    CHECK(refusal(file_of("{\"__metadata__\":{\"a\":1}}")) == "/__metadata__/a: expected a string, got 1");
}

TEST_CASE("the limits of a loader hold for safetensors") {
    const std::string good = file_of("{\"xyz\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    CHECK(refusal(good, {.max_bytes = good.size()}) == "");
    CHECK(refusal(good, {.max_bytes = good.size() - 1})
              .ends_with(" are more than the limit of " + std::to_string(good.size() - 1)));
    CHECK(refusal(good, {.max_depth = 2}) == "/xyz/shape: nested deeper than 2 levels (line 1, column 31)");
    CHECK(refusal(good, {.max_keys = 5}) ==
          "/xyz/data_offsets: more than the limit of 5 values (line 1, column 50)");
    CHECK(refusal(good, {.max_string_length = 11}) ==
          "/xyz/data_offsets: a text of 12 bytes is longer than the limit of 11 (line 1, column 48)");
}

TEST_CASE("what cannot be said in safetensors is refused, and the old file stays") {
    const TemporaryFolder folder;
    write_text(folder / "t", "old");
    StoredTensors tensors;
    tensors.add("__metadata__", {});
    CHECK_THROWS_WITH_AS(write_safetensors(tensors, folder / "t"),
                         "write_safetensors: a tensor cannot have the name \"__metadata__\"", ValueError);
    StoredTensors odd;
    odd.add("\xFF", {});
    CHECK_THROWS_AS(write_safetensors(odd, folder / "t"), ValueError);
    CHECK_THROWS_AS(write_safetensors({}, folder / "t", {{"a", "\xFF"}}), ValueError);
    CHECK(content_of(folder / "t") == "old");
    CHECK_THROWS_AS(read_safetensors(folder / "none"), IoError);
    CHECK_THROWS_AS(read_safetensors(folder.path()), IoError);
}

TEST_CASE("every truncation of a safetensors file is refused, and every flipped bit of its header") {
    StoredTensors tensors;
    tensors.add("kernel", {{2, 2}, std::vector<float>{1, 2, 3, 4}});
    const TemporaryFolder folder;
    write_safetensors(tensors, folder / "t");
    const std::string good = content_of(folder / "t");
    for (std::size_t size = 0; size < good.size(); ++size) CHECK(refusal(good.substr(0, size)) != "");
    // The format has no checksum: a flipped bit in a name or in the data stays a valid file.
    const std::size_t name = good.find("kernel"), header_end = good.size() - 16;
    for (std::size_t i = 0; i < header_end; ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string flipped = good;
            flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
            const bool in_name = i >= name && i < name + 6;
            if (in_name) continue;
            CAPTURE(i);
            CAPTURE(bit);
            CHECK(refusal(flipped) != "");
        }
    }
}
