// SPDX-License-Identifier: MIT
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/server_process.hpp"

namespace {

using namespace stress;

constexpr std::size_t subscribers = 20, publishers = 2;
constexpr std::int64_t least_messages = 5000;
constexpr std::uint64_t least_moved = 1000;
constexpr int messages_between_resumes = 40;
constexpr std::chrono::microseconds pause_of_publisher{2000};  // two of them: 1,000 messages a second

std::string subscribe_frame() {
  return switchboard::testing::encode({.payload = R"({"action":"subscribe","channel":"storm"})"});
}

/// A session that is resumed over and over, in every way a socket can go, and that checks each message.
class Subscriber {
 public:
  Subscriber(Loop& loop, std::uint16_t port, std::size_t number)
      : loop_(loop), port_(port), target_("/ws?token=user" + std::to_string(number) + "&last_seq=") {
    connect(target_ + "0", {});
  }

  unsigned shard() const { return static_cast<unsigned>(session_.back() - '0'); }
  bool is_welcome() const { return is_welcome_; }
  bool is_subscribed() const { return is_subscribed_; }
  bool may_resume() const {
    const bool is_told = !is_taken_over_ || retired_->close_code() != 0;
    return is_welcome_ && is_told && since_resume_ >= messages_between_resumes;
  }
  std::int64_t received(std::size_t publisher) const { return received_[publisher]; }
  std::int64_t last_seq() const { return last_seq_; }
  int resumes() const { return resumes_; }
  std::int64_t replayed() const { return replayed_; }
  const std::string& fault() const { return fault_; }
  void subscribe() { client_->send(subscribe_frame()); }
  void leave() { client_->send_close(CloseCode::normal); }

  void resume() {
    const auto way = static_cast<unsigned>(resumes_++) % 4;
    if (way == 0) client_->cut();
    if (way == 1) client_->cut(false);
    if (way == 2) client_->send_close(CloseCode::normal);
    // Otherwise the old socket is still open, and is taken over.
    retired_ = std::move(client_);
    is_taken_over_ = way == 3;
    is_welcome_ = is_subscribed_ = false;
    since_resume_ = 0;
    // A request right behind the upgrade must travel with the socket to the other shard.
    connect(target_ + std::to_string(last_seq_) + "&session=" + session_,
            {.behind_request = subscribe_frame()});
  }

 private:
  void connect(const std::string& target, ClientOptions options) {
    client_ = std::make_unique<Client>(
        loop_, port_, target, [this](Client& from, const ServerFrame& frame) { on_frame(from, frame); },
        options);
  }

  void on_frame(Client& from, const ServerFrame& frame) {
    if (&from != client_.get()) {
      if (frame.opcode == Opcode::close && is_taken_over_ && from.close_code() != 4001)
        fault("a socket that was taken over got " + std::to_string(from.close_code()));
      return;
    }
    const std::string& text = frame.payload;
    if (frame.opcode == Opcode::close) return fault("closed with " + std::to_string(from.close_code()));
    if (text == R"({"type":"ping"})") return from.send_text(R"({"type":"pong"})");
    if (text.starts_with(R"({"type":"welcome")")) return on_welcome(text);
    if (text.starts_with(R"({"status":"subscribed")")) {
      is_subscribed_ = true;
      return;
    }
    on_message(text);
  }

  void on_welcome(const std::string& text) {
    const std::size_t place = text.find(R"("session":")") + 11;
    const std::string session = text.substr(place, text.find('"', place) - place);
    if (resumes_ > 0) {
      if (session != session_) fault("another session: " + text);
      if (text.find(R"("recovered":true)") == text.npos) fault("not recovered: " + text);
      replayed_ += number_after(text, R"("replayed":)");
    }
    session_ = session;
    is_welcome_ = true;
  }

  void on_message(const std::string& text) {
    const std::int64_t seq = number_after(text, R"({"seq":)");
    if (seq != last_seq_ + 1) fault("after seq " + std::to_string(last_seq_) + " came " + text);
    last_seq_ = seq;
    const std::int64_t publisher = number_after(text, R"("publisher":)"),
                       number = number_after(text, R"("number":)");
    if (publisher < 0 || publisher >= static_cast<std::int64_t>(publishers))
      return fault("not published: " + text);
    std::int64_t& received = received_[static_cast<std::size_t>(publisher)];
    if (number != received) fault("instead of number " + std::to_string(received) + " came " + text);
    received = number + 1;
    ++since_resume_;
  }

  void fault(const std::string& what) {
    if (fault_.empty()) fault_ = "after " + std::to_string(resumes_) + " resumes: " + what;
  }

  Loop& loop_;
  std::uint16_t port_;
  std::string target_, session_, fault_;
  std::unique_ptr<Client> client_, retired_;
  bool is_welcome_ = false, is_subscribed_ = false, is_taken_over_ = false;
  int resumes_ = 0, since_resume_ = 0;
  std::int64_t last_seq_ = 0, replayed_ = 0;
  std::array<std::int64_t, publishers> received_{};
};

/// Publishes one message every so often, and knows which were accepted.
class Publisher {
 public:
  Publisher(Loop& loop, std::uint16_t port, std::size_t number) : number_(number) {
    client_ = std::make_unique<Client>(loop, port, "/ws?token=publisher&last_seq=0",
                                       [this](Client& from, const ServerFrame& frame) {
                                         if (frame.payload == R"({"type":"ping"})")
                                           return from.send_text(R"({"type":"pong"})");
                                         const std::size_t place = frame.payload.find(R"("session":")");
                                         if (place != frame.payload.npos)
                                           shard_ = frame.payload[frame.payload.find('-', place) + 1] - '0';
                                         if (frame.payload.starts_with(R"({"status":"published")"))
                                           ++accepted_;
                                       });
  }
  int shard() const { return shard_; }
  std::int64_t published() const { return published_; }
  std::int64_t accepted() const { return accepted_; }

  void begin(Clock::time_point now) { next_ = now; }
  void publish_what_is_due(Clock::time_point now) {
    for (; next_ <= now; next_ += pause_of_publisher) {
      const std::string number = std::to_string(published_++);
      client_->send_text(R"({"action":"publish","channel":"storm","id":)" + number +
                         R"(,"data":{"publisher":)" + std::to_string(number_) + R"(,"number":)" + number +
                         R"(,"text":"a line of chat"}})");
    }
  }

 private:
  std::size_t number_;
  std::unique_ptr<Client> client_;
  int shard_ = -1;
  std::int64_t published_ = 0, accepted_ = 0;
  Clock::time_point next_{};
};

/// As many of a kind on each of the two shards; which shard a connection comes to is the kernel's choice.
template <class Kind, class HasArrived>
std::vector<std::unique_ptr<Kind>> half_on_each_shard(Loop& loop, std::uint16_t port, std::size_t count,
                                                      HasArrived has_arrived) {
  std::vector<std::unique_ptr<Kind>> kept;
  std::array<std::size_t, 2> on_shard{};
  for (int tries = 0; kept.size() < count && tries < 1000; ++tries) {
    auto one = std::make_unique<Kind>(loop, port, kept.size());
    REQUIRE(loop.run_until([&] { return has_arrived(*one); }));
    std::size_t& there = on_shard.at(static_cast<std::size_t>(one->shard()));
    if (there == count / 2) continue;
    ++there;
    kept.push_back(std::move(one));
  }
  REQUIRE(kept.size() == count);
  return kept;
}

}  // namespace

TEST_CASE("1,000 resumes on the wrong shard lose, double and reorder none of 1,000 messages a second") {
  // A client of this test may be away longer than the 0.1 s that the default of 100 messages bridges at this
  // rate.
  ServerProcess chat(example("chat"), {"--threads", "2", "--replay", "5000"});
  Loop loop;
  const auto clients = half_on_each_shard<Subscriber>(loop, chat.port(), subscribers,
                                                      [](const Subscriber& one) { return one.is_welcome(); });
  const auto sources = half_on_each_shard<Publisher>(loop, chat.port(), publishers,
                                                     [](const Publisher& one) { return one.shard() >= 0; });
  for (const auto& client : clients) client->subscribe();
  const auto all = [&](auto&& condition) {
    return [&, condition] {
      return std::all_of(clients.begin(), clients.end(), [&](const auto& one) { return condition(*one); });
    };
  };
  REQUIRE(loop.run_until(all([](const Subscriber& one) { return one.is_subscribed(); })));

  const auto published = [&] { return sources[0]->published() + sources[1]->published(); };
  const auto has_fault = [&] {
    return std::any_of(clients.begin(), clients.end(), [](const auto& one) { return !one->fault().empty(); });
  };
  std::uint64_t moved = 0;
  const auto began = Clock::now();
  auto look_at_metrics = began;
  for (const auto& source : sources) source->begin(began);
  while ((moved < least_moved || published() < least_messages) && !has_fault() &&
         Clock::now() < began + 60s) {
    const auto now = Clock::now();
    for (const auto& source : sources) source->publish_what_is_due(now);
    loop.run_once();
    for (const auto& client : clients)
      if (client->may_resume()) client->resume();
    if (now < look_at_metrics) continue;
    moved = chat.metric("sessions_moved_total");
    look_at_metrics = now + 250ms;
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();

  const auto has_everything = [&](const Subscriber& one) {
    return one.is_welcome() && one.received(0) == sources[0]->published() &&
           one.received(1) == sources[1]->published();
  };
  const bool complete = loop.run_until([&] { return has_fault() || all(has_everything)(); });
  loop.run_until([&] { return sources[0]->accepted() + sources[1]->accepted() == published(); });
  int resumes = 0;
  std::int64_t replayed = 0;
  for (const auto& client : clients) {
    INFO("seq " << client->last_seq() << ", received " << client->received(0) << " and "
                << client->received(1) << " of " << sources[0]->published() << " and "
                << sources[1]->published());
    CHECK(client->fault() == "");
    CHECK(has_everything(*client));
    resumes += client->resumes();
    replayed += client->replayed();
  }
  CHECK(complete);
  CHECK(moved >= least_moved);
  CHECK(sources[0]->accepted() + sources[1]->accepted() == published());
  CHECK(static_cast<double>(published()) / seconds > 900);

  // Nothing more comes when each is resumed once more: what was received is all there was.
  for (const auto& client : clients) client->resume();
  REQUIRE(loop.run_until(all([](const Subscriber& one) { return one.is_subscribed(); })));
  for (const auto& client : clients) {
    CHECK(client->fault() == "");
    CHECK(client->last_seq() == published());
  }
  WARN(resumes << " resumes, " << moved << " of them moved, " << replayed << " messages replayed, "
               << published() << " published at "
               << static_cast<int>(static_cast<double>(published()) / seconds) << " a second");
  chat.terminate();
  CHECK(chat.wait_for_exit(15s) == 0);
}
