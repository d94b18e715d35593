#include "seqgrad/core/kernels/timeline.hpp"

#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

using seqgrad::kernels::Timeline;

namespace {

// Of 4, 0, 2 and 3 steps.
constexpr bool mask[4][4] = {{true, true, true, true},
                             {false, false, false, false},
                             {false, true, false, true},
                             {true, true, true, false}};

}  // namespace

TEST_CASE("without a mask, or with one that counts everything, rounds are steps and slots samples") {
    for (const bool* given : {static_cast<const bool*>(nullptr), mask[0]}) {
        const Timeline time(1, 4, {.mask = given});
        CHECK(time.whole());
        CHECK(time.rounds() == 4);
        CHECK(time.rows() == 4);
        CHECK(time.active_from(0) == nullptr);
        CHECK(time.first_state(3) == 3);
        CHECK(time.output_end(2, 0) == 3);
    }
    CHECK(Timeline(3, 0).rounds() == 0);
    CHECK(Timeline(0, 3).rows() == 0);
}

TEST_CASE("samples stand in the order of their counted steps, and a round has those that still have one") {
    const Timeline time(4, 4, {.mask = mask[0]});
    REQUIRE(!time.whole());
    CHECK(time.rounds() == 4);
    CHECK(time.rows() == 9);
    const std::size_t samples[] = {0, 3, 2, 1}, lengths[] = {4, 3, 2, 0}, active[] = {3, 3, 2, 1},
                      first_rows[] = {0, 3, 6, 8}, first_states[] = {0, 4, 7, 10};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(time.sample(i) == samples[i]);
        CHECK(time.length(i) == lengths[i]);
        CHECK(time.active(i) == active[i]);
        CHECK(time.first_row(i) == first_rows[i]);
        CHECK(time.first_state(i) == first_states[i]);
    }
    CHECK(time.active_before(0) == 4);
    CHECK(time.active_before(2) == 3);
    CHECK(time.active_from(1)[1] == 2);
    // Sample 2, whose steps 1 and 3 count.
    CHECK(time.position(0, 2) == 1);
    CHECK(time.position(1, 2) == 3);
    CHECK(time.next_position(0, 2) == 3);
    CHECK(time.next_position(1, 2) == 4);
    CHECK(time.output_end(0, 2) == 3);
    CHECK(Timeline(4, 4, {.mask = mask[0], .zero_output = true}).output_end(0, 2) == 2);
}

TEST_CASE("backwards, positions run over the steps from the last to the first") {
    const Timeline time(4, 4, {.mask = mask[0], .go_backwards = true});
    CHECK(time.position(0, 2) == 0);
    CHECK(time.position(1, 2) == 2);
    CHECK(time.step(0) == 3);
    CHECK(time.step(2) == 1);
    CHECK(time.position(0, 1) == 1);  // sample 3, whose last step does not count
}

TEST_CASE("a truncation cuts where positions lie in different blocks") {
    const Timeline time(4, 4, {.mask = mask[0], .bptt_steps = 3});
    CHECK(time.truncated());
    CHECK(!time.cut_before(1, 0));
    CHECK(time.cut_before(3, 0));
    CHECK(!time.cut_before(0, 2));
    CHECK(time.cut_before(1, 2));
    CHECK(!time.cut_at_end(0));
    CHECK(time.cut_at_end(1));  // position 2 is the last that counts
    CHECK(time.cut_at_end(3));  // none counts, and the truncation lies between both ends
    CHECK(Timeline(4, 4, {.mask = mask[0], .bptt_steps = 1}).cut_before(0, 2));
    CHECK(!Timeline(4, 4, {.mask = mask[0]}).cut_at_end(3));
}

TEST_CASE("chunks follow each other and hold about so many rows") {
    const Timeline time(4, 4, {.mask = mask[0]});
    for (const std::size_t rows : {1u, 2u, 3u, 4u, 5u, 6u, 8u, 100u}) {
        std::size_t round = 0, row = 0;
        for (const auto& chunk : time.chunks(rows)) {
            CHECK(chunk.round == round);
            CHECK(chunk.row == row);
            CHECK(chunk.rounds > 0);
            CHECK((chunk.rows <= rows || chunk.rounds == 1));
            round += chunk.rounds;
            row += chunk.rows;
        }
        CHECK(round == 4);
        CHECK(row == 9);
    }
    CHECK(time.chunks(6).size() == 2);
    CHECK(time.chunks(100).size() == 1);
    CHECK(Timeline(3, 0).chunks(10).size() == 1);
    CHECK(Timeline(3, 0).chunks(10)[0].rounds == 0);
}

TEST_CASE("a chunk's rows come round by round, or slot by slot with the same indices") {
    const Timeline time(4, 4, {.mask = mask[0]});
    const Timeline::Chunk chunk{.round = 1, .rounds = 3, .row = 3, .rows = 6};
    // By index: slot, sample and position of every row.
    const std::size_t rows[][3] = {{0, 0, 1}, {1, 3, 1}, {2, 2, 3}, {0, 0, 2}, {1, 3, 2}, {0, 0, 3}};
    const auto check = [&](const Timeline::Row& row) {
        REQUIRE(row.index < 6);
        CHECK(row.slot == rows[row.index][0]);
        CHECK(row.sample == rows[row.index][1]);
        CHECK(row.position == rows[row.index][2]);
        CHECK(time.first_row(row.round) + row.slot == chunk.row + row.index);
    };
    std::vector<std::size_t> seen;
    time.for_each_row(chunk, [&](const Timeline::Row& row) {
        check(row);
        seen.push_back(row.index);
    });
    CHECK(seen == std::vector<std::size_t>{0, 1, 2, 3, 4, 5});
    const auto of_slots = [&](std::size_t first, std::size_t last) {
        seen.clear();
        time.for_each_row_of_slots(chunk, first, last, [&](const Timeline::Row& row) {
            check(row);
            seen.push_back(row.index);
        });
        return seen;
    };
    CHECK(of_slots(0, 3) == std::vector<std::size_t>{0, 3, 5, 1, 4, 2});
    CHECK(of_slots(1, 2) == std::vector<std::size_t>{1, 4});
    CHECK(of_slots(3, 4).empty());
}
