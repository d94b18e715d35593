#include "seqgrad/layers/internal/json_file.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/atomic_file.hpp"
#include "seqgrad/core/internal/crc64.hpp"
#include "seqgrad/core/internal/finite.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"

namespace seqgrad::detail {
namespace {

constexpr const char* format_name = "seqgrad";
constexpr const char* weights_1_name = "seqgrad-weights";
constexpr const char* checkpoint_1_name = "seqgrad-checkpoint";
constexpr const char* encoding_names[] = {"decimal", "base64"};

DType dtype_of(const ElementsView& elements) {
    return elements.index() == 0 ? DType::float32 : DType::float64;
}

bool is_tensor(const Json& value) {
    if (!value.is_object()) return false;
    const auto data = value.find("data");
    return data != value.end() && data->is_binary();
}

/// f(place) for every tensor in a value.
template <class F>
void for_tensors(const JsonPlace& at, const F& f) {
    if (is_tensor(at.json)) {
        f(at);
    } else if (at.json.is_object()) {
        for (const auto& [key, value] : at.json.items()) for_tensors(at.inside(key, value), f);
    } else if (at.json.is_array()) {
        for (std::size_t i = 0; i < at.json.size(); ++i) for_tensors(at.element(i), f);
    }
}

void append_scalar(std::string& out, const Json& value) {
    if (value.is_number_float()) {
        append_number(out, value.get<double>());
    } else {
        out += value.dump();
    }
}

/// The text that the checksum is of, see docs/format.md. `checksum(i)` is that of the elements of tensor i.
template <class Checksum>
void append_canonical(std::string& out, const Json& value, const Checksum& checksum) {
    const char* separator = "";
    if (value.is_object()) {
        std::vector<std::pair<std::string_view, const Json*>> members;
        for (const auto& [key, member] : value.items()) members.emplace_back(key, &member);
        std::ranges::sort(members);
        const bool tensor = is_tensor(value);
        out += '{';
        for (const auto& [key, member] : members) {
            if (tensor && key == "encoding") continue;
            out += separator;
            out += Json(key).dump();
            out += ':';
            append_canonical(out, *member, checksum);
            separator = ",";
        }
        out += '}';
    } else if (value.is_array()) {
        out += '[';
        for (const Json& element : value) {
            out += separator;
            append_canonical(out, element, checksum);
            separator = ",";
        }
        out += ']';
    } else if (value.is_binary()) {
        out += fmt::format("\"{}\"", checksum_text(checksum(value.get_binary().subtype())));
    } else {
        append_scalar(out, value);
    }
}

/// The checksum of a file of these parts, each with its key; null for those that are not there.
template <class Checksum>
std::string checksum_of_parts(const std::vector<std::pair<const char*, const Json*>>& parts,
                              const Checksum& checksum) {
    std::string text = "{";
    for (const auto& [key, part] : parts) {
        if (part->is_null()) continue;
        text += fmt::format("{}\"{}\":", text.size() == 1 ? "" : ",", key);
        append_canonical(text, *part, checksum);
    }
    return checksum_text(crc64(text + '}'));
}

/// Adds the value in one line, unless it takes more than `most` bytes or holds a tensor.
bool append_in_line(std::string& out, const Json& value, std::size_t most) {
    const std::size_t begin = out.size();
    const auto append = [&](const auto& self, const Json& v) -> bool {
        const char* separator = "";
        if (v.is_object()) {
            out += '{';
            for (const auto& [key, member] : v.items()) {
                out += separator + Json(key).dump() + ": ";
                if (!self(self, member)) return false;
                separator = ", ";
            }
            out += '}';
        } else if (v.is_array()) {
            out += '[';
            for (const Json& element : v) {
                out += separator;
                if (!self(self, element)) return false;
                separator = ", ";
            }
            out += ']';
        } else if (v.is_binary()) {
            return false;
        } else {
            append_scalar(out, v);
        }
        return out.size() - begin <= most;
    };
    if (append(append, value)) return true;
    out.resize(begin);
    return false;
}

}  // namespace

std::string checksum_text(std::uint64_t checksum) {
    return fmt::format("{:016x}", checksum);
}

/// Writes the text, keeping a little of it until there is enough to be worth a call.
class JsonDocument::Writer {
  public:
    Writer(const JsonDocument& document, const SaveOptions& options,
           const std::function<void(std::string_view)>& write)
        : document_(document), options_(options), write_(write) {
        for (const ElementsView& elements : document.elements_)
            total_ += std::visit([](const auto& e) { return e.size_bytes(); }, elements);
    }

    void write() {
        const Json extras = extras_of(options_);
        const std::uint64_t version = extras.is_null() ? json_oldest_reader : json_oldest_with_extras;
        const Json metadata = options_.metadata.empty() ? Json() : Json(options_.metadata);
        const auto checksum = [&](std::uint64_t i) { return checksum_of(document_.elements_[i]); };
        text_ = fmt::format(
            "{{\n  \"format\": \"{}\",\n  \"version\": {},\n  \"oldest_reader\": {},\n  \"checksum\": \"{}\"",
            format_name, version, version,
            checksum_of_parts({{"extras", &extras},
                               {"metadata", &metadata},
                               {"model", &document_.model},
                               {"tensors", &document_.tensors_},
                               {"training", &document_.training}},
                              checksum));
        part("metadata", metadata);
        part("extras", extras);
        part("model", document_.model);
        part("tensors", document_.tensors_);
        part("training", document_.training);
        text_ += "\n}\n";
        write_(text_);
        if (options_.progress) options_.progress(total_, total_);
    }

  private:
    static Json extras_of(const SaveOptions& options) {
        if (options.extras.empty()) return nullptr;
        // They are to be within what readers allow, two levels deep in the file.
        LoadLimits limits;
        limits.max_depth -= 2;
        Json extras = Json::object();
        for (const auto& [name, text] : options.extras) {
            try {
                extras[name] = parse_strictly(text, limits);
            } catch (const FormatError& e) {
                throw ValueError(fmt::format("the extra \"{}\" is not JSON: {}", name, e.what()));
            }
        }
        return extras;
    }

    static constexpr std::size_t enough = std::size_t{1} << 16;
    static constexpr std::size_t line_size = 100;
    static constexpr std::uint64_t progress_step = std::uint64_t{1} << 20;

    void part(const char* key, const Json& value) {
        if (value.is_null()) return;
        text_ += fmt::format(",\n  \"{}\": ", key);
        append(value, 1);
    }

    void append(const Json& value, std::size_t depth) {
        if (append_in_line(text_, value, line_size)) return;
        if (is_tensor(value)) {
            text_ += '{';
            for (const auto& [key, member] : value.items()) {
                if (key == "data") break;
                text_ += Json(key).dump() + ": ";
                append_in_line(text_, member, std::string::npos);
                text_ += ", ";
            }
            text_ += fmt::format("\"encoding\": \"{}\", \"data\": ",
                                 encoding_names[static_cast<std::size_t>(options_.encoding)]);
            std::visit([&](const auto& e) { append_elements(e); },
                       document_.elements_[value["data"].get_binary().subtype()]);
            text_ += '}';
        } else if (value.is_object()) {
            append_lines(value, '{', '}', depth, [&](const auto& member) {
                text_ += Json(member.key()).dump() + ": ";
                append(member.value(), depth + 1);
            });
        } else if (value.is_array()) {
            append_lines(value, '[', ']', depth,
                         [&](const auto& element) { append(element.value(), depth + 1); });
        } else {
            append_scalar(text_, value);
        }
        flush();
    }

    template <class Append>
    void append_lines(const Json& values, char begin, char end, std::size_t depth, const Append& append) {
        text_ += begin;
        const char* separator = "";
        for (const auto& value : values.items()) {
            text_ += separator;
            new_line(depth + 1);
            append(value);
            separator = ",";
        }
        new_line(depth);
        text_ += end;
    }

    void new_line(std::size_t depth) {
        text_ += '\n';
        text_.append(2 * depth, ' ');
    }

    template <class T>
    void append_elements(std::span<const T> elements) {
        if (options_.encoding == Encoding::base64) {
            text_ += '"';
            const std::span bytes(reinterpret_cast<const unsigned char*>(elements.data()),
                                  elements.size_bytes());
            constexpr std::size_t piece = enough / 4 * 3;
            for (std::size_t i = 0; i < bytes.size(); i += piece) {
                const auto some = bytes.subspan(i, std::min(piece, bytes.size() - i));
                append_base64(text_, some);
                advance(some.size());
            }
            text_ += '"';
            return;
        }
        text_ += '[';
        constexpr std::size_t piece = 4096;
        for (std::size_t i = 0; i < elements.size(); i += piece) {
            const auto some = elements.subspan(i, std::min(piece, elements.size() - i));
            for (const T element : some) {
                append_element(text_, element);
                text_ += ',';
            }
            if (i + piece >= elements.size()) text_.pop_back();
            advance(some.size_bytes());
        }
        text_ += ']';
    }

    void advance(std::uint64_t bytes) {
        flush();
        done_ += bytes;
        if (options_.progress && done_ >= next_progress_ && done_ < total_) {
            options_.progress(done_, total_);
            next_progress_ = done_ + progress_step;
        }
    }

    void flush() {
        if (text_.size() < enough) return;
        write_(text_);
        text_.clear();
    }

    const JsonDocument& document_;
    const SaveOptions& options_;
    const std::function<void(std::string_view)>& write_;
    std::string text_;
    std::uint64_t done_ = 0, total_ = 0;  // bytes of elements
    std::uint64_t next_progress_ = progress_step;
};

Json JsonDocument::tensor(const Shape& shape, ElementsView elements) {
    elements_.push_back(elements);
    Json value = Json::object();
    value["shape"] = Json::array();
    for (const std::size_t size : shape) value["shape"].push_back(size);
    value["dtype"] = to_string(dtype_of(elements));
    value["data"] = Json::binary({}, elements_.size() - 1);
    return value;
}

void JsonDocument::add(const std::string& name, const Shape& shape, ElementsView elements) {
    if (!names_.insert(name).second) throw ValueError(fmt::format("two tensors are named \"{}\"", name));
    tensors_.get_ref<Json::object_t&>().emplace_back(name, tensor(shape, elements));
}

void JsonDocument::check_finite(const char* function) const {
    std::vector<std::string> problems;
    const auto check = [&](const std::string& name, const Json& tensor) {
        const auto find = [&](const auto& elements) {
            const auto found = std::ranges::find_if(elements, [](auto x) { return !std::isfinite(x); });
            if (found == elements.end()) return;
            problems.push_back(fmt::format("{} of shape {}: element {} is {}", name,
                                           to_string(read_shape({tensor["shape"], name})),
                                           found - elements.begin(), non_finite_name(*found)));
        };
        std::visit(find, elements_[tensor["data"].get_binary().subtype()]);
    };
    for (const auto& [name, tensor] : tensors_.items()) check(fmt::format("\"{}\"", name), tensor);
    for_tensors({training, "/training"}, [&](const JsonPlace& at) { check(at.path, at.json); });
    if (!problems.empty()) {
        throw NonFiniteError(
            fmt::format("{}: numbers that are not finite are not saved, unless "
                        "SaveOptions::allow_non_finite says so:\n  {}",
                        function, fmt::join(problems, "\n  ")));
    }
}

void JsonDocument::write(const SaveOptions& options,
                         const std::function<void(std::string_view)>& write) const {
    try {
        Writer(*this, options, write).write();
    } catch (const Json::exception&) {
        throw ValueError("a name or text that is to be saved is not UTF-8");
    }
}

std::string JsonDocument::text(const SaveOptions& options) const {
    std::string text;
    write(options, [&](std::string_view piece) { text += piece; });
    return text;
}

void JsonDocument::save(const std::filesystem::path& path, const SaveOptions& options) const {
    AtomicFile file(path);
    write(options, [&](std::string_view piece) { file.write(piece); });
    file.commit();
}

namespace {

const std::string& read_text(const JsonPlace& at) {
    if (!at.json.is_string()) at.expected("a string");
    return at.json.get_ref<const std::string&>();
}

std::uint64_t read_version(const JsonPlace& at) {
    if (!at.json.is_number_unsigned()) at.expected("a whole number of 64 bits, at least 0");
    return at.json.get<std::uint64_t>();
}

}  // namespace

PlacedData read_tensor(const JsonPlace& at) {
    JsonObjectReader reader(at);
    PlacedData tensor{.shape = read_shape(reader.get("shape")), .dtype = DType::float32, .data = nullptr};
    const JsonPlace dtype = reader.get("dtype");
    if (dtype.json != dtype_name<float> && dtype.json != dtype_name<double>)
        dtype.expected("\"float32\" or \"float64\"");
    tensor.dtype = dtype.json == dtype_name<float> ? DType::float32 : DType::float64;
    const JsonPlace data = reader.get("data");
    if (!data.json.is_binary() || at.tensors == nullptr)
        data.expected("an array of numbers or base64 after \"dtype\"");
    tensor.data = &at.tensors->at(data.json.get_binary().subtype());
    const char* const encoding = encoding_names[static_cast<std::size_t>(tensor.data->encoding)];
    if (const auto stated = reader.find("encoding")) {
        if (stated->json != encoding_names[0] && stated->json != encoding_names[1])
            stated->expected("\"decimal\" or \"base64\"");
        if (stated->json != encoding)
            data.fail(fmt::format("expected {}, got {}", stated->json.dump(), encoding));
    } else if (tensor.data->encoding != Encoding::decimal) {
        data.fail("expected an array of numbers where no encoding is stated, got a string");
    }
    reader.finish();
    if (!holds(tensor.shape, tensor.data->count)) {
        at.fail(
            fmt::format("shape {} does not hold {} numbers", to_string(tensor.shape), tensor.data->count));
    }
    return tensor;
}

JsonContent::JsonContent(JsonSource& source, const LoadLimits& limits, const Destinations& destinations)
    : parsed_(parse_tensors_strictly(source, limits, destinations)) {
    JsonObjectReader file(root());
    const JsonPlace format = file.get("format");
    const std::string& name = read_text(format);
    const JsonPlace version = file.get("version");
    if (name == format_name) {
        version_ = read_version(version);
        const JsonPlace oldest = file.get("oldest_reader");
        const std::uint64_t oldest_reader = read_version(oldest);
        if (version_ < json_oldest_reader) version.expected("a version from 2 on");
        if (oldest_reader > version_) oldest.expected(fmt::format("at most the version, {}", version_));
        if (oldest_reader > json_version) {
            root().fail(
                fmt::format("version {} of the format, for readers of version {} and later; this "
                            "library reads up to version {}",
                            version_, oldest_reader, json_version));
        }
        read_parts(file);
        return;
    }
    if (name != weights_1_name && name != checkpoint_1_name) {
        format.expected(fmt::format("\"{}\" (or, before version 2, \"{}\" or \"{}\")", format_name,
                                    weights_1_name, checkpoint_1_name));
    }
    format_ = name == weights_1_name ? Format::weights_1 : Format::checkpoint_1;
    version_ = read_version(version);
    if (version_ != 1) {
        version.fail(fmt::format("expected version 1 of the format \"{}\", got {}", name, version_));
    }
    read_old(file);
}

void JsonContent::read_old(JsonObjectReader& file) {
    if (format_ == Format::weights_1) {
        const JsonPlace tensors = file.get("tensors");
        file.finish();
        read_tensors(tensors);
    } else {
        checksum_ = read_text(file.get("checksum"));
        training_.emplace(file.get("state"));
        file.finish();
    }
}

void JsonContent::read_parts(JsonObjectReader& file) {
    static const Json none;
    const auto checksum = file.find("checksum");
    const std::optional<JsonPlace> extras =
        version_ < json_oldest_with_extras ? std::nullopt : file.find("extras");
    const auto metadata = file.find("metadata"), model = file.find("model");
    const JsonPlace tensors = file.get("tensors");
    const auto training = file.find("training");
    file.finish();
    if (metadata) {
        if (!metadata->json.is_object()) metadata->expected("an object of strings");
        for (const auto& [key, value] : metadata->json.items())
            metadata_[key] = read_text(metadata->inside(key, value));
    }
    if (extras) {
        if (!extras->json.is_object()) extras->expected("an object");
        extras_.emplace(*extras);
    }
    if (model) {
        if (!model->json.is_object()) model->expected("an object");
        model_.emplace(*model);
    }
    if (training) {
        if (!training->json.is_object()) training->expected("an object");
        training_.emplace(*training);
    }
    read_tensors(tensors);
    if (!checksum) return;
    checksum_ = read_text(*checksum);
    const std::string computed =
        checksum_of_parts({{"extras", extras ? &extras->json : &none},
                           {"metadata", metadata ? &metadata->json : &none},
                           {"model", model ? &model->json : &none},
                           {"tensors", &tensors.json},
                           {"training", training ? &training->json : &none}},
                          [&](std::uint64_t i) { return parsed_.tensors[i].checksum; });
    if (computed != *checksum_) {
        checksum->fail(
            fmt::format("the checksum of the file is {}, not {} as it says: it was changed or damaged",
                        computed, *checksum_));
    }
}

std::map<std::string, std::string> JsonContent::extras() const {
    std::map<std::string, std::string> texts;
    if (!extras_) return texts;
    for (const auto& [name, value] : extras_->json.items())
        append_in_line(texts[name], value, std::numeric_limits<std::size_t>::max());
    return texts;
}

void JsonContent::read_tensors(const JsonPlace& at) {
    if (!at.json.is_object()) at.expected("an object of tensors");
    for (const auto& [name, value] : at.json.items()) {
        PlacedData tensor = read_tensor(at.inside(name, value));
        tensors_.push_back({name, std::move(tensor.shape), tensor.dtype, tensor.data});
    }
}

}  // namespace seqgrad::detail
