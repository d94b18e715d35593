#pragma once

// The only place that knows where xtensor keeps its headers: releases from 0.26 on moved them into
// subfolders. Only containers are included here; expressions, views and linear algebra stay out of users'
// compile times.
#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xarray.hpp>
#else
#include <xtensor/xarray.hpp>
#endif
