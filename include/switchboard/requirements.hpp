// SPDX-License-Identifier: MIT
// Internal: what no header of switchboard can do without. Each that includes no other one includes this.
// An #error alone does not end a compilation, and thousands of lines would follow it. A missing header does.
#pragma once
#if __cplusplus < 202002L && !defined(_MSVC_LANG)
#error "switchboard needs C++20: compile with -std=c++20"
#include <see-the-error-above>
#elif !defined(__cpp_exceptions) || !defined(__cpp_rtti)
#error "switchboard needs exceptions and RTTI: compile without -fno-exceptions and -fno-rtti"
#include <see-the-error-above>
#endif
