// Weights as JSON: read into a model, or refused without a change of it.
#include <algorithm>
#include <vector>

#include "harness.hpp"
#include "models.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/weights.hpp"

using namespace seqgrad;

namespace {

template <class T>
class Target {
  public:
    void read(std::string_view json) {
        const std::vector<T> before = numbers();
        try {
            weights_from_json(model_, json);
        } catch (const FormatError&) {
            fuzz::require(numbers() == before, "a failed load changes nothing");
            return;
        }
        const std::string written = weights_to_json(model_);
        const std::vector<T> after = numbers();
        weights_from_json(model_, written);
        fuzz::require(numbers() == after, "what was read is written and read again");
    }

  private:
    std::vector<T> numbers() const {
        std::vector<T> all;
        for (const auto& [name, variable] : parameters_) {
            const auto values = elements(variable.value());
            all.insert(all.end(), values.begin(), values.end());
        }
        return all;
    }

    Sequential<T> model_ = fuzz::small_model<T>();
    std::vector<NamedParameter<T>> parameters_ = model_.parameters();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Target<float> single;
    static Target<double> wide;
    // By the size, so that the text need not say it.
    if (size % 2 == 0) {
        single.read(fuzz::text(data, size));
    } else {
        wide.read(fuzz::text(data, size));
    }
    return 0;
}
