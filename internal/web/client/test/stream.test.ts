import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Stream, timing, type Socket } from "../protocol/stream";
import { el } from "../protocol/xml";

/** The server's end of a socket: a script of what it hears and says. */
class FakeSocket implements Socket {
  static all: FakeSocket[] = [];
  onopen: ((ev: never) => void) | null = null;
  onmessage: ((ev: { data: unknown }) => void) | null = null;
  onclose: ((ev: never) => void) | null = null;
  onerror: ((ev: never) => void) | null = null;
  sent: string[] = [];
  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send(data: string): void {
    this.sent.push(data);
  }
  close(): void {}
  say(...frames: string[]): void {
    for (const f of frames) this.onmessage?.({ data: f });
  }
  greet(): void {
    this.onopen?.(undefined as never);
    this.say(
      `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" version="1.0"/>`,
      `<stream:features xmlns:stream="http://etherx.jabber.org/streams"><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>`,
      `<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`,
      `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" version="1.0"/>`,
      `<stream:features xmlns:stream="http://etherx.jabber.org/streams"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/><sm xmlns="urn:xmpp:sm:3"/></stream:features>`,
    );
  }
  bind(): void {
    this.say(
      `<iq xmlns="jabber:client" type="result" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>0a1b2c3d-x@d/r</jid></bind></iq>`,
      `<enabled xmlns="urn:xmpp:sm:3" id="SM1" resume="true" max="60"/>`,
    );
  }
}

async function loggedIn(): Promise<[Stream, FakeSocket]> {
  FakeSocket.all = [];
  const stream = new Stream({ url: "wss://d/xmpp-websocket?room=r", domain: "d", socket: (u) => new FakeSocket(u) });
  const done = stream.connect();
  const socket = FakeSocket.all[0]!;
  socket.greet();
  socket.bind();
  await done;
  return [stream, socket];
}

test("login", async () => {
  const [stream, socket] = await loggedIn();
  assert.equal(stream.jid, "0a1b2c3d-x@d/r");
  assert.equal(stream.state, "online");
  assert.match(socket.sent[0]!, /^<open /);
  assert.ok(socket.sent.some((f) => f.includes('mechanism="ANONYMOUS"')));
  assert.ok(socket.sent.some((f) => f.includes("<enable ")));
  stream.close();
  assert.match(socket.sent.at(-1)!, /^<close /);
});

test("a refused login ends the connection", async () => {
  FakeSocket.all = [];
  const stream = new Stream({ url: "wss://d/x", domain: "d", socket: (u) => new FakeSocket(u) });
  const done = stream.connect();
  FakeSocket.all[0]!.onopen?.(undefined as never);
  FakeSocket.all[0]!.say(`<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><not-allowed/><text>bad token</text></failure>`);
  await assert.rejects(done, /bad token/);
  assert.equal(stream.state, "offline");
});

test("IQs find their answers", async () => {
  const [stream, socket] = await loggedIn();
  const ok = stream.iq("get", "d", el("ping", { xmlns: "urn:xmpp:ping" }));
  const bad = stream.iq("get", "d", el("x", { xmlns: "y" }));
  const ids = socket.sent.slice(-2).map((f) => /id="([^"]+)"/.exec(f)![1]);
  socket.say(
    `<iq xmlns="jabber:client" type="error" id="${ids[1]}"><error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`,
    `<iq xmlns="jabber:client" type="result" id="${ids[0]}"/>`,
  );
  await ok;
  await assert.rejects(bad, (e: { condition: string }) => e.condition === "item-not-found");
  stream.close();
});

test("a dropped socket is resumed and what was lost is sent again", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  try {
    const [stream, socket] = await loggedIn();
    socket.say(`<message xmlns="jabber:client" from="d"/>`, `<message xmlns="jabber:client" from="d"/>`);
    stream.send(el("message", { id: "one" }));
    stream.send(el("message", { id: "two" }));
    socket.say(`<a xmlns="urn:xmpp:sm:3" h="1"/>`);
    stream.drop();
    assert.equal(stream.state, "resuming");
    stream.send(el("message", { id: "three" }));
    mock.timers.tick(timing.resumeFirst);
    const second = FakeSocket.all[1]!;
    assert.equal(new URL(second.url).searchParams.get("previd"), "SM1");
    second.greet();
    assert.match(second.sent.at(-1)!, /<resume [^>]*h="2"[^>]*previd="SM1"/);
    second.say(`<resumed xmlns="urn:xmpp:sm:3" previd="SM1" h="1"/>`);
    assert.equal(stream.state, "online");
    const again = second.sent.filter((f) => f.startsWith("<message")).map((f) => /id="(\w+)"/.exec(f)![1]);
    assert.deepEqual(again, ["two", "three"]);
    second.say(`<r xmlns="urn:xmpp:sm:3"/>`);
    assert.equal(second.sent.at(-1), `<a xmlns="urn:xmpp:sm:3" h="2"/>`);
    stream.close();
  } finally {
    mock.timers.reset();
  }
});

test("a session the server forgot is lost", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  try {
    const [stream] = await loggedIn();
    let lost = "";
    stream.on("lost", (err) => (lost = err.message));
    stream.drop();
    mock.timers.tick(timing.resumeFirst);
    FakeSocket.all[1]!.greet();
    FakeSocket.all[1]!.say(`<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`);
    assert.match(lost, /item-not-found/);
    assert.equal(stream.state, "offline");
  } finally {
    mock.timers.reset();
  }
});

test("a server that stays away is given up after its hibernation time", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  try {
    const [stream] = await loggedIn();
    let lost = false;
    stream.on("lost", () => (lost = true));
    stream.drop();
    for (let i = 0; i < 100 && !lost; i++) {
      mock.timers.tick(1000);
      FakeSocket.all.at(-1)!.onclose?.(undefined as never);
    }
    assert.ok(lost);
    assert.ok(FakeSocket.all.length > 5, "it tried several times");
  } finally {
    mock.timers.reset();
  }
});

test("silence is asked about, and ends the socket when it lasts", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  try {
    const [stream, socket] = await loggedIn();
    mock.timers.tick(timing.pingEvery); // there was the login to hear
    assert.ok(!socket.sent.some((f) => f.includes("urn:xmpp:ping")));
    for (let i = 0; i < 3; i++) {
      mock.timers.tick(timing.pingEvery);
      await new Promise((r) => setImmediate(r));
      mock.timers.tick(timing.pingTimeout);
      await new Promise((r) => setImmediate(r));
    }
    assert.ok(socket.sent.some((f) => f.includes("urn:xmpp:ping")));
    assert.equal(stream.state, "resuming");
    stream.close();
  } finally {
    mock.timers.reset();
  }
});
