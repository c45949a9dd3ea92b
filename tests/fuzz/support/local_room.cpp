// SPDX-License-Identifier: MIT
#include "support/room.hpp"

template class switchboard::Hub<fuzz::LocalRoom, switchboard::testing::TestHost<fuzz::LocalRoom>>;
template class switchboard::testing::TestApp<fuzz::LocalRoom>;
