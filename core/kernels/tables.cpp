#include "seqgrad/core/kernels/tables.hpp"

#include <type_traits>

namespace seqgrad::kernels {
namespace {

template <class T>
constinit const Table<T>* emulated = nullptr;

}  // namespace

void provide_emulated(const Table<float>& of_float, const Table<double>& of_double) noexcept {
    emulated<float> = &of_float;
    emulated<double> = &of_double;
}

bool is_emulated_provided() noexcept {
    return emulated<float> != nullptr;
}

template <class T>
const Table<T>& table([[maybe_unused]] InstructionSet set) {
    constexpr bool is_float = std::is_same_v<T, float>;
    if (set == InstructionSet::emulated512) return *emulated<T>;
#ifdef SEQGRAD_X86_KERNELS
    if (set == InstructionSet::avx512) {
        if constexpr (is_float)
            return avx512_float;
        else
            return avx512_double;
    }
    if (set == InstructionSet::avx2) {
        if constexpr (is_float)
            return avx2_float;
        else
            return avx2_double;
    }
#endif
    if constexpr (is_float)
        return baseline_float;
    else
        return baseline_double;
}

template <class T>
const Elementwise<T>& elementwise(InstructionSet set) {
    return *table<T>(set).elementwise;
}

template const Table<float>& table(InstructionSet);
template const Table<double>& table(InstructionSet);
template const Elementwise<float>& elementwise(InstructionSet);
template const Elementwise<double>& elementwise(InstructionSet);

}  // namespace seqgrad::kernels
