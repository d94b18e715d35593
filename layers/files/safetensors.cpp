#include "seqgrad/layers/files/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/atomic_file.hpp"
#include "seqgrad/core/internal/input_file.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"
#include "seqgrad/layers/internal/json_source.hpp"
#include "seqgrad/layers/internal/shards.hpp"
#include "seqgrad/layers/internal/strict_json.hpp"

namespace seqgrad {
namespace {

using detail::Json;
using detail::JsonPlace;

static_assert(std::endian::native == std::endian::little, "the file's numbers are little-endian");

constexpr const char* metadata_name = "__metadata__";
/// What the format allows a header.
constexpr std::uint64_t max_header_size = 100'000'000;
/// Data begins at a multiple of it, so that mapped files can be used in place.
constexpr std::uint64_t alignment = 8;

struct StoredType {
    std::string_view name;
    std::size_t size;  // in bytes
    /// Of 16 bits, otherwise null: the same number as float32.
    float (*widen)(std::uint16_t bits);
};

float from_half(std::uint16_t bits) {
    constexpr int fraction_bits = 10;
    const std::uint32_t sign = static_cast<std::uint32_t>(bits >> 15) << 31;
    const std::uint32_t exponent = (bits >> fraction_bits) & 0x1FU;
    const std::uint32_t fraction = bits & 0x3FFU;
    std::uint32_t magnitude = 0;
    if (exponent == 0x1F) {
        magnitude = 0x7F800000U | (fraction << 13);
    } else if (exponent != 0) {
        magnitude = ((exponent + 112) << 23) | (fraction << 13);
    } else {
        // Denormal, or zero: a whole number of 2^-24, which float32 has as a normal number.
        magnitude = std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * 0x1p-24F);
    }
    return std::bit_cast<float>(sign | magnitude);
}

float from_bfloat(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

constexpr StoredType stored_types[] = {{"F32", sizeof(float), nullptr},
                                       {"F64", sizeof(double), nullptr},
                                       {"F16", sizeof(std::uint16_t), from_half},
                                       {"BF16", sizeof(std::uint16_t), from_bfloat}};

/// A type whose elements are kept as bytes.
struct OtherType {
    std::string_view name;
    std::uint64_t bits;
};

// In the order of https://docs.rs/safetensors/latest/safetensors/tensor/enum.Dtype.html.
constexpr OtherType other_types[] = {
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"I32", 32},    {"U32", 32},    {"C64", 64},        {"I64", 64},        {"U64", 64}};

/// A tensor as the header describes it.
struct Described {
    std::string name;
    Shape shape;
    const StoredType* type;  // null if it is another type
    std::string_view dtype;
    std::uint64_t begin, end;  // in the data
};

struct Header {
    std::vector<Described> tensors;
    std::map<std::string, std::string> metadata;
    std::uint64_t data_begin = 0;  // in the file
};

std::uint64_t read_size(const JsonPlace& at) {
    if (!at.json.is_number_unsigned()) at.expected("a whole number of 64 bits, at least 0");
    return at.json.get<std::uint64_t>();
}

const std::string& read_text(const JsonPlace& at) {
    if (!at.json.is_string()) at.expected("a string");
    return at.json.get_ref<const std::string&>();
}

/// Whether a shape holds as many elements of so many bits as the bytes are.
bool holds(const Shape& shape, std::uint64_t bytes, std::uint64_t bits) {
    constexpr std::uint64_t in_byte = 8;
    return bytes <= std::numeric_limits<std::uint64_t>::max() / in_byte && bytes * in_byte % bits == 0 &&
           detail::holds(shape, bytes * in_byte / bits);
}

Described read_tensor(const std::string& name, const JsonPlace& at) {
    detail::JsonObjectReader object(at);
    const JsonPlace dtype = object.get("dtype");
    const auto type = std::ranges::find(stored_types, read_text(dtype), &StoredType::name);
    const bool is_float = type != std::end(stored_types);
    const auto other = std::ranges::find(other_types, read_text(dtype), &OtherType::name);
    if (!is_float && other == std::end(other_types))
        dtype.expected("a type of the format, such as F32 or I64");
    const std::string_view type_name = is_float ? type->name : other->name;
    const std::uint64_t bits = is_float ? 8 * type->size : other->bits;

    const JsonPlace sizes = object.get("shape");
    if (!sizes.json.is_array()) sizes.expected("an array of sizes");
    Shape shape;
    for (std::size_t i = 0; i < sizes.json.size(); ++i) shape.push_back(read_size(sizes.element(i)));

    const JsonPlace offsets = object.get("data_offsets");
    if (!offsets.json.is_array() || offsets.json.size() != 2) offsets.expected("[begin, end]");
    const std::uint64_t begin = read_size(offsets.element(0)), end = read_size(offsets.element(1));
    object.finish();
    if (end < begin) offsets.fail(fmt::format("the end {} stands before the begin {}", end, begin));
    const std::uint64_t bytes = end - begin;
    if (!holds(shape, bytes, bits)) {
        offsets.fail(
            fmt::format("{} bytes are not those of shape {} in {}", bytes, to_string(shape), type_name));
    }
    return {name, std::move(shape), is_float ? &*type : nullptr, type_name, begin, end};
}

/// Every byte of the data must be of one tensor.
void check_layout(const std::vector<Described>& tensors, std::uint64_t data_size) {
    std::vector<const Described*> in_file;
    for (const Described& tensor : tensors) in_file.push_back(&tensor);
    std::ranges::sort(in_file, [](const Described* a, const Described* b) {
        return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    });
    std::uint64_t position = 0;
    for (const Described* tensor : in_file) {
        if (tensor->begin != position) {
            throw FormatError(fmt::format(
                "/{}/data_offsets: expected to begin at {}, where the data before {}, got {}", tensor->name,
                position, tensor->begin < position ? "ends (it overlaps)" : "ends (it leaves a gap)",
                tensor->begin));
        }
        position = tensor->end;
    }
    if (position != data_size) {
        throw FormatError(fmt::format(
            "the tensors have {} bytes together, and the file has {} after its header", position, data_size));
    }
}

Header read_header(detail::InputFile& file, const LoadLimits& limits) {
    const std::uint64_t file_size = file.size().value();
    std::uint64_t header_size = 0;
    if (file_size > limits.max_bytes) {
        throw FormatError(fmt::format("{} bytes are more than the limit of {}", file_size, limits.max_bytes));
    }
    if (file_size < sizeof header_size) {
        throw FormatError(fmt::format("expected 8 bytes with the header's size, got {}", file_size));
    }
    file.read_at(0, &header_size, sizeof header_size);
    if (header_size > max_header_size || header_size > file_size - sizeof header_size) {
        throw FormatError(fmt::format("expected a header of at most {} bytes, got {}",
                                      std::min(max_header_size, file_size - sizeof header_size),
                                      header_size));
    }
    std::string text(header_size, '\0');
    file.read_at(sizeof header_size, text.data(), text.size());
    if (!text.starts_with('{')) throw FormatError("/: expected a header that begins with {");
    if (!std::string_view(text).substr(0, text.find_last_not_of(' ') + 1).ends_with('}'))
        throw FormatError("/: expected a header that ends with } and spaces");
    const Json json = detail::parse_strictly(text, limits);

    Header header;
    header.data_begin = sizeof header_size + header_size;
    const JsonPlace root{json, ""};
    if (!json.is_object()) root.expected("an object");
    for (const auto& [name, value] : json.items()) {
        const JsonPlace at = root.inside(name, value);
        if (name != metadata_name) {
            header.tensors.push_back(read_tensor(name, at));
            continue;
        }
        if (!value.is_object()) at.expected("an object of strings");
        for (const auto& [key, entry] : value.items())
            header.metadata[key] = read_text(at.inside(key, entry));
    }
    check_layout(header.tensors, file_size - header.data_begin);
    return header;
}

template <class T>
std::vector<T> read_elements(detail::InputFile& file, std::uint64_t offset, std::size_t count) {
    std::vector<T> data(count);
    file.read_at(offset, data.data(), count * sizeof(T));
    return data;
}

std::vector<float> read_widened(detail::InputFile& file, std::uint64_t offset, std::size_t count,
                                float (*widen)(std::uint16_t)) {
    std::vector<float> data;
    data.reserve(count);
    std::array<std::uint16_t, 1 << 14> bits;
    while (data.size() < count) {
        const std::size_t n = std::min(bits.size(), count - data.size());
        file.read_at(offset + data.size() * sizeof bits[0], bits.data(), n * sizeof bits[0]);
        std::transform(bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(n), std::back_inserter(data),
                       widen);
    }
    return data;
}

StoredTensor read_data(detail::InputFile& file, const Header& header, const Described& tensor) {
    const std::uint64_t offset = header.data_begin + tensor.begin;
    const std::size_t count = (tensor.end - tensor.begin) / tensor.type->size;
    if (tensor.type->widen != nullptr)
        return {tensor.shape, read_widened(file, offset, count, tensor.type->widen)};
    if (tensor.type->size == sizeof(float)) return {tensor.shape, read_elements<float>(file, offset, count)};
    return {tensor.shape, read_elements<double>(file, offset, count)};
}

/// What f gives, with the path before the message of what is wrong with the file.
template <class F>
auto naming(const std::filesystem::path& path, F f) {
    try {
        return f();
    } catch (const FormatError& e) {
        throw FormatError(fmt::format("{}: {}", path.string(), e.what()));
    }
}

bool is_index(const std::filesystem::path& path) {
    return path.string().ends_with(".safetensors.index.json");
}

bool is_there(const StoredTensors& tensors, const std::string& name) {
    return tensors.find(name) != nullptr || tensors.find_other(name) != nullptr;
}

/// Calls f(path, file, header, names) for the file, or for each of an index, with the names of what it is to
/// hold. Those behind it may be so much smaller.
template <class F>
void each_file(const std::filesystem::path& path, LoadLimits limits, F f) {
    std::vector<detail::Shard> shards{{path.filename().string(), {}}};
    if (is_index(path)) {
        shards = naming(path, [&] {
            detail::JsonSource source(path, {.limits = limits});
            detail::ParsedJson index = detail::parse_tensors_strictly(source, limits);
            return detail::shards_of(index.root(), ".safetensors");
        });
    }
    for (const detail::Shard& shard : shards) {
        const std::filesystem::path part = path.parent_path() / shard.file;
        detail::InputFile file(part);
        if (!file.size())
            throw IoError(fmt::format("cannot read {}: it is not a regular file", part.string()));
        naming(part, [&] {
            Header header = read_header(file, limits);
            f(file, header, shard.weights);
        });
        limits.max_bytes -= *file.size();
    }
}

void read_tensors(detail::InputFile& file, const Header& header, StoredTensors& tensors) {
    for (const Described& tensor : header.tensors) {
        if (is_there(tensors, tensor.name))
            throw FormatError(fmt::format("/{}: stands in another file of the index, too", tensor.name));
        if (tensor.type != nullptr) {
            tensors.add(tensor.name, read_data(file, header, tensor));
        } else {
            tensors.add_other({tensor.name, tensor.shape, std::string(tensor.dtype),
                               read_elements<std::uint8_t>(file, header.data_begin + tensor.begin,
                                                           tensor.end - tensor.begin)});
        }
    }
}

template <class T>
std::string_view bytes_of(const std::vector<T>& elements) {
    return {reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T)};
}

}  // namespace

StoredTensors read_safetensors(const std::filesystem::path& path, const LoadLimits& limits) {
    StoredTensors tensors;
    std::map<std::string, std::string> metadata;
    each_file(path, limits,
              [&](detail::InputFile& file, Header& header, const std::vector<std::string>& names) {
                  read_tensors(file, header, tensors);
                  metadata.merge(header.metadata);
                  for (const std::string& name : names) {
                      if (!is_there(tensors, name))
                          throw FormatError(
                              fmt::format("holds no \"{}\", which {} says it does", name, path.string()));
                  }
              });
    for (const auto& [name, kept] : metadata) {
        if (!is_there(tensors, name) && tensors.find(kept) != nullptr && !tensors.aliases().contains(kept))
            tensors.add_alias(name, kept);
    }
    return tensors;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path,
                                                             const LoadLimits& limits) {
    std::map<std::string, std::string> metadata;
    each_file(path, limits,
              [&](detail::InputFile&, Header& header, const auto&) { metadata.merge(header.metadata); });
    return metadata;
}

void write_safetensors(const StoredTensors& tensors, const std::filesystem::path& path,
                       const std::map<std::string, std::string>& metadata) {
    if (tensors.find(metadata_name) != nullptr || tensors.find_other(metadata_name) != nullptr) {
        throw ValueError(
            fmt::format("write_safetensors: a tensor cannot have the name \"{}\"", metadata_name));
    }
    if (is_index(path)) {
        throw ValueError(
            fmt::format("write_safetensors: {} has a name that is read as an index of files", path.string()));
    }
    struct Item {
        const std::string* name;
        const Shape* shape;
        std::string_view dtype;
        std::uint64_t bits;
        std::string_view bytes;
        std::uint64_t begin = 0;
    };
    std::vector<Item> items;
    for (const auto& [name, tensor] : tensors) {
        const bool is_float = tensor.dtype() == DType::float32;
        items.push_back({&name, &tensor.shape(), is_float ? "F32" : "F64", is_float ? 32U : 64U,
                         is_float ? bytes_of(tensor.data<float>()) : bytes_of(tensor.data<double>())});
    }
    for (const StoredTensors::Other& other : tensors.others()) {
        const auto type = std::ranges::find(other_types, other.dtype, &OtherType::name);
        if (type == std::end(other_types)) {
            throw ValueError(
                fmt::format("write_safetensors: \"{}\": there is no type {}", other.name, other.dtype));
        }
        if (!holds(other.shape, other.bytes.size(), type->bits)) {
            throw ValueError(
                fmt::format("write_safetensors: \"{}\": {} bytes are not those of shape {} in {}", other.name,
                            other.bytes.size(), to_string(other.shape), other.dtype));
        }
        items.push_back({&other.name, &other.shape, other.dtype, type->bits, bytes_of(other.bytes)});
    }
    // Wide elements come first, so that all stand at multiples of their size.
    std::vector<Item*> in_file;
    for (Item& item : items) in_file.push_back(&item);
    std::ranges::stable_sort(in_file, std::greater<>(), &Item::bits);
    std::uint64_t position = 0;
    for (Item* const item : in_file) {
        item->begin = position;
        position += item->bytes.size();
    }

    Json header = Json::object();
    if (!metadata.empty()) header[metadata_name] = metadata;
    std::string text;
    try {
        text = header.dump();
        text.pop_back();  // the closing brace
        for (const Item& item : items) {
            text += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}",
                                text.size() == 1 ? "" : ",", Json(*item.name).dump(), item.dtype,
                                to_string(*item.shape), item.begin, item.begin + item.bytes.size());
        }
    } catch (const Json::exception&) {
        throw ValueError("write_safetensors: a name or text is not UTF-8");
    }
    text += '}';
    while ((sizeof(std::uint64_t) + text.size()) % alignment != 0) text += ' ';
    const std::uint64_t header_size = text.size();

    detail::AtomicFile file(path);
    file.write({reinterpret_cast<const char*>(&header_size), sizeof header_size});
    file.write(text);
    for (const Item* item : in_file) file.write(item->bytes);
    file.commit();
}

}  // namespace seqgrad
