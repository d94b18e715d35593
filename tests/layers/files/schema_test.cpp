#include <cstddef>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/stored.hpp"
#include "support/temporary_folder.hpp"
#include "support/training_states.hpp"
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/files/json.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/model_file.hpp"
#include "seqgrad/train/checkpoint.hpp"

using namespace seqgrad;
using nlohmann::json;

namespace {

using Adapter = valijson::adapters::NlohmannJsonAdapter;

/// docs/seqgrad.schema.json, parsed.
class FormatSchema {
  public:
    FormatSchema() {
        const json text = json::parse(
            test::content_of(std::filesystem::path(SEQGRAD_TEST_DOCS_DIR) / "seqgrad.schema.json"));
        valijson::SchemaParser parser;
        parser.populateSchema(Adapter(text), schema_);
    }
    bool accepts(const json& document) const {
        valijson::Validator validator;
        return validator.validate(schema_, Adapter(document), nullptr);
    }

  private:
    valijson::Schema schema_;
};

std::vector<json> written_files() {
    const test::TemporaryFolder folder;
    std::vector<json> files;
    const auto keep = [&] { files.push_back(json::parse(test::content_of(folder / "f.json"))); };
    for (const Encoding encoding : {Encoding::decimal, Encoding::base64}) {
        write_json(test::small_tensors(), folder / "f.json",
                   {.encoding = encoding, .metadata = {{"a", "b"}}});
        keep();
        write_json(test::small_tensors(), folder / "f.json",
                   {.encoding = encoding, .extras = {{"scaler", "{\"mean\": [1, null]}"}, {"n", "7"}}});
        keep();
        Sequential<float> model{LSTM<float>({.units = 2}), Dense<float>({.units = 1})};
        model.build({unknown, unknown, 3});
        save_model(model, folder / "f.json", {.encoding = encoding});
        keep();
        TrainingState<float> state = test::awkward_state<float>();
        state.step = 7;  // valijson takes whole numbers of more than 63 bits for negative ones
        save_checkpoint(state, folder / "f.json", {.encoding = encoding, .allow_non_finite = true});
        keep();
        save_checkpoint(TrainingState<double>(), folder / "f.json", {.encoding = encoding});
        keep();
    }
    return files;
}

}  // namespace

TEST_CASE("the schema accepts what is written") {
    const FormatSchema schema;
    for (const json& file : written_files()) {
        CAPTURE(file.dump().substr(0, 400));
        CHECK(schema.accepts(file));
    }
}

TEST_CASE("the schema accepts the golden files of its version, and none of the one before") {
    const FormatSchema schema;
    std::size_t accepted = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(SEQGRAD_TEST_GOLDEN_DIR) / "files")) {
        if (entry.path().extension() != ".json") continue;
        CAPTURE(entry.path());
        json file = json::parse(test::content_of(entry.path()));
        if (file.contains("training")) file["training"]["step"] = 7;  // as above
        CHECK(schema.accepts(file) == (file["version"] != 1));
        accepted += file["version"] != 1 ? 1 : 0;
    }
    CHECK(accepted == 9);
}

TEST_CASE("the schema refuses what the reader refuses") {
    const FormatSchema schema;
    std::size_t refused = 0;
    for (const json& file : written_files()) {
        // Every member and element in turn: not there, of another kind, or beside an unknown one.
        const json flat = file.flatten();
        std::set<std::string> places;
        for (const auto& [pointer, value] : flat.items()) {
            for (json::json_pointer at(pointer); !at.empty(); at.pop_back()) places.insert(at.to_string());
        }
        for (const std::string& place : places) {
            const json::json_pointer at(place);
            // What belongs to the program or to a layer may be anything.
            if (place.starts_with("/metadata/") || place.starts_with("/extras") ||
                place.starts_with("/model/architecture/config"))
                continue;
            json changed = file;
            changed[at] = json::object({{"", json::array({nullptr})}});
            CAPTURE(place);
            CHECK_FALSE(schema.accepts(changed));
            if (file[at].is_object() && place != "/metadata" && place != "/tensors" &&
                !place.ends_with("/numbers") && !place.ends_with("/tensors") && !place.ends_with("/states") &&
                !place.ends_with("/generators")) {
                changed = file;
                changed[at]["no such key"] = 1;
                CHECK_FALSE(schema.accepts(changed));
            }
            ++refused;
        }
    }
    CHECK(refused > 300);
    json file = written_files()[1];
    REQUIRE(file.contains("extras"));
    for (const char* key : {"version", "oldest_reader"}) {
        json older = file;
        older[key] = 2;
        CHECK_FALSE(schema.accepts(older));
    }
    file["extras"] = json::array();
    CHECK_FALSE(schema.accepts(file));
}
