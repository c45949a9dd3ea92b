// SPDX-License-Identifier: MIT
import { decideAfterClose } from './close-policy.js';
import { Connection } from './connection.js';
import { Liveness } from './liveness.js';

const ABNORMAL = 1006;
const TOKEN_ENDED = 4401;

/**
 * When there is a connection: attempts, welcomes, endings, pauses. States: idle, connecting, connected, waiting,
 * suspended, closed. Knows nothing of channels and messages.
 */
export class Lifecycle {
  #options; // { WebSocket, clock, environment, backoff, connectTimeout, silenceTimeout, pingTimeout, stableAfter }
  #hooks; // { address(token), onWelcome(welcome), onFrame(data), onDown(), onState(state, details), onForget(), ... }
  #token;
  #hasTokenEnded = false;
  #failures = 0; // attempts without a welcome, since the last one
  #state = 'idle';
  #connection = null;
  #attempt = 0; // names the present attempt, so that a token that comes too late is not used
  #attemptTimer = null;
  #retryTimer = null;
  #retryAt = 0;
  #notBefore = 0;
  #welcomedAt = null;
  #liveness;
  #stopListening = null;

  constructor(options, token, hooks) {
    this.#options = options;
    this.#token = token;
    this.#hooks = hooks;
    this.#liveness = new Liveness({
      clock: options.clock,
      sendPing: () => this.write('{"type":"ping"}'),
      onSilence: () => this.#lost({ code: ABNORMAL, reason: 'the server has gone silent' }),
    });
  }

  get state() {
    return this.#state;
  }

  set token(token) {
    this.#token = token;
  }

  connect() {
    if (this.#state === 'connecting' || this.#state === 'connected') return;
    const pause = this.#notBefore - this.#options.clock.now();
    if (this.#state === 'waiting' && pause > 0) return;
    this.#stopListening ??= this.#options.environment.listen({
      online: () => this.#lookAgain(),
      visible: () => this.#lookAgain(),
      offline: () => this.#wentOffline(),
    });
    if (this.#state === 'suspended' && pause > 0) this.#retryIn(pause, { isOffline: false });
    else this.#start();
  }

  /** Drops the connection and stays away until connect(). */
  suspend() {
    if (this.#state === 'closed') return;
    this.#drop();
    this.#changeState('suspended');
  }

  /** Ends for good, unless connect() is called again. */
  stop({ code, reason, error = null }, closeCode) {
    this.#drop(closeCode, reason);
    this.#stopListening?.();
    this.#stopListening = null;
    this.#options.backoff.reset();
    this.#notBefore = 0;
    this.#changeState('closed', { code, reason, error });
  }

  write(frame) {
    return this.#connection?.write(frame) ?? false;
  }

  #changeState(state, details = {}) {
    const previous = this.#state;
    this.#state = state;
    this.#hooks.onState({ state, previous, ...details });
  }

  async #start() {
    this.#drop();
    const attempt = this.#attempt;
    this.#attemptTimer = this.#options.clock.setTimeout(
      () => this.#lost({ code: ABNORMAL, reason: 'no welcome in time' }),
      this.#options.connectTimeout,
    );
    this.#changeState('connecting', { attempt: this.#options.backoff.attempts });
    try {
      const source = this.#token;
      const token = await (typeof source === 'function' ? source(this.#tokenRequest()) : source);
      if (attempt !== this.#attempt) return;
      if (typeof source === 'function' && (token === null || token === undefined)) {
        this.stop({ code: TOKEN_ENDED, reason: 'no token was given' });
      } else {
        this.#open(token);
      }
    } catch (error) {
      if (attempt === this.#attempt) this.#lost({ code: ABNORMAL, reason: 'no connection could be made', error });
    }
  }

  #tokenRequest() {
    return { hasEnded: this.#hasTokenEnded, failures: this.#failures };
  }

  #open(token) {
    this.#connection = new Connection({
      WebSocket: this.#options.WebSocket,
      url: this.#hooks.address(token),
      onFrame: (data) => this.#receive(data),
      onEnd: (ending) => this.#lost(ending),
    });
  }

  #receive(data) {
    this.#liveness.heard();
    if (this.#welcomedAt !== null) this.#hooks.onFrame(data);
    else this.#welcome(data);
  }

  /** Only the first frame of a socket can be the welcome: an App may have a message of that type too. */
  #welcome(data) {
    const welcome = this.#hooks.readWelcome(data);
    if (welcome === null) {
      this.#lost({ code: ABNORMAL, reason: 'the first frame was not a welcome' });
      return;
    }
    this.#options.clock.clearTimeout(this.#attemptTimer);
    this.#welcomedAt = this.#options.clock.now();
    this.#hasTokenEnded = false;
    this.#failures = 0;
    this.#liveness.start({
      timeout: welcome.heartbeat?.timeout_ms || this.#options.silenceTimeout,
      patience: this.#options.pingTimeout,
    });
    this.#state = 'connected'; // the state event is the hook's, after it has taken in the session
    this.#hooks.onWelcome(welcome);
  }

  #lost({ code, reason, error = null }) {
    const { clock, backoff, stableAfter } = this.#options;
    // A server that welcomes and then throws out at once is not back yet.
    if (this.#welcomedAt === null) this.#failures += 1;
    else if (clock.now() - this.#welcomedAt >= stableAfter) backoff.reset();
    this.#drop();
    const decision = decideAfterClose(code);
    if (decision.forgetSession) this.#hooks.onForget();
    const ending = { code, reason, error };
    if (decision.action === 'reconnect') {
      this.#wait(decision.minimumDelay, ending);
    } else if (decision.action === 'token' && typeof this.#token === 'function') {
      this.#hasTokenEnded = true;
      this.#wait(decision.minimumDelay, ending);
    } else {
      this.stop(ending);
      if (decision.report) this.#hooks.onBreach(ending);
      if (decision.action === 'replaced') this.#hooks.onReplaced();
    }
  }

  #drop(closeCode, reason) {
    const { clock } = this.#options;
    clock.clearTimeout(this.#attemptTimer);
    clock.clearTimeout(this.#retryTimer);
    this.#attempt += 1;
    this.#liveness.stop();
    this.#connection?.drop(closeCode, reason);
    this.#connection = null;
    if (this.#welcomedAt === null) return;
    this.#welcomedAt = null;
    this.#hooks.onDown();
  }

  #wait(minimumDelay, ending) {
    const { clock, backoff, environment } = this.#options;
    const isOffline = !environment.isOnline();
    this.#notBefore = clock.now() + minimumDelay;
    const delay = minimumDelay + backoff.next();
    // "Offline" is a hint and no certainty (a server on this very machine is there), so it slows down and does not stop.
    this.#retryIn(isOffline ? Math.max(delay, backoff.maximum) : delay, { isOffline, ...ending });
  }

  #retryIn(delay, details) {
    const { clock, backoff } = this.#options;
    clock.clearTimeout(this.#retryTimer);
    this.#retryAt = clock.now() + delay;
    this.#retryTimer = clock.setTimeout(() => this.#start(), delay);
    this.#changeState('waiting', { delay, attempt: backoff.attempts, ...details });
  }

  /** The network came back, or somebody looks at the page again. */
  #lookAgain() {
    if (this.#state === 'connected') this.#liveness.probe();
    if (this.#state !== 'waiting') return;
    const { clock, backoff, environment } = this.#options;
    if (!environment.isOnline()) return;
    backoff.reset();
    const pause = Math.max(0, this.#notBefore - clock.now());
    const soon = pause + backoff.next(); // jitter here too: a whole office comes back online at once
    this.#retryIn(Math.min(soon, Math.max(0, this.#retryAt - clock.now())), { isOffline: false });
  }

  #wentOffline() {
    if (this.#state === 'connected') this.#liveness.probe();
    if (this.#state !== 'waiting') return;
    const { clock, backoff } = this.#options;
    const left = this.#retryAt - clock.now();
    this.#retryIn(Math.max(left, backoff.maximum), { isOffline: true });
  }
}
