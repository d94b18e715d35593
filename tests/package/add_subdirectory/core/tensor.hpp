#pragma once

// The consumer's own header, of the same name as one of seqgrad's.
inline constexpr int consumers_own_tensor = 7;
