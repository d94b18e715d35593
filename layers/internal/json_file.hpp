#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/layers/files/file_options.hpp"
#include "seqgrad/layers/internal/strict_json.hpp"

// The JSON format of docs/format.md: one file of several parts, of which weights, models and checkpoints have
// those that they need.

namespace seqgrad::detail {

/// The newest version that is written and read.
inline constexpr std::uint64_t json_version = 3;
/// The oldest version whose readers can read what is written, and the version that is then stated; with
/// extras it is 3.
inline constexpr std::uint64_t json_oldest_reader = 2;
inline constexpr std::uint64_t json_oldest_with_extras = 3;

/// What goes into a file. The elements of tensors are not copied, and must outlive it.
class JsonDocument {
  public:
    Json model = nullptr;     ///< null for none
    Json training = nullptr;  ///< null for none

    /// A tensor to be put anywhere into `training`.
    Json tensor(const Shape& shape, ElementsView elements);
    /// Puts one at the end of the tensors that have names. Throws ValueError for a name that is there.
    void add(const std::string& name, const Shape& shape, ElementsView elements);

    /// Throws ValueError, in the name of a function, with all the tensors that hold a number that is not
    /// finite, and the first such number of each.
    void check_finite(const char* function) const;

    /// Gives the text to `write`, piece by piece. Throws ValueError for a name or text that is not UTF-8.
    void write(const SaveOptions& options, const std::function<void(std::string_view)>& write) const;
    /// The whole text.
    std::string text(const SaveOptions& options) const;
    /// Writes a file, which is complete or not there.
    void save(const std::filesystem::path& path, const SaveOptions& options) const;

  private:
    class Writer;
    Json tensors_ = Json::object();
    std::set<std::string> names_;
    std::vector<ElementsView> elements_;
};

/// A tensor that a file names.
struct NamedData {
    std::string name;
    Shape shape;
    DType dtype;
    TensorData* data;
};

/// A tensor in a file.
struct PlacedData {
    Shape shape;
    DType dtype;
    TensorData* data;
};

/// What came out of a file. Format, version and checksum are checked, and that there are no other parts.
class JsonContent {
  public:
    enum class Format {
        weights_1,     ///< "seqgrad-weights", version 1
        checkpoint_1,  ///< "seqgrad-checkpoint", version 1
        seqgrad,       ///< "seqgrad", from version 2 on
    };

    /// Throws FormatError with the path and place, IoError where reading fails.
    JsonContent(JsonSource& source, const LoadLimits& limits, const Destinations& destinations = {});
    JsonContent(const JsonContent&) = delete;
    JsonContent& operator=(const JsonContent&) = delete;

    Format format() const { return format_; }
    std::uint64_t version() const { return version_; }
    /// Whether the file has a checksum; then it is right, but in checkpoint_1, where it is not checked here.
    const std::optional<std::string>& checksum() const { return checksum_; }

    JsonPlace root() { return parsed_.root(); }
    const std::optional<JsonPlace>& model() const { return model_; }
    /// Of checkpoint_1: "state".
    const std::optional<JsonPlace>& training() const { return training_; }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }
    /// The extras, as texts.
    std::map<std::string, std::string> extras() const;
    /// Those that have names, in the file's order.
    std::vector<NamedData>& tensors() { return tensors_; }

  private:
    void read_old(JsonObjectReader& file);
    void read_parts(JsonObjectReader& file);
    void read_tensors(const JsonPlace& at);

    ParsedJson parsed_;
    Format format_ = Format::seqgrad;
    std::uint64_t version_ = 0;
    std::optional<std::string> checksum_;
    std::optional<JsonPlace> extras_, model_, training_;
    std::map<std::string, std::string> metadata_;
    std::vector<NamedData> tensors_;
};

/// The tensor at a place. Throws FormatError where there is none, or its shape does not hold its elements.
PlacedData read_tensor(const JsonPlace& at);

/// 16 hexadecimal digits of a checksum.
std::string checksum_text(std::uint64_t checksum);

/// What f gives, with the name of the source before the message of any FormatError that it throws.
template <class F>
auto with_source(const std::string& source, F f) {
    try {
        return f();
    } catch (const FormatError& e) {
        throw FormatError(source + ": " + e.what());
    }
}

}  // namespace seqgrad::detail
