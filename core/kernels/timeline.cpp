#include "seqgrad/core/kernels/timeline.hpp"

#include <algorithm>
#include <numeric>

namespace seqgrad::kernels {

Timeline::Timeline(std::size_t batch, std::size_t steps, const TimelineOptions& options)
    : batch_(batch),
      steps_(steps),
      bptt_steps_(options.bptt_steps),
      go_backwards_(options.go_backwards),
      zero_output_(options.zero_output) {
    const bool* mask = options.mask;
    whole_ = mask == nullptr || std::all_of(mask, mask + batch * steps, [](bool counts) { return counts; });
    if (whole_) return;

    std::vector<std::size_t> lengths(batch);
    for (std::size_t b = 0; b < batch; ++b) {
        lengths[b] = static_cast<std::size_t>(std::count(mask + b * steps, mask + (b + 1) * steps, true));
    }
    order_.resize(batch);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return lengths[a] > lengths[b]; });

    starts_.push_back(0);
    for (const std::size_t b : order_) {
        for (std::size_t p = 0; p < steps; ++p) {
            if (mask[b * steps + step(p)]) positions_.push_back(p);
        }
        starts_.push_back(positions_.size());
    }

    std::size_t used = batch, row = 0;
    for (std::size_t round = 0; round < length(0); ++round) {
        while (length(used - 1) <= round) --used;
        active_.push_back(used);
        first_row_.push_back(row);
        row += used;
    }
}

std::vector<Timeline::Chunk> Timeline::chunks(std::size_t rows) const {
    std::vector<Chunk> out;
    Chunk next{0, 0, 0, 0};
    for (; next.round + next.rounds < rounds(); ++next.rounds) {
        const std::size_t more = active(next.round + next.rounds);
        if (next.rounds > 0 && next.rows + more > rows) {
            out.push_back(next);
            next = {next.round + next.rounds, 0, next.row + next.rows, 0};
        }
        next.rows += more;
    }
    out.push_back(next);
    return out;
}

}  // namespace seqgrad::kernels
