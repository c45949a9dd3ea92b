// SPDX-License-Identifier: MIT
#include "support/room.hpp"

template class switchboard::Hub<fuzz::LinkedRoom, switchboard::testing::TestHost<fuzz::LinkedRoom>>;
template class switchboard::Handover<fuzz::LinkedRoom, switchboard::testing::TestHost<fuzz::LinkedRoom>>;
template class switchboard::testing::TestApp<fuzz::LinkedRoom>;
