// SPDX-License-Identifier: MIT
// Included before all else by the program that proves the model test: the library with six bugs, of which one
// at a time is live. SWITCHBOARD_PLANTED_BUG is an expression with the bug's number; nothing but tests
// defines it.
//
// 1  replay after live: what happens during a replay goes out before it patterns/stateful_connection.hpp 2
// off by one in replay: it lacks its first message patterns/stateful_connection.hpp 3  a take-over leaves the
// old socket                                           hub/hub_handshake.hpp 4  parking drops a subscription
// hub/hub_sessions.hpp 5  binary messages to a stateful client without their number
// protocol/encoded_message.hpp 6  a control frame between fragments makes the decoder drop what it had
// protocol/frame_decoder.hpp
#pragma once

extern int switchboard_planted_bug;
#define SWITCHBOARD_PLANTED_BUG ::switchboard_planted_bug
