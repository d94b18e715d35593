#include "interop/peer.hpp"
#include "support/difference.hpp"
#include "support/interop_cases.hpp"
#include <doctest/doctest.h>

using namespace seqgrad;
using namespace seqgrad::test;

TEST_CASE("PyTorch's modules with our weights, and our layers with PyTorch's, compute the same") {
    const TemporaryFolder folder;
    run_peer("pytorch_peer.py", "make", folder);
    Generator random(1);
    for (const InteropCase& c : pytorch_cases()) {
        CAPTURE(c.name);
        Sequential<float> model = c.model();
        model.build(c.input);
        load_pytorch(model, folder / (c.name + ".safetensors"), c.names);
        const StoredTensors io = read_safetensors(folder / (c.name + ".io.safetensors"));
        const Tensor<float> y = model(constant(to_tensor(*io.find("x")))).value();
        const double difference = largest_difference(cast<double>(y), cast<double>(to_tensor(*io.find("y"))));
        CHECK(difference <= interop_tolerance);
        report("PyTorch to seqgrad", c.name, difference);

        draw_weights(model, random);
        save_pytorch(model, folder / (c.name + ".ours.safetensors"), c.names);
        const Tensor<float> x = draw_input(c, random);
        StoredTensors ours;
        ours.add("x", to_stored(x));
        ours.add("y", to_stored(model(constant(x)).value()));
        write_safetensors(ours, folder / (c.name + ".ours.io.safetensors"));
    }
    run_peer("pytorch_peer.py", "check", folder);
    const auto theirs = differences(folder / "pytorch.json");
    CHECK(theirs.size() == pytorch_cases().size());
    for (const InteropCase& c : pytorch_cases()) {
        CAPTURE(c.name);
        REQUIRE(theirs.contains(c.name));
        CHECK(theirs.at(c.name) <= interop_tolerance);
        report("seqgrad to PyTorch", c.name, theirs.at(c.name));
    }
}
