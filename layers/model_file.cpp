#include "seqgrad/layers/model_file.hpp"

#include <cstdint>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/memory_limit.hpp"
#include "seqgrad/layers/internal/model_tree.hpp"
#include "seqgrad/layers/internal/module_files.hpp"

namespace seqgrad {
namespace {

using detail::Json;
using detail::JsonPlace;

Json json_of(const PartialShape& shape) {
    Json sizes = Json::array();
    for (const std::ptrdiff_t size : shape) sizes.push_back(size == unknown ? Json() : Json(size));
    return sizes;
}

PartialShape read_partial_shape(const JsonPlace& at) {
    if (!at.json.is_array()) at.expected("an array of sizes");
    PartialShape shape;
    for (std::size_t i = 0; i < at.json.size(); ++i) {
        const JsonPlace size = at.element(i);
        constexpr std::uint64_t largest = 0x7FFFFFFF;
        if (size.json.is_null()) {
            shape.push_back(unknown);
        } else if (size.json.is_number_unsigned() && size.json.get<std::uint64_t>() <= largest) {
            shape.push_back(size.json.get<std::ptrdiff_t>());
        } else {
            size.expected(fmt::format("a whole number from 0 to {}, or null", largest));
        }
    }
    return shape;
}

template <class T>
Sequential<T> build(const JsonPlace& at, std::size_t weights) {
    detail::JsonObjectReader part(at);
    const JsonPlace architecture = part.get("architecture");
    const JsonPlace input_shape = part.get("input_shape");
    part.finish();
    const PartialShape shape = read_partial_shape(input_shape);
    const detail::MemoryLimit limit(detail::building_memory(weights));
    try {
        Sequential<T> model = detail::sequential_of<T>(architecture);
        model.build(shape);
        if (model.input_shape() != shape) {
            input_shape.fail(fmt::format("the model begins with an InputLayer of the shape {}",
                                         to_string(model.input_shape())));
        }
        return model;
    } catch (const FormatError&) {
        throw;
    } catch (const Error& e) {
        input_shape.fail(e.what());
    } catch (const std::bad_alloc&) {
        architecture.fail(detail::too_large_for(weights));
    }
}

/// The model that a file holds, with weights to be replaced.
template <class T>
Sequential<T> model_of(detail::JsonContent& content) {
    if (!content.model()) {
        content.root().fail(
            "there is no model in the file, only weights; load_weights reads them into a "
            "model of the same architecture");
    }
    std::size_t bytes = 0;
    for (const detail::NamedData& tensor : content.tensors()) bytes += tensor.data->count * sizeof(T);
    return build<T>(*content.model(), bytes);
}

/// Bytes of a file that is read once, its weights kept until the model is made. Larger ones are read twice,
/// the second time into the model, so that the weights are not in memory twice.
constexpr std::uintmax_t most_read_once = std::uintmax_t{24} << 20;

/// The options for the first (0) or the second (1) of two times that a file is read.
LoadOptions half_of(const LoadOptions& options, int half) {
    LoadOptions one = options;
    if (options.progress) {
        one.progress = [&progress = options.progress, half](std::uint64_t done, std::uint64_t total) {
            progress(half == 0 ? done / 2 : total - (total - done) / 2, total);
        };
    }
    return one;
}

}  // namespace

template <class T>
void save_model(const Sequential<T>& model, const std::filesystem::path& path, const SaveOptions& options) {
    const auto parameters = detail::built_parameters("save_model", model);
    detail::JsonDocument document;
    detail::add_parameters(document, "save_model", parameters, options);
    document.model = Json::object();
    document.model["architecture"] = detail::tree_of(model, "");
    document.model["input_shape"] = json_of(model.input_shape());
    document.save(path, options);
}

template <class T>
Sequential<T> load_model(const std::filesystem::path& path, const LoadOptions& options) {
    return detail::with_source(path.string(), [&] {
        std::error_code ignored;
        const bool twice = std::filesystem::is_regular_file(path, ignored) &&
                           std::filesystem::file_size(path, ignored) > most_read_once;
        if (!twice) {
            detail::JsonSource source(path, options);
            detail::JsonContent content(source, options.limits);
            Sequential<T> model = model_of<T>(content);
            auto parameters = model.parameters();
            detail::assign_content(model, parameters, content);
            return model;
        }
        Sequential<T> model = [&] {
            detail::JsonSource source(path, half_of(options, 0));
            detail::JsonContent content(source, options.limits, [](auto&&...) { return detail::Dropped(); });
            return model_of<T>(content);
        }();
        auto parameters = model.parameters();
        detail::JsonSource source(path, half_of(options, 1));
        detail::JsonContent content(source, options.limits, detail::destinations_in(parameters, true));
        detail::assign_content(model, parameters, content);
        return model;
    });
}

template void save_model(const Sequential<float>&, const std::filesystem::path&, const SaveOptions&);
template void save_model(const Sequential<double>&, const std::filesystem::path&, const SaveOptions&);
template Sequential<float> load_model(const std::filesystem::path&, const LoadOptions&);
template Sequential<double> load_model(const std::filesystem::path&, const LoadOptions&);

}  // namespace seqgrad
