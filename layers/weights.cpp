#include "seqgrad/layers/weights.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "seqgrad/layers/internal/module_files.hpp"

namespace seqgrad {
namespace {

using detail::built_parameters;

template <class T>
detail::JsonDocument document_of(const char* function, const std::vector<NamedParameter<T>>& parameters,
                                 const SaveOptions& options) {
    detail::JsonDocument document;
    detail::add_parameters(document, function, parameters, options);
    return document;
}

template <class T>
LoadReport load(Module<T>& module, std::vector<NamedParameter<T>> parameters, detail::JsonSource& source,
                const LoadOptions& options) {
    detail::JsonContent content(source, options.limits, detail::destinations_in(parameters, false));
    if (content.format() == detail::JsonContent::Format::checkpoint_1) {
        content.root().fail(
            "a checkpoint of version 1 of the format; load_checkpoint reads it, and only those of later "
            "versions hold weights that can be loaded alone");
    }
    return detail::assign_content(module, parameters, content, options.mode);
}

}  // namespace

template <class T>
void save_weights(const Module<T>& module, const std::filesystem::path& path, const SaveOptions& options) {
    const auto parameters = built_parameters("save_weights", module);
    document_of("save_weights", parameters, options).save(path, options);
}

template <class T>
LoadReport load_weights(Module<T>& module, const std::filesystem::path& path, const LoadOptions& options) {
    auto parameters = built_parameters("load_weights", module);
    return detail::with_source(path.string(), [&] {
        detail::JsonSource source(path, options);
        return load(module, std::move(parameters), source, options);
    });
}

template <class T>
std::string weights_to_json(const Module<T>& module, const SaveOptions& options) {
    const auto parameters = built_parameters("weights_to_json", module);
    return document_of("weights_to_json", parameters, options).text(options);
}

template <class T>
LoadReport weights_from_json(Module<T>& module, std::string_view json, const std::string& source,
                             const LoadOptions& options) {
    auto parameters = built_parameters("weights_from_json", module);
    return detail::with_source(source, [&] {
        detail::JsonSource text(json, options);
        return load(module, std::move(parameters), text, options);
    });
}

template void save_weights(const Module<float>&, const std::filesystem::path&, const SaveOptions&);
template void save_weights(const Module<double>&, const std::filesystem::path&, const SaveOptions&);
template LoadReport load_weights(Module<float>&, const std::filesystem::path&, const LoadOptions&);
template LoadReport load_weights(Module<double>&, const std::filesystem::path&, const LoadOptions&);
template std::string weights_to_json(const Module<float>&, const SaveOptions&);
template std::string weights_to_json(const Module<double>&, const SaveOptions&);
template LoadReport weights_from_json(Module<float>&, std::string_view, const std::string&,
                                      const LoadOptions&);
template LoadReport weights_from_json(Module<double>&, std::string_view, const std::string&,
                                      const LoadOptions&);

}  // namespace seqgrad
