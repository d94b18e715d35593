// Writes and reads all 2^32 bit patterns of float32 in both encodings of the JSON format, NaNs and infinities
// among them, and compares the bits. Usage: all_floats [FIRST [LAST]] with patterns in hexadecimal digits,
// from 00000000 to ffffffff. Ends with 0 when all came back.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "seqgrad/layers/files/json.hpp"

namespace {

using namespace seqgrad;

constexpr std::uint64_t piece = std::uint64_t{1} << 22;

/// How many of the patterns from `first` to `last` do not come back.
std::uint64_t wrong_in(std::uint64_t first, std::uint64_t last, Encoding encoding,
                       const std::filesystem::path& path) {
    std::vector<float> values;
    for (std::uint64_t bits = first; bits <= last; ++bits)
        values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    StoredTensors tensors;
    tensors.add("x", {{values.size()}, values});
    write_json(tensors, path, {.encoding = encoding, .allow_non_finite = true});
    const JsonFile file = read_json(path);
    const std::vector<float>& read = file.tensors.find("x")->data<float>();
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
        wrong += std::bit_cast<std::uint32_t>(values[i]) == std::bit_cast<std::uint32_t>(read[i]) ? 0 : 1;
    return wrong;
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint64_t first = argc > 1 ? std::stoull(argv[1], nullptr, 16) : 0;
    const std::uint64_t last = argc > 2 ? std::stoull(argv[2], nullptr, 16) : 0xFFFFFFFF;
    const std::filesystem::path memory = "/dev/shm";
    const auto folder =
        std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
    std::string name = (folder / "seqgrad_all_floats_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
        std::cerr << "cannot make the folder " << name << '\n';
        return 2;
    }
    const auto begin = std::chrono::steady_clock::now();
    std::uint64_t wrong = 0;
    for (std::uint64_t at = first; at <= last; at += piece) {
        const std::uint64_t end = std::min(last, at + piece - 1);
        for (const Encoding encoding : {Encoding::decimal, Encoding::base64})
            wrong += wrong_in(at, end, encoding, std::filesystem::path(name) / "x.json");
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        std::cout << '\r' << end - first + 1 << " patterns tried in both encodings, " << wrong << " wrong, "
                  << static_cast<int>(took.count()) << " s" << std::flush;
    }
    std::cout << '\n';
    std::filesystem::remove_all(name);
    return wrong == 0 ? 0 : 1;
}
