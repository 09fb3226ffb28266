import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { parseRestart, restartAnswer, restartRequest } from "../protocol/jingle";
import { Recovery, recoveryTiming as t } from "../protocol/recovery";
import type { MediaState } from "../protocol/session";
import { parse } from "../protocol/xml";

/** A session whose state a test sets, and which counts what is asked of it. */
class FakeSession {
  state: MediaState = "connected";
  asked = 0;
  refuse = false;
  gaveUp: string[] = [];
  recovery: Recovery;

  constructor(allowed = true) {
    this.recovery = new Recovery(this, allowed, (why) => this.gaveUp.push(why));
  }

  async requestRestart(): Promise<void> {
    this.asked++;
    if (this.refuse) throw new Error("resource-constraint");
  }

  becomes(s: MediaState): void {
    this.state = s;
    this.recovery.onState(s);
  }

  /** Lets time pass, and promises settle. */
  async after(ms: number): Promise<void> {
    for (let i = 0; i < 5; i++) await Promise.resolve();
    mock.timers.tick(ms);
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }

  expect(asked: number, gaveUp: number): void {
    assert.deepEqual([this.asked, this.gaveUp.length], [asked, gaveUp]);
  }
}

/** A test with a clock of its own. */
function timed(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
    try {
      await run();
    } finally {
      mock.timers.reset();
    }
  });
}

timed("a short interruption is nobody's business", async () => {
  const s = new FakeSession();
  s.becomes("interrupted");
  await s.after(t.patience - 1);
  s.becomes("connected");
  await s.after(60_000);
  s.expect(0, 0);
});

timed("a longer one restarts ICE, and if that helps no more is done", async () => {
  const s = new FakeSession();
  s.becomes("interrupted");
  await s.after(t.patience);
  s.expect(1, 0);
  s.becomes("failed"); // while the restart is on its way
  s.expect(1, 0);
  s.becomes("connected");
  await s.after(60_000);
  s.expect(1, 0);
  s.becomes("interrupted");
  await s.after(t.patience);
  s.expect(2, 0);
});

timed("when it does not help the session is given up, once", async () => {
  const s = new FakeSession();
  s.becomes("interrupted");
  await s.after(t.patience);
  await s.after(t.restart - 1);
  s.expect(1, 0);
  await s.after(1);
  s.expect(1, 1);
  s.recovery.close();
  s.becomes("failed");
  await s.after(60_000);
  s.expect(1, 1);
});

timed("a failure without warning restarts ICE at once", async () => {
  const s = new FakeSession();
  s.becomes("failed");
  s.expect(1, 0);
  await s.after(t.restart);
  s.expect(1, 1);
});

timed("a refusal gives the session up", async () => {
  const s = new FakeSession();
  s.refuse = true;
  s.becomes("failed");
  await s.after(0);
  s.expect(1, 1);
});

timed("where restarts are not allowed, only failure counts", async () => {
  const s = new FakeSession(false);
  s.becomes("interrupted");
  s.recovery.networkChanged();
  await s.after(60_000);
  s.expect(0, 0);
  s.becomes("failed");
  s.expect(0, 1);
});

timed("a changed network is used at once, but not too often, and costs a working session nothing", async () => {
  const s = new FakeSession();
  s.recovery.networkChanged();
  await s.after(1);
  s.expect(1, 0);
  s.recovery.networkChanged();
  await s.after(t.interval - 2);
  s.expect(1, 0);
  await s.after(1);
  s.expect(2, 0);
  await s.after(t.restart);
  s.expect(2, 0);
  s.refuse = true;
  s.recovery.networkChanged();
  await s.after(0);
  s.expect(3, 0);
});

timed("what breaks after a changed network is an interruption of its own", async () => {
  const s = new FakeSession();
  s.recovery.networkChanged();
  await s.after(100);
  s.becomes("interrupted");
  await s.after(t.patience);
  s.expect(1, 0);
  await s.after(t.interval - t.patience - 100);
  s.expect(2, 0);
  await s.after(t.restart);
  s.expect(2, 1);
});

timed("what is closed does nothing", async () => {
  const s = new FakeSession();
  s.becomes("interrupted");
  s.recovery.close();
  s.recovery.networkChanged();
  s.becomes("failed");
  await s.after(60_000);
  s.expect(0, 0);
});

test("an ICE restart on the wire", () => {
  assert.equal(
    restartRequest("8f2c", "r@x/focus", "c77").toString(),
    `<jingle xmlns="urn:xmpp:jingle:1" action="session-info" initiator="r@x/focus" sid="8f2c">` +
      `<bridge-session xmlns="http://jitsi.org/protocol/focus" id="c77" ice-restart="true"/></jingle>`,
  );
  const info = (attrs: string): ReturnType<typeof parseRestart> =>
    parseRestart(parse(`<jingle xmlns="urn:xmpp:jingle:1" action="transport-info" sid="8f2c"><content creator="initiator" name="audio">` +
      `<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ${attrs}><candidate component="1" foundation="1" ip="203.0.113.7" port="10000" priority="1" protocol="udp" type="host"/>` +
      `</transport></content></jingle>`));
  const got = info(`ufrag="u" pwd="p" ice-generation="2"`);
  assert.equal(got?.generation, 2);
  assert.deepEqual([got?.transport.ufrag, got?.transport.pwd, got?.transport.candidates[0]?.port], ["u", "p", 10000]);
  for (const bad of [`ufrag="u" pwd="p"`, `ufrag="u" pwd="p" ice-generation="0"`, `ufrag="u" pwd="p" ice-generation="1.5"`, `pwd="p" ice-generation="1"`]) {
    assert.equal(info(bad), undefined, bad);
  }
  const mine = { ufrag: "v", pwd: "q", fingerprint: { hash: "sha-256", setup: "active", value: "AB" }, candidates: [] };
  assert.equal(
    restartAnswer("8f2c", "r@x/focus", "audio", mine, 2).toString(),
    `<jingle xmlns="urn:xmpp:jingle:1" action="transport-info" initiator="r@x/focus" sid="8f2c"><content creator="responder" name="audio">` +
      `<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="v" pwd="q" ice-generation="2">` +
      `<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="active">AB</fingerprint></transport></content></jingle>`,
  );
});
