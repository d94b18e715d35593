#include "seqgrad/train/checkpoint.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <limits>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/atomic_file.hpp"
#include "seqgrad/core/internal/crc64.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"
#include "seqgrad/layers/internal/strict_json.hpp"

namespace seqgrad {
namespace {

using detail::Json;
using detail::JsonPlace;

constexpr const char* format_name = "seqgrad-checkpoint";
constexpr std::uint64_t format_version = 1;

// The members of what is saved, in the order of the file: fields(visitor, value) calls visitor(name, member)
// for each. Reading and writing go over the same list.

/// S itself or const S.
template <class Given, class S>
concept Same = std::same_as<std::remove_const_t<Given>, S>;

template <class Given, template <class> class S>
concept SameTemplate = Same<Given, S<float>> || Same<Given, S<double>>;

template <class S>
concept AnySlot = Same<S, OptimizerState<float>::Slot> || Same<S, OptimizerState<double>::Slot>;

template <class V>
void fields(V& v, Same<GeneratorState> auto& s) {
    v("seed", s.seed);
    v("counter", s.counter);
}

template <class V>
void fields(V& v, SameTemplate<ModuleState> auto& s) {
    v("generators", s.generators);
    v("states", s.states);
}

template <class V>
void fields(V& v, AnySlot auto& s) {
    v("name", s.name);
    v("value", s.value);
}

template <class V>
void fields(V& v, SameTemplate<OptimizerState> auto& s) {
    v("optimizer", s.optimizer);
    v("iterations", s.iterations);
    v("learning_rate", s.learning_rate);
    v("slots", s.slots);
}

template <class V>
void fields(V& v, SameTemplate<CallbackState> auto& s) {
    v("numbers", s.numbers);
    v("tensors", s.tensors);
}

template <class V>
void fields(V& v, Same<Epoch> auto& s) {
    v("epoch", s.epoch);
    v("seconds", s.seconds);
    v("logs", s.logs);
}

template <class V>
void fields(V& v, SameTemplate<TrainingState> auto& s) {
    v("setup", s.setup);
    v("epoch", s.epoch);
    v("step", s.step);
    v("samples", s.samples);
    v("seconds", s.seconds);
    v("finished", s.finished);
    v("loss", s.loss);
    v("metrics", s.metrics);
    v("order", s.order);
    v("batches", s.batches);
    v("generator", s.generator);
    v("weights", s.weights);
    v("model", s.model);
    v("optimizer", s.optimizer);
    v("callbacks", s.callbacks);
    v("history", s.history);
}

// Writing

/// What is so short that several stand in a line.
template <class V>
inline constexpr bool short_text = std::is_arithmetic_v<V>;
template <class V>
inline constexpr bool short_text<std::vector<V>> = short_text<V>;
template <class V>
inline constexpr bool short_text<std::pair<std::string, V>> = short_text<V>;

/// Writes values to a text. The same values give the same text, and other values another one.
class Writer {
  public:
    std::string take() { return std::move(text_); }

    void operator()(const char* name, const auto& member) {
        next();
        text_ += fmt::format("\"{}\": ", name);
        write(member);
    }

    void write(const auto& object) requires requires { fields(*this, object); }
    {
        const bool state = depth_ == 0;
        within('{', '}', state, [&] { fields(*this, object); });
    }

    void write(std::same_as<bool> auto value) { text_ += value ? "true" : "false"; }
    void write(std::int64_t value) { text_ += fmt::format("{}", value); }
    void write(std::size_t value) { text_ += fmt::format("{}", value); }
    void write(std::floating_point auto value) {
        if (std::isfinite(value)) {
            detail::append_number(text_, value);
        } else {
            text_ += '"';
            text_ += detail::non_finite_text(static_cast<double>(value));
            text_ += '"';
        }
    }
    void write(const std::string& value) {
        try {
            text_ += Json(value).dump();
        } catch (const Json::exception&) {
            throw ValueError(fmt::format("checkpoint: the name {} is not UTF-8",
                                         Json(value).dump(-1, ' ', true, Json::error_handler_t::replace)));
        }
    }
    template <class V>
    void write(const std::optional<V>& value) {
        if (value) {
            write(*value);
        } else {
            text_ += "null";
        }
    }
    template <class V>
    void write(const std::pair<std::string, V>& value) {
        text_ += '[';
        write(value.first);
        text_ += ", ";
        write(value.second);
        text_ += ']';
    }
    template <class V>
    void write(const std::map<std::string, V>& values) {
        within('{', '}', false, [&] {
            for (const auto& [name, value] : values) {
                next();
                write(name);
                text_ += ": ";
                write(value);
            }
        });
    }
    template <class V>
    void write(const std::vector<V>& values) {
        write_array(values, !short_text<V>);
    }
    void write(const Logs& logs) { write_array(logs, false); }
    void write(const History& history) { write_array(history.epochs(), true); }

    template <class T>
    void write(const Tensor<T>& tensor) {
        text_ += fmt::format("{{\"shape\": {}, \"dtype\": \"{}\", \"data\": [",
                             to_string(Shape(tensor.shape().begin(), tensor.shape().end())),
                             detail::dtype_name<T>);
        const char* comma = "";
        for (const T value : elements(tensor)) {
            text_ += comma;
            write(value);
            comma = ",";
        }
        text_ += "]}";
    }

  private:
    void write_array(const auto& values, bool in_lines) {
        within('[', ']', in_lines, [&] {
            for (const auto& value : values) {
                next();
                write(value);
            }
        });
    }
    /// Before every member and element.
    void next() {
        if (!first_) text_ += ',';
        if (in_lines_) {
            text_ += '\n';
        } else if (!first_) {
            text_ += ' ';
        }
        first_ = false;
    }
    template <class Write>
    void within(char begin, char end, bool in_lines, const Write& contents) {
        text_ += begin;
        first_ = true;
        ++depth_;
        const bool outer = std::exchange(in_lines_, in_lines);
        contents();
        in_lines_ = outer;
        --depth_;
        first_ = false;
        text_ += end;
    }

    std::string text_;
    bool first_ = true;      // whether the next member or element is the first of its kind
    bool in_lines_ = false;  // whether each has a line of its own
    int depth_ = 0;
};

std::string checksum(std::string_view state) {
    return fmt::format("{:016x}", detail::crc64(state));
}

/// Gives the text to `write`, piece by piece.
template <class T, class Write>
void write_checkpoint(const TrainingState<T>& state, const Write& write) {
    Writer writer;
    writer.write(state);
    const std::string text = writer.take();
    write(fmt::format("{{\n\"format\": \"{}\",\n\"version\": {},\n\"checksum\": \"{}\",\n\"state\": ",
                      format_name, format_version, checksum(text)));
    write(text);
    write("\n}\n");
}

// Reading

template <class V>
void read(const JsonPlace& at, V& value);

/// Reads the members of an object, which must be there, all of them and no others.
class Reader : public detail::JsonObjectReader {
  public:
    using JsonObjectReader::JsonObjectReader;

    void operator()(const char* name, auto& member) { read(get(name), member); }
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

template <Real T>
void read_value(const JsonPlace& at, Tensor<T>& tensor) {
    Reader reader(at);
    std::vector<std::size_t> sizes;
    std::string dtype;
    reader("shape", sizes);
    reader("dtype", dtype);
    const JsonPlace data = reader.get("data");
    reader.finish();
    if (dtype != detail::dtype_name<T>) {
        at.fail(fmt::format("expected dtype \"{}\", got \"{}\"; a run goes on with numbers of its own type",
                            detail::dtype_name<T>, dtype));
    }
    if (!data.json.is_binary()) data.expected("an array of numbers after \"dtype\"");
    const Shape shape(sizes.begin(), sizes.end());
    const auto& bytes = data.json.get_binary();
    const std::size_t count = bytes.size() / sizeof(T);
    if (!detail::holds(shape, count)) {
        at.fail(fmt::format("shape {} does not hold {} numbers", to_string(shape), count));
    }
    tensor = Tensor<T>(shape);
    if (count > 0) std::memcpy(tensor.data(), bytes.data(), bytes.size());
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
TrainingState<T> read_checkpoint(const JsonPlace& at) {
    Reader file(at);
    std::string format;
    std::uint64_t version = 0;
    std::string stored;
    file("format", format);
    if (format != format_name) {
        at.fail(fmt::format("expected format \"{}\", got \"{}\"", format_name, format));
    }
    file("version", version);
    if (version != format_version) {
        at.fail(
            fmt::format("version {} of the format; this library reads version {}", version, format_version));
    }
    file("checksum", stored);
    TrainingState<T> state;
    file("state", state);
    file.finish();

    // Of what was read, not of the file: whatever went wrong between a state and its text is found.
    Writer writer;
    writer.write(state);
    if (const std::string computed = checksum(writer.take()); computed != stored) {
        at.fail(
            fmt::format("the checksum of the state is {}, not {} as the file says: it was changed or damaged",
                        computed, stored));
    }
    return state;
}

[[noreturn]] void fail_to(const char* what, const std::filesystem::path& path, const std::string& reason) {
    throw IoError(fmt::format("cannot {} {}: {}", what, path.string(), reason));
}

std::string read_file(const std::filesystem::path& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error) fail_to("open", path, error.message());
    std::ifstream in(path, std::ios::binary);
    if (!in) fail_to("open", path, std::generic_category().message(errno));
    std::string text(size, '\0');
    in.read(text.data(), static_cast<std::streamsize>(size));
    if (in.gcount() != static_cast<std::streamsize>(size))
        fail_to("read", path, std::generic_category().message(EIO));
    return text;
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
std::string checkpoint_to_json(const TrainingState<T>& state) {
    std::string json;
    write_checkpoint(state, [&](std::string_view text) { json += text; });
    return json;
}

template <class T>
TrainingState<T> checkpoint_from_json(std::string_view json, const std::string& source) {
    try {
        const Json parsed = detail::parse_tensors_strictly(json);
        return read_checkpoint<T>({parsed, ""});
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("{}: {}", source, error.what()));
    }
}

template <class T>
void save_checkpoint(const TrainingState<T>& state, const std::filesystem::path& path) {
    detail::AtomicFile file(path);
    write_checkpoint(state, [&](std::string_view text) { file.write(text); });
    file.commit();
}

template <class T>
TrainingState<T> load_checkpoint(const std::filesystem::path& path) {
    return checkpoint_from_json<T>(read_file(path), path.string());
}

void report_to_cerr(const std::string& message) {
    std::cerr << message << std::endl;
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
    save_checkpoint(state, path);
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

template std::string checkpoint_to_json(const TrainingState<float>&);
template std::string checkpoint_to_json(const TrainingState<double>&);
template TrainingState<float> checkpoint_from_json(std::string_view, const std::string&);
template TrainingState<double> checkpoint_from_json(std::string_view, const std::string&);
template void save_checkpoint(const TrainingState<float>&, const std::filesystem::path&);
template void save_checkpoint(const TrainingState<double>&, const std::filesystem::path&);
template TrainingState<float> load_checkpoint(const std::filesystem::path&);
template TrainingState<double> load_checkpoint(const std::filesystem::path&);
template class CheckpointFolder<float>;
template class CheckpointFolder<double>;

}  // namespace seqgrad
