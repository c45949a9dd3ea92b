// SPDX-License-Identifier: MIT
#include "hub/apps.hpp"

template class switchboard::Hub<hub_tests::HookedApp<>,
                                switchboard::testing::TestHost<hub_tests::HookedApp<>>>;
