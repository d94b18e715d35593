#pragma once

#include <initializer_list>

namespace seqgrad::detail {

/// What the list in `Adam<float>({})` is empty of: there is no value of this type.
///
/// A class whose arguments all have defaults could take empty braces for its arguments or for one of itself,
/// which a compiler calls ambiguous. A further constructor from EmptyBraces is the better match for them, and
/// for nothing else.
class NoArgument {
    NoArgument(NoArgument*, NoArgument*);
};
using EmptyBraces = std::initializer_list<NoArgument>;

}  // namespace seqgrad::detail
