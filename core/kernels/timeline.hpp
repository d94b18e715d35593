#pragma once

#include <cstddef>
#include <vector>

namespace seqgrad::kernels {

struct TimelineOptions {
    /// [B, T]: which steps count; null: all.
    const bool* mask = nullptr;
    /// Takes the steps, and the mask, from the last to the first.
    bool go_backwards = false;
    /// Outputs of steps that do not count are zero instead of repeating the last one.
    bool zero_output = false;
    /// No gradient goes from step s to step s - 1, in the order they are taken, where s is a multiple of it;
    /// 0: all do.
    std::size_t bptt_steps = 0;
};

/// Which steps of every sample a recurrent layer takes, and when.
///
/// Positions 0 ... T-1 are the steps in the order they are taken. Those that do not count cost nothing: round
/// r takes the r-th counted position of every sample that has so many. Samples stand in slots, those with
/// most counted positions first, so that the samples of a round are always the first slots, and fewer from
/// round to round. A row is one sample in one round; rows are numbered round by round. Where everything
/// counts, rounds are positions and slots samples.
class Timeline {
  public:
    Timeline(std::size_t batch, std::size_t steps, const TimelineOptions& options = {});

    std::size_t batch() const { return batch_; }
    std::size_t steps() const { return steps_; }
    bool go_backwards() const { return go_backwards_; }
    bool truncated() const { return bptt_steps_ > 0; }

    /// Whether every step of every sample counts.
    bool whole() const { return whole_; }
    std::size_t rounds() const { return whole_ ? steps_ : active_.size(); }
    std::size_t rows() const { return whole_ ? steps_ * batch_ : positions_.size(); }

    /// Slots in use in a round.
    std::size_t active(std::size_t round) const { return whole_ ? batch_ : active_[round]; }
    /// The same for all rounds from this one on; null when whole.
    const std::size_t* active_from(std::size_t round) const {
        return whole_ ? nullptr : active_.data() + round;
    }
    /// Rows of the states that a round starts from: those of the round before, or the initial ones.
    std::size_t active_before(std::size_t round) const { return round == 0 ? batch_ : active(round - 1); }
    /// Number of a round's first row.
    std::size_t first_row(std::size_t round) const { return whole_ ? round * batch_ : first_row_[round]; }
    /// In an array of the initial states followed by every row's: the first one that a round starts from.
    std::size_t first_state(std::size_t round) const {
        return round == 0 ? 0 : batch_ + first_row(round - 1);
    }

    std::size_t sample(std::size_t slot) const { return whole_ ? slot : order_[slot]; }
    /// Counted positions of a slot's sample.
    std::size_t length(std::size_t slot) const { return whole_ ? steps_ : starts_[slot + 1] - starts_[slot]; }
    std::size_t position(std::size_t round, std::size_t slot) const {
        return whole_ ? round : positions_[starts_[slot] + round];
    }
    /// The next counted position of the sample, or T.
    std::size_t next_position(std::size_t round, std::size_t slot) const {
        return round + 1 < length(slot) ? position(round + 1, slot) : steps_;
    }
    /// Where the output of this round stands: at its position and up to, not including, this one.
    std::size_t output_end(std::size_t round, std::size_t slot) const {
        return zero_output_ ? position(round, slot) + 1 : next_position(round, slot);
    }
    /// Where a step of a sample stands in arrays [B, T, ...].
    std::size_t place(std::size_t sample, std::size_t step) const { return sample * steps_ + step; }
    /// The step of x at a position.
    std::size_t step(std::size_t position) const { return go_backwards_ ? steps_ - 1 - position : position; }

    /// Whether a truncation lies between this round's position and the sample's counted one before it (or its
    /// initial state).
    bool cut_before(std::size_t round, std::size_t slot) const {
        if (bptt_steps_ == 0) return false;
        const std::size_t before = round == 0 ? 0 : position(round - 1, slot);
        return position(round, slot) / bptt_steps_ != before / bptt_steps_;
    }
    /// Whether one lies between the last counted position (or the initial state) and the final state.
    bool cut_at_end(std::size_t slot) const {
        if (bptt_steps_ == 0 || steps_ == 0) return false;
        const std::size_t last = length(slot) == 0 ? 0 : position(length(slot) - 1, slot);
        return (steps_ - 1) / bptt_steps_ != last / bptt_steps_;
    }

    /// A run of rounds.
    struct Chunk {
        std::size_t round, rounds, row, rows;
    };
    /// All rounds in runs of about so many rows; a single empty run when there are none.
    std::vector<Chunk> chunks(std::size_t rows) const;
    /// A row of a chunk; the first one has the index 0.
    struct Row {
        std::size_t sample, position, round, slot, index;
    };
    /// f(row) for every row of a chunk, in their order.
    template <class F>
    void for_each_row(const Chunk& chunk, const F& f) const {
        for (std::size_t round = chunk.round; round < chunk.round + chunk.rounds; ++round) {
            for (std::size_t slot = 0; slot < active(round); ++slot) f(row(chunk, round, slot));
        }
    }
    /// The same for those of the slots [first, last), slot by slot.
    template <class F>
    void for_each_row_of_slots(const Chunk& chunk, std::size_t first, std::size_t last, const F& f) const {
        const std::size_t end = chunk.round + chunk.rounds;
        for (std::size_t slot = first; slot < last; ++slot) {
            for (std::size_t round = chunk.round; round < end && slot < active(round); ++round) {
                f(row(chunk, round, slot));
            }
        }
    }

  private:
    Row row(const Chunk& chunk, std::size_t round, std::size_t slot) const {
        return {sample(slot), position(round, slot), round, slot, first_row(round) - chunk.row + slot};
    }

    std::size_t batch_, steps_, bptt_steps_;
    bool go_backwards_, zero_output_, whole_ = true;
    std::vector<std::size_t> order_;               // [B] slot -> sample
    std::vector<std::size_t> starts_;              // [B+1] slot -> its first element of positions_
    std::vector<std::size_t> positions_;           // slot by slot
    std::vector<std::size_t> active_, first_row_;  // [rounds]
};

}  // namespace seqgrad::kernels
