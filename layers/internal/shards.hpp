#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/layers/internal/strict_json.hpp"

// Indices of weights that stand in several files.

namespace seqgrad::detail {

/// A file that an index names, and what it is to hold.
struct Shard {
    std::string file;
    std::vector<std::string> weights;
};

/// The files that an index names under "weight_map", by weights or groups of them: one or several for each.
/// Throws FormatError unless they lie beside the index and their names end in `ending`.
inline std::vector<Shard> shards_of(const JsonPlace& index, std::string_view ending) {
    std::vector<Shard> shards;
    std::map<std::string, std::size_t> positions;
    const auto add = [&](const JsonPlace& at, const std::string& weights) {
        if (!at.json.is_string()) at.expected("the name of a file");
        std::string name = at.json.get<std::string>();
        if (!name.ends_with(ending) || name.find_first_of("/\\") != std::string::npos ||
            name.find('\0') != std::string::npos)
            at.expected(fmt::format("the name of a file beside the index, ending in \"{}\"", ending));
        const auto [place, is_new] = positions.try_emplace(name, shards.size());
        if (is_new) shards.push_back({std::move(name), {}});
        shards[place->second].weights.push_back(weights);
    };
    if (!index.json.is_object()) index.expected("an object");
    const auto map = index.json.find("weight_map");
    if (map == index.json.end()) index.fail("\"weight_map\" is missing");
    const JsonPlace groups = index.inside("weight_map", *map);
    if (!map->is_object()) groups.expected("an object of names of files");
    for (const auto& [group, named] : map->items()) {
        const JsonPlace at = groups.inside(group, named);
        if (named.is_array()) {
            for (std::size_t i = 0; i < named.size(); ++i) add(at.element(i), group);
        } else {
            add(at, group);
        }
    }
    return shards;
}

}  // namespace seqgrad::detail
