// SPDX-License-Identifier: MIT
#pragma once

#include <switchboard/requirements.hpp>

// Names that a user's struct mentions in its signatures, so that its checks need none of the definitions.
namespace switchboard::inline v1 {

struct UpgradeRequest;
struct Refusal;

struct JsonHeartbeat;
struct PingFrameHeartbeat;

class InMemoryBroker;
class ServerHandle;

template <class App>
class Connection;
template <class App>
class Shard;
template <class App>
class BinaryHandlers;
template <class App, class Host>
class Hub;  // NOLINT(cppcoreguidelines-virtual-class-destructor): final, as its definition says

}  // namespace switchboard::inline v1
