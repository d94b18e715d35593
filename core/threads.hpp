#pragma once

#include <cstddef>

namespace seqgrad {

/// Threads that one operation may work with, the calling one included. At first that is what the environment
/// variable SEQGRAD_NUM_THREADS says, or else one for every processor that the process may use. Throws
/// ValueError where the variable is not a whole number from 1 to 1024.
///
/// Results do not depend on it, to the last bit: work is cut by sizes alone, and sums have an order of their
/// own. Operations that are too small to gain run on the calling thread. Programs with threads of their own
/// can use the library from all of them; one at a time gets help, the others work alone.
std::size_t num_threads();

/// Sets it for the whole process. Throws ValueError unless it is from 1 to 1024.
void set_num_threads(std::size_t count);

}  // namespace seqgrad
