// SPDX-License-Identifier: MIT
#include "hub/cluster_apps.hpp"

template class switchboard::Hub<cluster_apps::Member, switchboard::testing::TestHost<cluster_apps::Member>>;
template class switchboard::Handover<cluster_apps::Member,
                                     switchboard::testing::TestHost<cluster_apps::Member>>;
