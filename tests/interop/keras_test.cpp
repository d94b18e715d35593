#include "seqgrad/layers/files/keras.hpp"

#include <memory>

#include "interop/peer.hpp"
#include "support/difference.hpp"
#include "support/interop_cases.hpp"
#include "support/keras_models.hpp"
#include <doctest/doctest.h>

#include "seqgrad/layers/model_json.hpp"

using namespace seqgrad;
using namespace seqgrad::test;

namespace {

double difference(Module<float>& model, const StoredTensors& io) {
    const Tensor<float> y = model(constant(to_tensor(*io.find("x")))).value();
    return largest_difference(cast<double>(y), cast<double>(to_tensor(*io.find("y"))));
}

/// Writes new weights, and what the model makes of x with them.
void write_ours(Module<float>& model, const TemporaryFolder& folder, const std::string& name,
                const Tensor<float>& x, Generator& random) {
    draw_weights(model, random);
    save_keras_weights(model, folder / (name + ".ours.weights.h5"), {.functional = name == "attention"});
    StoredTensors io;
    io.add("x", to_stored(x));
    io.add("y", to_stored(model(constant(x)).value()));
    write_safetensors(io, folder / (name + ".ours.io.safetensors"));
}

}  // namespace

TEST_CASE("Keras's models with our weights, and ours with Keras's, compute the same") {
    if (!has_keras_files()) {
        MESSAGE("skipped: this build has no HDF5");
        return;
    }
    const TemporaryFolder folder;
    run_peer("keras_peer.py", "make", folder);
    Generator random(1);
    const auto io_of = [&](const std::string& name) {
        return read_safetensors(folder / (name + ".io.safetensors"));
    };
    for (const std::string& name : keras_chains) {
        CAPTURE(name);
        const StoredTensors io = io_of(name);
        auto model = load_keras_model<float>(folder / (name + ".keras"));
        const double of_model = difference(model, io);
        CHECK(of_model <= interop_tolerance);
        report("Keras's .keras to seqgrad", name, of_model);

        auto fresh = model_from_json<float>(to_json(model));
        fresh.build(any_batch(io.find("x")->shape()));
        load_keras_weights(fresh, folder / (name + ".weights.h5"));
        const double of_weights = difference(fresh, io);
        CHECK(of_weights <= interop_tolerance);
        report("Keras's .weights.h5 to seqgrad", name, of_weights);
        write_ours(fresh, folder, name, to_tensor(*io.find("x")), random);
    }
    const auto own = [&](const std::string& name, Module<float>& model, const std::string& ending) {
        CAPTURE(name);
        const StoredTensors io = io_of(name);
        const Tensor<float> x = to_tensor(*io.find("x"));
        model(constant(x));
        load_keras_weights(model, folder / (name + ending));
        const double found = difference(model, io);
        CHECK(found <= interop_tolerance);
        report(("Keras's " + ending + " to seqgrad").c_str(), name, found);
        write_ours(model, folder, name, x, random);
    };
    KerasAttention attention;
    own("attention", attention, ".keras");
    own("attention", attention, ".weights.h5");
    KerasTagger tagger;
    own("tagger", tagger, ".weights.h5");

    run_peer("keras_peer.py", "check", folder);
    const auto theirs = differences(folder / "keras.json");
    CHECK(theirs.size() == keras_chains.size() + 2);
    for (const auto& found : theirs) {
        CAPTURE(found.first);
        CHECK(found.second <= interop_tolerance);
        report("seqgrad's .weights.h5 to Keras", found.first, found.second);
    }
}
