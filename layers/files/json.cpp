#include "seqgrad/layers/files/json.hpp"

#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/layers/internal/json_file.hpp"

namespace seqgrad {

JsonFile read_json(const std::filesystem::path& path, const LoadOptions& options) {
    return detail::with_source(path.string(), [&] {
        detail::JsonSource source(path, options);
        detail::JsonContent content(source, options.limits);
        JsonFile file{.version = content.version(),
                      .format = content.root().json["format"].get<std::string>(),
                      .checksum = content.checksum(),
                      .metadata = content.metadata(),
                      .extras = content.extras(),
                      .training = content.training().has_value()};
        if (content.model()) {
            constexpr int indent = 2;
            detail::JsonObjectReader model(*content.model());
            file.model = model.get("architecture").json.dump(indent);
        }
        for (detail::NamedData& tensor : content.tensors()) {
            std::visit(
                [&](auto& elements) {
                    file.tensors.add(tensor.name, {std::move(tensor.shape), std::move(elements)});
                },
                tensor.data->elements);
        }
        return file;
    });
}

std::string load_extra(const std::filesystem::path& path, std::string_view name, const LoadOptions& options) {
    return detail::with_source(path.string(), [&] {
        detail::JsonSource source(path, options);
        detail::JsonContent content(source, options.limits, [](auto&&...) { return detail::Dropped(); });
        std::map<std::string, std::string> extras = content.extras();
        const auto found = extras.find(std::string(name));
        if (found == extras.end()) {
            std::vector<std::string_view> names;
            for (const auto& extra : extras) names.push_back(extra.first);
            content.root().fail(
                fmt::format("expected \"{}\" among the extras, got {}", name,
                            names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
        }
        return std::move(found->second);
    });
}

void write_json(const StoredTensors& tensors, const std::filesystem::path& path, const SaveOptions& options) {
    detail::JsonDocument document;
    for (const auto& [name, tensor] : tensors)
        document.add(name, tensor.shape(), detail::elements_of(tensor));
    if (!options.allow_non_finite) document.check_finite("write_json");
    document.save(path, options);
}

}  // namespace seqgrad
