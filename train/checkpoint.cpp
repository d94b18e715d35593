#include "seqgrad/train/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/atomic_file.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"
#include "seqgrad/layers/internal/json_file.hpp"
#include "seqgrad/train/internal/checkpoint_v1.hpp"
#include "seqgrad/train/internal/training_fields.hpp"

namespace seqgrad {
namespace {

using detail::fields;
using detail::Json;
using detail::JsonPlace;

// Writing

/// Makes the part "training" of a state, but for the weights, which are put into the document.
class Writer {
  public:
    explicit Writer(detail::JsonDocument& document) : document_(document) {}

    void operator()(const char* name, const auto& member) {
        Json value = json_of(member);
        object_[name] = std::move(value);
    }
    template <class T>
    void operator()(const char*, const std::vector<std::pair<std::string, Tensor<T>>>& weights) {
        for (const auto& [name, tensor] : weights) document_.add(name, shape_of(tensor), elements(tensor));
    }

    Json json_of(const auto& object) requires requires { fields(*this, object); }
    {
        Json outer = std::exchange(object_, Json::object());
        fields(*this, object);
        return std::exchange(object_, std::move(outer));
    }
    Json json_of(std::same_as<bool> auto value) { return value; }
    Json json_of(std::int64_t value) { return value; }
    Json json_of(std::size_t value) { return value; }
    Json json_of(double value) {
        if (std::isfinite(value)) return value;
        return std::string(detail::non_finite_text(value));
    }
    Json json_of(const std::string& value) { return value; }
    template <class V>
    Json json_of(const std::optional<V>& value) {
        return value ? json_of(*value) : Json();
    }
    template <class V>
    Json json_of(const std::pair<std::string, V>& value) {
        Json both = Json::array();
        both.push_back(value.first);
        both.push_back(json_of(value.second));
        return both;
    }
    template <class V>
    Json json_of(const std::map<std::string, V>& values) {
        Json object = Json::object();
        for (const auto& [name, value] : values) object[name] = json_of(value);
        return object;
    }
    template <class V>
    Json json_of(const std::vector<V>& values) {
        return array_of(values);
    }
    Json json_of(const Logs& logs) { return array_of(logs); }
    Json json_of(const History& history) { return array_of(history.epochs()); }
    template <class T>
    Json json_of(const Tensor<T>& tensor) {
        return document_.tensor(shape_of(tensor), elements(tensor));
    }

  private:
    static Shape shape_of(const auto& tensor) { return {tensor.shape().begin(), tensor.shape().end()}; }
    Json array_of(const auto& values) {
        Json array = Json::array();
        for (const auto& value : values) array.push_back(json_of(value));
        return array;
    }

    detail::JsonDocument& document_;
    Json object_ = Json::object();
};

template <class T>
detail::JsonDocument document_of(const char* function, const TrainingState<T>& state,
                                 const SaveOptions& options) {
    detail::JsonDocument document;
    document.training = Writer(document).json_of(state);
    if (!options.allow_non_finite) document.check_finite(function);
    return document;
}

// Reading

template <class V>
void read(const JsonPlace& at, V& value);
template <Real T>
Tensor<T> take(const JsonPlace& at, const Shape& shape, DType dtype, detail::TensorData& data);

/// Reads the members of an object, which must be there, all of them and no others.
class Reader : public detail::JsonObjectReader {
  public:
    /// `named` is where the weights stand; null in version 1, where they stand among the other members.
    explicit Reader(JsonPlace at, std::vector<detail::NamedData>* named = nullptr)
        : JsonObjectReader(std::move(at)), named_(named) {}

    void operator()(const char* name, auto& member) { read(get(name), member); }

    template <class T>
    void operator()(const char* name, std::vector<std::pair<std::string, Tensor<T>>>& weights) {
        if (named_ == nullptr) return read(get(name), weights);
        static const Json tensors;
        for (const detail::NamedData& tensor : *named_) {
            const JsonPlace at = JsonPlace{tensors, "/tensors"}.inside(tensor.name, tensors);
            weights.emplace_back(tensor.name, take<T>(at, tensor.shape, tensor.dtype, *tensor.data));
        }
    }

  private:
    std::vector<detail::NamedData>* named_;
};

void read_value(const JsonPlace& at, bool& value) {
    if (!at.json.is_boolean()) at.expected("true or false");
    value = at.json.get<bool>();
}

void read_value(const JsonPlace& at, std::int64_t& value) {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const bool too_large = at.json.is_number_unsigned() && at.json.get<std::uint64_t>() > largest;
    if (!at.json.is_number_integer() || too_large) at.expected("a whole number of 64 bits");
    value = at.json.get<std::int64_t>();
}

void read_value(const JsonPlace& at, std::size_t& value) {
    if (!at.json.is_number_unsigned()) at.expected("a whole number of 64 bits, at least 0");
    value = at.json.get<std::size_t>();
}

void read_value(const JsonPlace& at, double& value) {
    if (at.json.is_string()) {
        if (const auto number = detail::parse_non_finite(at.json.get_ref<const std::string&>())) {
            value = *number;
            return;
        }
    }
    if (!at.json.is_number()) at.expected("a number");
    value = at.json.get<double>();
}

void read_value(const JsonPlace& at, std::string& value) {
    if (!at.json.is_string()) at.expected("a text");
    value = at.json.get<std::string>();
}

template <class V>
void read_value(const JsonPlace& at, std::optional<V>& value) {
    if (!at.json.is_null()) read(at, value.emplace());
}

template <class V>
void read_value(const JsonPlace& at, std::pair<std::string, V>& value) {
    if (!at.json.is_array() || at.json.size() != 2) at.expected("[name, value]");
    read(at.element(0), value.first);
    read(at.element(1), value.second);
}

template <class V>
void read_value(const JsonPlace& at, std::map<std::string, V>& values) {
    if (!at.json.is_object()) at.expected("an object");
    for (const auto& [name, value] : at.json.items()) read(at.inside(name, value), values[name]);
}

template <class V>
void read_value(const JsonPlace& at, std::vector<V>& values) {
    if (!at.json.is_array()) at.expected("an array");
    values.reserve(at.json.size());
    for (std::size_t i = 0; i < at.json.size(); ++i) read(at.element(i), values.emplace_back());
}

void read_value(const JsonPlace& at, Logs& logs) {
    std::vector<Logs::Entry> entries;
    read(at, entries);
    for (const auto& [name, value] : entries) {
        if (logs.contains(name)) at.fail(fmt::format("\"{}\" stands there twice", name));
        logs.set(name, value);
    }
}

void read_value(const JsonPlace& at, History& history) {
    std::vector<Epoch> epochs;
    read(at, epochs);
    for (Epoch& epoch : epochs) history.append(std::move(epoch));
}

/// The tensor at a place. Its elements are released.
template <Real T>
Tensor<T> take(const JsonPlace& at, const Shape& shape, DType dtype, detail::TensorData& data) {
    auto* const elements = std::get_if<std::vector<T>>(&data.elements);
    if (elements == nullptr) {
        at.fail(fmt::format("expected dtype \"{}\", got \"{}\"; a run goes on with numbers of its own type",
                            detail::dtype_name<T>, to_string(dtype)));
    }
    Tensor<T> tensor(shape);
    std::ranges::copy(std::exchange(*elements, {}), tensor.data());
    return tensor;
}

template <Real T>
void read_value(const JsonPlace& at, Tensor<T>& tensor) {
    const detail::PlacedData placed = detail::read_tensor(at);
    tensor = take<T>(at, placed.shape, placed.dtype, *placed.data);
}

template <class V>
void read(const JsonPlace& at, V& value) {
    if constexpr (requires(Reader & reader) { fields(reader, value); }) {
        Reader reader(at);
        fields(reader, value);
        reader.finish();
    } else {
        read_value(at, value);
    }
}

template <class T>
TrainingState<T> read_checkpoint(detail::JsonContent& content) {
    const bool old = content.format() == detail::JsonContent::Format::checkpoint_1;
    if (!content.training()) {
        content.root().fail("no checkpoint: there is no training state in it");
    }
    // Everywhere else a file may lack it, as one that a person wrote.
    if (!content.checksum()) content.root().fail("\"checksum\" is missing, without which no run goes on");
    TrainingState<T> state;
    Reader reader(*content.training(), old ? nullptr : &content.tensors());
    fields(reader, state);
    reader.finish();
    if (!old) return state;
    if (const std::string computed = detail::checkpoint_v1_checksum(state); computed != *content.checksum()) {
        content.root().fail(
            fmt::format("the checksum of the state is {}, not {} as the file says: it was changed or damaged",
                        computed, *content.checksum()));
    }
    return state;
}

[[noreturn]] void fail_to(const char* what, const std::filesystem::path& path, const std::string& reason) {
    throw IoError(fmt::format("cannot {} {}: {}", what, path.string(), reason));
}

// The folder

constexpr std::string_view name_start = "checkpoint-";
constexpr std::string_view name_end = ".json";

std::string checkpoint_name(std::uint64_t number) {
    return fmt::format("{}{}{}", name_start, number, name_end);
}

/// The number in a checkpoint's name; 0 for all other names.
std::uint64_t checkpoint_number(std::string_view name) {
    std::uint64_t number = 0;
    if (name.starts_with(name_start)) {
        const char* const end = name.data() + name.size();
        if (std::from_chars(name.data() + name_start.size(), end, number).ec != std::errc{}) return 0;
    }
    return number != 0 && checkpoint_name(number) == name ? number : 0;
}

/// Whether a file is what a process has left that was killed while it wrote a checkpoint.
bool is_leftover(std::string_view name) {
    const auto end = name.find(name_end);
    if (end == std::string_view::npos) return false;
    const std::string_view file = name.substr(0, end + name_end.size());
    return checkpoint_number(file) != 0 && detail::AtomicFile::is_temporary_of(file, name);
}

struct Listing {
    std::vector<std::uint64_t> numbers = {};  // newest first
    std::vector<std::filesystem::path> leftovers = {};
};

Listing list(const std::filesystem::path& folder) {
    Listing listing;
    std::error_code error;
    std::filesystem::directory_iterator entry(folder, error);
    if (error == std::errc::no_such_file_or_directory) return listing;
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (const std::uint64_t number = checkpoint_number(name); number != 0) {
            listing.numbers.push_back(number);
        } else if (is_leftover(name)) {
            listing.leftovers.push_back(entry->path());
        }
    }
    if (error) fail_to("read the folder", folder, error.message());
    std::ranges::sort(listing.numbers, std::greater{});
    return listing;
}

void remove_file(const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error) fail_to("remove", path, error.message());
}

/// Makes a folder that outlives a loss of power, as do those on the way to it.
void make_folder(const std::filesystem::path& folder) {
    std::error_code error;
    if (std::filesystem::is_directory(folder, error)) return;
    const std::filesystem::path parent = folder.parent_path();
    if (!parent.empty() && parent != folder) make_folder(parent);
    std::filesystem::create_directory(folder, error);
    if (error) fail_to("make the folder", folder, error.message());
    detail::flush_folder(parent, folder);
}

}  // namespace

template <class T>
std::string checkpoint_to_json(const TrainingState<T>& state, const SaveOptions& options) {
    return document_of("checkpoint_to_json", state, options).text(options);
}

template <class T>
TrainingState<T> checkpoint_from_json(std::string_view json, const std::string& source,
                                      const LoadOptions& options) {
    return detail::with_source(source, [&] {
        detail::JsonSource text(json, options);
        detail::JsonContent content(text, options.limits);
        return read_checkpoint<T>(content);
    });
}

template <class T>
void save_checkpoint(const TrainingState<T>& state, const std::filesystem::path& path,
                     const SaveOptions& options) {
    document_of("save_checkpoint", state, options).save(path, options);
}

template <class T>
TrainingState<T> load_checkpoint(const std::filesystem::path& path, const LoadOptions& options) {
    return detail::with_source(path.string(), [&] {
        detail::JsonSource file(path, options);
        detail::JsonContent content(file, options.limits);
        return read_checkpoint<T>(content);
    });
}

template <class T>
CheckpointFolder<T>::CheckpointFolder(std::filesystem::path folder, std::size_t keep, Report report)
    : folder_(std::move(folder)), keep_(keep), report_(std::move(report)) {
    if (folder_.empty()) throw ValueError("CheckpointFolder: the folder's path is empty");
    if (keep_ == 0) throw ValueError("CheckpointFolder: keep must be at least 1, got 0");
}

template <class T>
std::filesystem::path CheckpointFolder<T>::save(const TrainingState<T>& state) {
    make_folder(folder_);
    const auto [numbers, leftovers] = list(folder_);
    for (const auto& leftover : leftovers) remove_file(leftover);
    const std::filesystem::path path = folder_ / checkpoint_name(numbers.empty() ? 1 : numbers.front() + 1);
    // A run goes on as it was, whatever its numbers are.
    save_checkpoint(state, path, {.allow_non_finite = true});
    for (std::size_t i = keep_ - 1; i < numbers.size(); ++i)
        remove_file(folder_ / checkpoint_name(numbers[i]));
    return path;
}

template <class T>
std::optional<typename CheckpointFolder<T>::Found> CheckpointFolder<T>::newest() const {
    std::vector<std::string> skipped;
    for (const std::filesystem::path& path : files()) {
        try {
            Found found{.state = load_checkpoint<T>(path), .path = path};
            for (const std::string& message : skipped) {
                if (report_) report_(fmt::format("{}; going on from {} instead", message, path.string()));
            }
            found.skipped = std::move(skipped);
            return found;
        } catch (const FormatError& error) {
            skipped.emplace_back(error.what());
        } catch (const IoError& error) {
            skipped.emplace_back(error.what());
        }
    }
    if (!skipped.empty()) {
        throw FormatError(
            fmt::format("{}: none of the checkpoints is valid; remove or move them to begin anew:\n  {}",
                        folder_.string(), fmt::join(skipped, "\n  ")));
    }
    return std::nullopt;
}

template <class T>
std::vector<std::filesystem::path> CheckpointFolder<T>::files() const {
    std::vector<std::filesystem::path> paths;
    for (const std::uint64_t number : list(folder_).numbers)
        paths.push_back(folder_ / checkpoint_name(number));
    return paths;
}

template <class T>
void CheckpointFolder<T>::clear() {
    const auto [numbers, leftovers] = list(folder_);
    for (const auto& leftover : leftovers) remove_file(leftover);
    // The newest one last: what is left by a process that is killed here is still the end of the run.
    for (auto number = numbers.rbegin(); number != numbers.rend(); ++number)
        remove_file(folder_ / checkpoint_name(*number));
    std::error_code ignored;  // other files may be in it
    std::filesystem::remove(folder_, ignored);
}

template std::string checkpoint_to_json(const TrainingState<float>&, const SaveOptions&);
template std::string checkpoint_to_json(const TrainingState<double>&, const SaveOptions&);
template TrainingState<float> checkpoint_from_json(std::string_view, const std::string&, const LoadOptions&);
template TrainingState<double> checkpoint_from_json(std::string_view, const std::string&, const LoadOptions&);
template void save_checkpoint(const TrainingState<float>&, const std::filesystem::path&, const SaveOptions&);
template void save_checkpoint(const TrainingState<double>&, const std::filesystem::path&, const SaveOptions&);
template TrainingState<float> load_checkpoint(const std::filesystem::path&, const LoadOptions&);
template TrainingState<double> load_checkpoint(const std::filesystem::path&, const LoadOptions&);
template class CheckpointFolder<float>;
template class CheckpointFolder<double>;

}  // namespace seqgrad
