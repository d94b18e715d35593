// Peak memory of one training step of an LSTM over a long sequence: with gates stored, with gates computed
// again (RecurrentOptions::recompute), and of what both have in common. Every way runs in a process of its
// own.
#include <cstdio>
#include <utility>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/core/ops/reduce.hpp"

namespace {

using namespace seqgrad;

constexpr std::size_t batch = 16, steps = 4096, features = 64, units = 256;

enum class Way { operands_only, stored, recomputed };

Variable<float> filled(const Shape& shape, bool wants_gradient) {
    return Variable<float>(full<float>(shape, 0.01F), wants_gradient);
}

void training_step(Way way) {
    const auto x = filled({batch, steps, features}, false);
    const auto kernel = filled({features, 4 * units}, true);
    const auto recurrent_kernel = filled({units, 4 * units}, true);
    const auto bias = filled({4 * units}, true);
    if (way == Way::operands_only) {
        const Tensor<float> output = full<float>({batch, steps, units}, 1.0F), gradient = output;
        return;
    }
    const auto result =
        lstm(x, kernel, recurrent_kernel, bias, {}, {}, {.recompute = way == Way::recomputed});
    backward(sum(result.sequence));
}

/// Peak resident memory in bytes.
double peak() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

}  // namespace

int main() {
    std::printf("LSTM, B %zu T %zu D %zu U %zu, float\n", batch, steps, features, units);
    std::printf("floats: per unit, step and sample beyond inputs, outputs and their gradients\n");
    double common = 0;
    for (const auto& [way, name] :
         {std::pair{Way::operands_only, "inputs and outputs"}, std::pair{Way::stored, "gates stored"},
          std::pair{Way::recomputed, "gates computed again"}}) {
        std::fflush(stdout);  // or the child would print it once more
        int ends[2];
        if (pipe(ends) != 0) return 1;
        const pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
            training_step(way);
            const double bytes = peak();
            return write(ends[1], &bytes, sizeof(bytes)) == sizeof(bytes) ? 0 : 1;
        }
        double bytes = 0;
        int status = 0;
        if (read(ends[0], &bytes, sizeof(bytes)) != sizeof(bytes)) return 1;
        if (waitpid(child, &status, 0) != child || status != 0) return 1;
        close(ends[0]);
        close(ends[1]);
        if (way == Way::operands_only) common = bytes;
        const double floats = (bytes - common) / sizeof(float) / static_cast<double>(batch * steps * units);
        std::printf("%-22s %7.1f MB  %5.2f floats\n", name, bytes / 1e6, floats);
    }
    return 0;
}
