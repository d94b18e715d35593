#include "seqgrad/layers/files/json.hpp"

#include <utility>
#include <variant>

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

void write_json(const StoredTensors& tensors, const std::filesystem::path& path, const SaveOptions& options) {
    detail::JsonDocument document;
    for (const auto& [name, tensor] : tensors)
        document.add(name, tensor.shape(), detail::elements_of(tensor));
    if (!options.allow_non_finite) document.check_finite("write_json");
    document.save(path, options);
}

}  // namespace seqgrad
