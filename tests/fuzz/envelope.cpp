// SPDX-License-Identifier: MIT
// What other nodes send: envelopes, handovers, snapshots, right, almost right and made up, into the decoders
// and into two hubs that serve clients meanwhile.
#include <switchboard/hub/session_snapshot.hpp>

#include "support/world.hpp"

using namespace fuzz;

namespace {

using App = LinkedRoom;
using sb::Envelope;
using sb::HandoverMessage;
using sb::SessionSnapshot;
using Step = HandoverMessage::Step;

constexpr std::array<std::string_view, 10> where{"red",    "green",         "$user:ann",     "$user:ben",
                                                 "$user:", "$node:node0:0", "$node:node1:0", "$node:x",
                                                 "",       "blue"};

/// What is decoded says the same when it is encoded and decoded again.
void check_codecs(std::string_view bytes) {
  if (const auto envelope = Envelope::decode(bytes))
    require(envelope->encode() == bytes, "an envelope is encoded as it came");
  if (const auto message = HandoverMessage::decode(bytes)) {
    const std::string again = message->encode();
    require(again == bytes, "a handover message is encoded as it came");
  }
  if (const auto snapshot = SessionSnapshot::decode(bytes)) {
    const std::string once = snapshot->encode();
    const auto again = SessionSnapshot::decode(once);
    require(again && again->encode() == once, "a snapshot survives encoding");
  }
  std::string_view node;
  if (const auto id = sb::SessionId::parse(bytes, &node)) {
    const auto again = sb::SessionId::parse(id->to_string(node), &node);
    require(again && *again == *id, "a session's name survives encoding");
  }
}

/// A node that says what the input has it say, and hears what the others say to it.
class Stranger final : public sb::BrokerSink {
 public:
  explicit Stranger(sb::testing::TestNetwork& network)
      : network_(network), port_(network.attach("evil", *this)) {
    network_.subscribe(port_, "$node:evil:0", [](std::error_code) {});
  }
  ~Stranger() { network_.detach(port_); }

  void say(std::string_view channel, std::string bytes) {
    check_codecs(bytes);
    network_.publish(port_, channel, std::make_shared<const std::string>(std::move(bytes)),
                     [](std::error_code) {});
  }
  void say(std::string_view channel, const HandoverMessage& message) {
    const std::string body = message.encode();
    check_codecs(body);
    say(channel, Envelope{.kind = Envelope::Kind::handover, .body = body}.encode());
  }
  /// Of the newest handover that someone spoke of to this node.
  std::uint64_t token() const { return token_; }

 private:
  void on_message(std::string_view, const sb::Payload& payload) override {
    const auto envelope = Envelope::decode(*payload);
    require(envelope.has_value(), "nodes send envelopes");
    const auto message = HandoverMessage::decode(envelope->body);
    require(message.has_value(), "nodes send handover messages to nodes");
    token_ = message->token;
  }
  void on_gap(std::string_view) override {}

  sb::testing::TestNetwork& network_;
  sb::testing::TestNetwork::PortPtr port_;
  std::uint64_t token_ = 0;
};

class Run {
 public:
  explicit Run(Input& input)
      : input_(input),
        cluster_(2, small_limits<App>(1, sb::SlowConsumer::close), {.servers = 2}),
        stranger_(cluster_.network()),
        world_(Trust::frames) {
    cluster_.network().fate = [this](const sb::testing::TestMessage& message) { return fate_of(message); };
  }

  void step() {
    const std::size_t choice = input_.below(24);
    if (choice < 15)
      world_.act(node(), input_, choice);
    else
      act_as_stranger(choice - 15);
    if (input_.flag()) cluster_.run();
    world_.note_sessions();
    world_.forget_closed();
  }

  void finish() {
    losing_ = 0;
    for (const char* name : {"node0", "node1"}) cluster_.network().restore(name);
    cluster_.run();
    world_.cut_all();
    cluster_.advance(5min);
    for (unsigned i = 0; i < 2; ++i) require_empty(cluster_.node(i));
  }

 private:
  sb::testing::TestApp<App>& node() { return cluster_.node(input_.flag() ? 1 : 0); }
  std::string_view channel() { return where[input_.below(where.size())]; }

  void act_as_stranger(std::size_t choice) {
    switch (choice) {
      case 0: {
        const std::string_view to = channel();
        return stranger_.say(to, std::string(input_.text()));
      }
      case 1:
        return send_envelope();
      case 2:
        return send_handover();
      case 3:
        return send_snapshot();
      case 4:
        return repeat();
      case 5:
        return ask_for_session_of_stranger();
      case 6:
        losing_ = input_.u8();
        return;
      case 7: {
        const std::uint8_t what = input_.u8();
        const char* const name = (what & 1) != 0 ? "node1" : "node0";
        return (what & 2) != 0 ? cluster_.network().cut(name) : cluster_.network().restore(name);
      }
      default: {
        const std::string_view to = channel();
        return stranger_.say(to, Envelope{.kind = Envelope::Kind::marker, .counter = token()}.encode());
      }
    }
  }

  void send_envelope() {
    const std::string_view to = channel();
    Envelope envelope;
    envelope.kind = static_cast<Envelope::Kind>(1 + input_.below(9));
    envelope.origin = input_.below(4);
    envelope.counter = input_.u8() == 255 ? input_.u64() : input_.u8();
    envelope.presence_version = input_.u8();
    envelope.number = input_.u16();
    envelope.text = input_.flag() ? where[input_.below(where.size())] : input_.text();
    envelope.body = input_.flag() ? R"({"type":"message","data":1})" : input_.text();
    stranger_.say(to, envelope.encode());
  }

  void send_handover() {
    const std::string_view to = channel();
    HandoverMessage message{.step = static_cast<Step>(1 + input_.below(7)), .token = token()};
    if (const auto& sessions = world_.sessions(); !sessions.empty()) {
      const auto& session = *sessions[input_.below(sessions.size())];
      std::string_view home;
      if (const auto id = sb::SessionId::parse(session.name, &home)) message.session = *id;
      message.home = home;
      message.user = session.user == "-" ? "" : session.user;
      message.last_seq = std::min<std::uint64_t>(input_.u8(), session.last_seq);
    }
    message.answer_to = input_.flag() ? std::string(input_.text()) : "$node:evil:0";
    for (std::size_t count = input_.below(4); count > 0; --count)
      message.channels.push_back({std::string(channel()), {{input_.below(4), input_.u8()}}});
    message.index = static_cast<std::uint32_t>(input_.below(3));
    message.total = input_.u8();
    message.piece = input_.text();
    stranger_.say(to, message);
  }

  /// What a session might be, or nearly.
  void send_snapshot() {
    const std::string_view to = channel();
    SessionSnapshot snapshot;
    snapshot.state = input_.flag() ? R"({"count":3})" : std::string(input_.text());
    for (std::size_t count = input_.below(4); count > 0; --count) {
      const std::uint8_t flags = input_.u8();
      snapshot.channels.push_back({std::string(channel()),
                                   (flags & 1) != 0,
                                   (flags & 2) != 0,
                                   (flags & 4) != 0,
                                   {{input_.below(4), input_.u8()}},
                                   {{"ben", input_.u8()}}});
    }
    for (std::size_t count = input_.below(3); count > 0; --count) {
      snapshot.publish_ids.emplace_back(input_.text());
      snapshot.revoked.emplace_back(channel());
    }
    for (std::size_t count = input_.below(8); count > 0; --count) {
      const std::uint8_t what = input_.u8();
      snapshot.newest_sequence += 1 + (what >> 6);
      SessionSnapshot::Entry entry{static_cast<SessionSnapshot::Entry::Kind>(what & 3),
                                   snapshot.newest_sequence,
                                   (what & 3) == 2 ? 1u + (what >> 6) : 0,
                                   what >> 2 & 3u,
                                   {}};
      entry.payload = (what & 16) != 0 ? R"({"a":1})" : input_.text();
      snapshot.entries.push_back(entry);
    }
    const std::string bytes = snapshot.encode();
    check_codecs(bytes);
    HandoverMessage message{.step = Step::chunk, .token = token()};
    message.total = bytes.size();
    message.piece = bytes;
    stranger_.say(to, message);
  }

  /// Something that a node has said, with one byte changed.
  void repeat() {
    const std::uint8_t which = input_.u8(), place = input_.u8(), change = input_.u8();
    if (heard_.empty()) return;
    auto [to, bytes] = heard_[which % heard_.size()];
    if (!bytes.empty()) bytes[place % bytes.size()] = static_cast<char>(bytes[place % bytes.size()] ^ change);
    stranger_.say(to, bytes);
  }

  void ask_for_session_of_stranger() {
    const auto session = std::make_shared<SessionSeen>();
    const std::uint8_t what = input_.u8();
    session->user = users[what & 7];
    session->name = "000102030405060708090a0b0c0d0e0f-0-evil";
    world_.begin(node(), session->user, session, what >> 4, 0);
  }

  std::uint64_t token() {
    return input_.flag() ? input_.u8() : stranger_.token() != 0 ? stranger_.token() : heard_token_;
  }

  sb::testing::TestFate fate_of(const sb::testing::TestMessage& message) {
    if (heard_.size() < 16 && message.from != "evil") heard_.emplace_back(message.channel, message.payload);
    if (const auto envelope = Envelope::decode(message.payload); envelope && message.from != "evil")
      if (const auto handover = HandoverMessage::decode(envelope->body)) heard_token_ = handover->token;
    if (losing_ == 0) return sb::testing::TestFate::arrive;
    ++messages_;
    if (messages_ % (losing_ / 2 + 1) != 0) return sb::testing::TestFate::arrive;
    return (losing_ & 1) != 0 ? sb::testing::TestFate::lose : sb::testing::TestFate::lose_silently;
  }

  Input& input_;
  std::vector<std::pair<std::string, std::string>> heard_;  // channel, payload
  std::uint64_t heard_token_ = 0;
  unsigned losing_ = 0, messages_ = 0;
  sb::testing::TestCluster<App> cluster_;
  Stranger stranger_;
  World<App> world_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_codecs({reinterpret_cast<const char*>(data), size});
  Input input(data, size);
  Run run(input);
  for (int steps = 0; !input.is_empty() && steps < 150; ++steps) run.step();
  run.finish();
  return 0;
}
