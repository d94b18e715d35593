#include "seqgrad/layers/weights.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/atomic_file.hpp"
#include "seqgrad/core/internal/finite.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"
#include "seqgrad/layers/internal/built.hpp"

namespace seqgrad {
namespace {

constexpr const char* format_name = "seqgrad-weights";
constexpr std::uint64_t format_version = 1;

using detail::append_number;
using detail::built_parameters;
using detail::dtype_name;
using detail::holds;
using detail::parse_number;

/// A tensor as it stands in the file.
template <class T>
struct PartialTensor {
    std::optional<Shape> shape;
    std::string dtype;
    std::vector<T> data;
    bool has_data = false;
    std::optional<std::size_t> first_non_finite;
};

/// Receives the file's tokens from nlohmann::json::sax_parse and keeps its tensors.
template <class T>
class WeightsReader {
  public:
    using Json = nlohmann::json;
    using number_integer_t = Json::number_integer_t;
    using number_unsigned_t = Json::number_unsigned_t;
    using number_float_t = Json::number_float_t;
    using string_t = Json::string_t;
    using binary_t = Json::binary_t;

    explicit WeightsReader(std::string file) : file_(std::move(file)) {}

    const std::map<std::string, PartialTensor<T>>& tensors() const { return tensors_; }

    bool null() { return unexpected("null"); }
    bool boolean(bool) { return unexpected("true or false"); }
    bool binary(binary_t&) { return unexpected("binary data"); }

    bool number_integer(number_integer_t value) {
        if (place_ == Place::data) return store(static_cast<T>(value));
        return unexpected(fmt::format("{}", value));
    }

    bool number_unsigned(number_unsigned_t value) {
        switch (place_) {
            case Place::version:
                if (value != format_version) {
                    fail(fmt::format("version {} of the format; this library reads version {}", value,
                                     format_version));
                }
                place_ = Place::file;
                has_version_ = true;
                return true;
            case Place::shape:
                tensor().shape->push_back(value);
                return true;
            case Place::data:
                return store(static_cast<T>(value));
            default:
                return unexpected(fmt::format("{}", value));
        }
    }

    bool number_float(number_float_t nearest, const string_t& text) {
        if (place_ != Place::data) return unexpected(text);
        // Parsed as the file's element type: going through double would round twice.
        if (tensor().dtype == dtype_name<float>)
            return store(static_cast<T>(parse_number<float>(text, nearest)));
        return store(static_cast<T>(parse_number<double>(text, nearest)));
    }

    bool string(string_t& text) {
        switch (place_) {
            case Place::format:
                if (text != format_name)
                    fail(fmt::format("expected format \"{}\", got \"{}\"", format_name, text));
                place_ = Place::file;
                has_format_ = true;
                return true;
            case Place::dtype:
                if (text != dtype_name<float> && text != dtype_name<double>) {
                    fail(fmt::format("expected \"float32\" or \"float64\", got \"{}\"", text));
                }
                tensor().dtype = text;
                place_ = Place::tensor;
                return true;
            default:
                return unexpected(fmt::format("\"{}\"", text));
        }
    }

    bool start_object(std::size_t) {
        switch (place_) {
            case Place::start:
                place_ = Place::file;
                return true;
            case Place::tensors_value:
                place_ = Place::tensors;
                return true;
            case Place::tensor_value:
                place_ = Place::tensor;
                return true;
            default:
                return unexpected("an object");
        }
    }

    bool key(string_t& name) {
        key_ = name;
        if (place_ == Place::tensors) {
            tensor_name_ = name;
            key_.clear();
            if (!tensors_.try_emplace(name).second) fail("stands in the file twice");
            place_ = Place::tensor_value;
            return true;
        }
        if (place_ == Place::file) {
            if (name == "format" && !has_format_) return enter(Place::format);
            if (name == "version" && !has_version_) return enter(Place::version);
            if (name == "tensors" && !has_tensors_) return enter(Place::tensors_value);
            fail("unknown or repeated key");
        }
        PartialTensor<T>& t = tensor();
        if (name == "shape" && !t.shape) return enter(Place::shape_value);
        if (name == "dtype" && t.dtype.empty()) return enter(Place::dtype);
        if (name == "data" && !t.has_data) {
            if (t.dtype.empty()) fail("dtype must stand before data");
            return enter(Place::data_value);
        }
        fail("unknown or repeated key");
    }

    bool end_object() {
        key_.clear();
        if (place_ == Place::tensor) {
            const PartialTensor<T>& t = tensor();
            if (!t.shape || !t.has_data) fail("shape or data is missing");
            if (!holds(*t.shape, t.data.size())) {
                fail(fmt::format("shape {} does not hold {} numbers", to_string(*t.shape), t.data.size()));
            }
            tensor_name_.clear();
            place_ = Place::tensors;
        } else if (place_ == Place::tensors) {
            has_tensors_ = true;
            place_ = Place::file;
        } else {
            if (!has_format_ || !has_version_ || !has_tensors_)
                fail("expected the keys format, version and tensors");
            place_ = Place::end;
        }
        return true;
    }

    bool start_array(std::size_t) {
        if (place_ == Place::shape_value) {
            tensor().shape.emplace();
            return enter(Place::shape);
        }
        if (place_ == Place::data_value) return enter(Place::data);
        return unexpected("an array");
    }

    bool end_array() {
        if (place_ == Place::data) tensor().has_data = true;
        place_ = Place::tensor;
        return true;
    }

    bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& e) {
        throw FormatError(
            fmt::format("{}: not valid JSON at byte {}, near \"{}\": {}", file_, position, token, e.what()));
    }

  private:
    enum class Place {
        start,
        file,
        format,
        version,
        tensors_value,
        tensors,
        tensor_value,
        tensor,
        shape_value,
        shape,
        dtype,
        data_value,
        data,
        end
    };

    PartialTensor<T>& tensor() { return tensors_.at(tensor_name_); }

    bool enter(Place place) {
        place_ = place;
        return true;
    }

    bool store(T value) {
        PartialTensor<T>& t = tensor();
        if (!std::isfinite(value) && !t.first_non_finite) t.first_non_finite = t.data.size();
        t.data.push_back(value);
        return true;
    }

    [[noreturn]] void fail(const std::string& what) const {
        std::string where = tensor_name_.empty() ? "" : fmt::format("tensors[\"{}\"]", tensor_name_);
        if (!key_.empty()) where += where.empty() ? key_ : "." + key_;
        throw FormatError(where.empty() ? fmt::format("{}: {}", file_, what)
                                        : fmt::format("{}: {}: {}", file_, where, what));
    }
    [[noreturn]] bool unexpected(const std::string& what) const { fail("unexpected " + what); }

    std::string file_;
    Place place_ = Place::start;
    std::string tensor_name_;
    std::string key_;
    bool has_format_ = false;
    bool has_version_ = false;
    bool has_tensors_ = false;
    std::map<std::string, PartialTensor<T>> tensors_;
};

template <class T>
std::map<std::string, PartialTensor<T>> read_tensors(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in || std::filesystem::is_directory(path)) {
        const int reason = std::filesystem::is_directory(path) ? EISDIR : errno;
        throw IoError(
            fmt::format("cannot open {}: {}", path.string(), std::generic_category().message(reason)));
    }
    WeightsReader<T> reader(path.string());
    nlohmann::json::sax_parse(in, &reader);
    return reader.tensors();
}

/// The module's parameters. Throws ValueError when one holds a number that is not finite.
template <class T>
std::vector<NamedParameter<T>> finite_parameters(const char* function, const Module<T>& module) {
    auto parameters = built_parameters(function, module);
    std::vector<std::string> problems;
    for (const auto& [name, variable] : parameters) {
        if (const auto i = detail::first_non_finite(variable.value())) {
            problems.push_back(fmt::format("\"{}\" of shape {}: element {} is {}", name,
                                           to_string(variable.shape()), *i,
                                           detail::non_finite_name(variable.value().data()[*i])));
        }
    }
    if (!problems.empty()) {
        throw ValueError(fmt::format("{}: numbers that are not finite are not saved:\n  {}", function,
                                     fmt::join(problems, "\n  ")));
    }
    return parameters;
}

/// Gives the text to `write`, piece by piece.
template <class T, class Write>
void write_weights(const std::vector<NamedParameter<T>>& parameters, const Write& write) {
    write(fmt::format("{{\n\"format\": \"{}\",\n\"version\": {},\n\"tensors\": {{", format_name,
                      format_version));
    std::string text;
    const char* separator = "\n";
    for (const auto& [name, variable] : parameters) {
        text = fmt::format("{}{}: {{\"shape\": {}, \"dtype\": \"{}\", \"data\": [", separator,
                           nlohmann::json(name).dump(), to_string(variable.shape()), dtype_name<T>);
        const char* comma = "";
        for (const T value : elements(variable.value())) {
            text += comma;
            append_number(text, value);
            comma = ",";
            if (text.size() > (std::size_t{1} << 16)) {
                write(text);
                text.clear();
            }
        }
        text += "]}";
        write(text);
        separator = ",\n";
    }
    write("\n}\n}\n");
}

/// Gives the module the tensors of `source`. Throws FormatError unless they are those of its parameters.
template <class T>
void assign(Module<T>& module, std::vector<NamedParameter<T>> parameters,
            std::map<std::string, PartialTensor<T>> stored, const std::string& source) {
    std::vector<std::string> problems;
    std::vector<std::pair<Variable<T>, std::vector<T>>> assignments;
    for (auto& [name, variable] : parameters) {
        const auto found = stored.find(name);
        if (found == stored.end()) {
            problems.push_back(fmt::format("\"{}\" is missing", name));
            continue;
        }
        PartialTensor<T>& t = found->second;
        if (*t.shape != variable.shape()) {
            problems.push_back(fmt::format("\"{}\": expected shape {}, got {}", name,
                                           to_string(variable.shape()), to_string(*t.shape)));
        }
        if (std::is_same_v<T, float> && t.dtype == dtype_name<double>) {
            problems.push_back(fmt::format("\"{}\": float64 numbers would be rounded to float32", name));
        } else if (t.first_non_finite) {
            problems.push_back(
                fmt::format("\"{}\": element {} is not finite as {}", name, *t.first_non_finite, t.dtype));
        }
        assignments.emplace_back(variable, std::move(t.data));
        stored.erase(found);
    }
    for (const auto& entry : stored) problems.push_back(fmt::format("\"{}\" is unexpected", entry.first));
    if (!problems.empty()) {
        throw FormatError(fmt::format("{}: does not fit {}, nothing was loaded:\n  {}", source,
                                      module.description(), fmt::join(problems, "\n  ")));
    }
    for (auto& [variable, values] : assignments) std::ranges::copy(values, variable.mutable_data().begin());
}

}  // namespace

template <class T>
void save_weights(const Module<T>& module, const std::filesystem::path& path) {
    const auto parameters = finite_parameters("save_weights", module);
    detail::AtomicFile file(path);
    write_weights(parameters, [&](std::string_view text) { file.write(text); });
    file.commit();
}

template <class T>
void load_weights(Module<T>& module, const std::filesystem::path& path) {
    auto parameters = built_parameters("load_weights", module);
    assign(module, std::move(parameters), read_tensors<T>(path), path.string());
}

template <class T>
std::string weights_to_json(const Module<T>& module) {
    std::string json;
    write_weights(finite_parameters("weights_to_json", module), [&](std::string_view text) { json += text; });
    return json;
}

template <class T>
void weights_from_json(Module<T>& module, std::string_view json, const std::string& source) {
    auto parameters = built_parameters("weights_from_json", module);
    WeightsReader<T> reader(source);
    nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
    assign(module, std::move(parameters), reader.tensors(), source);
}

template void save_weights(const Module<float>&, const std::filesystem::path&);
template void save_weights(const Module<double>&, const std::filesystem::path&);
template void load_weights(Module<float>&, const std::filesystem::path&);
template void load_weights(Module<double>&, const std::filesystem::path&);
template std::string weights_to_json(const Module<float>&);
template std::string weights_to_json(const Module<double>&);
template void weights_from_json(Module<float>&, std::string_view, const std::string&);
template void weights_from_json(Module<double>&, std::string_view, const std::string&);

}  // namespace seqgrad
