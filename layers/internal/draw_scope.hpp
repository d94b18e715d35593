#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "seqgrad/core/random.hpp"

namespace seqgrad::detail {

/// A call of a module, in which layers draw. If it ends with an error, the generators of the module get back
/// the states that they had before it. Calls are nested; each thread has its own.
class DrawScope {
  public:
    DrawScope() noexcept : mark_(draws().size()) { ++depth(); }
    ~DrawScope() {
        if (--depth() == 0) draws().clear();
    }
    DrawScope(const DrawScope&) = delete;
    DrawScope& operator=(const DrawScope&) = delete;

    /// Whether anything was drawn in this call.
    bool any() const noexcept { return draws().size() > mark_; }
    /// Gives generators that are among these ones back the states from before the call. Others that drew may
    /// have ceased to exist.
    void take_back(std::span<Generator* const> generators) const {
        for (std::size_t i = draws().size(); i-- > mark_;) {
            for (Generator* const generator : generators) {
                if (generator == draws()[i].generator) generator->set_state(draws()[i].before);
            }
        }
    }

    /// Must be called by a layer before it draws.
    static void note(const Generator& generator) {
        if (depth() != 0) draws().push_back({&generator, generator.state()});
    }

  private:
    struct Draw {
        const Generator* generator;
        GeneratorState before;
    };

    static std::vector<Draw>& draws() noexcept {
        static thread_local std::vector<Draw> log;
        return log;
    }
    static std::size_t& depth() noexcept {
        static thread_local std::size_t open = 0;
        return open;
    }

    std::size_t mark_;
};

}  // namespace seqgrad::detail
