import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalSlots, planEncodings } from "../protocol/local";
import { endpointId, roomNode } from "../protocol/names";
import { parseMember, parseStatus, presenceElements } from "../protocol/presence";
import { chooseCodec, iceServers, readConfig } from "../protocol/settings";
import { EndpointStats, usual, type ReceivedStats, type SessionStats } from "../protocol/stats";
import { el, parse } from "../protocol/xml";

test("room names become the node stock clients use", () => {
  assert.equal(roomNode("Daily"), "daily");
  assert.equal(roomNode("Réunion"), "r%c3%a9union");
  assert.equal(roomNode("R%C3%A9union"), "r%c3%a9union");
  assert.equal(roomNode("100%"), "100%25");
});

test("the endpoint id is the head of the name the server gave", () => {
  assert.equal(endpointId("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d@meet.example/x"), "0a1b2c3d");
  assert.match(endpointId("alice@meet.example/x"), /^[0-9a-f]{8}$/);
});

test("encodings follow what receivers want", () => {
  const on = (count: number, height: number, max: number): boolean[] => planEncodings(count, height, max, "vp8", false).map((p) => p.active);
  assert.deepEqual(on(3, 720, -1), [true, true, true]);
  assert.deepEqual(on(3, 720, 2160), [true, true, true]);
  assert.deepEqual(on(3, 720, 360), [true, true, false]);
  assert.deepEqual(on(3, 720, 90), [true, false, false]);
  assert.deepEqual(on(3, 720, 0), [false, false, false]);
  assert.deepEqual(on(1, 720, 0), [false]);
  assert.deepEqual(on(3, 360, -1), [true, true, false]);
  assert.deepEqual(planEncodings(3, 360, -1, "vp8", false).map((p) => p.scaleResolutionDownBy), [2, 1, 1]);
  assert.deepEqual(on(3, 180, -1), [true, false, false]);
  assert.deepEqual(planEncodings(3, 1080, -1, "vp8", false).map((p) => p.scaleResolutionDownBy), [6, 3, 1]);
  assert.equal(planEncodings(1, 720, 360, "vp8", false)[0]!.scaleResolutionDownBy, 2);
  assert.equal(planEncodings(1, 1080, 360, "vp8", true)[0]!.scaleResolutionDownBy, 1);
  const svc = planEncodings(3, 720, 360, "vp9", false);
  assert.deepEqual(svc.map((p) => [p.active, p.scalabilityMode]), [[true, "L2T3_KEY"], [false, undefined], [false, undefined]]);
});

test("source info tells what is muted", () => {
  const slots = new LocalSlots();
  assert.deepEqual([...slots.sourceInfo("e").keys()], ["e-a0", "e-v0"]);
  slots.set("v1", {} as MediaStreamTrack);
  assert.deepEqual(slots.sourceInfo("e").get("e-v1"), { muted: false, videoType: "desktop" });
  slots.set("v1", null);
  assert.deepEqual(slots.sourceInfo("e").get("e-v1"), { muted: true, videoType: "desktop" });
});

test("a presence is read, ours too", () => {
  const own = { name: "Ada", sources: new Map([["e-a0", { muted: true, videoType: "camera" as const }]]), codecs: ["vp8"], raisedHand: 5, properties: new Map() };
  const p = parse(
    el("presence", { from: "r@m/e" }, el("x", { xmlns: "http://jabber.org/protocol/muc#user" }, el("item", { role: "moderator", affiliation: "owner", jid: "u@d/x" })), presenceElements(own)).toString(),
  );
  const m = parseMember(p);
  assert.deepEqual([m.id, m.name, m.role, m.realJid, m.codecs, m.raisedHand], ["e", "Ada", "moderator", "u@d/x", ["vp8"], 5]);
  assert.deepEqual(m.sources.get("e-a0"), { muted: true, videoType: "camera" });
});

test("SourceInfo of others is taken with care", () => {
  const read = (text: string): number => parseMember(el("presence", { from: "r@m/e" }, el("SourceInfo", {}, text))).sources.size;
  assert.equal(read(`{"e-v0":{"videoType":"desktop"},"other-v0":{}}`), 1);
  for (const bad of ["", "null", "[]", "{", `{"e-v0":1}`]) assert.equal(read(bad), 0);
});

test("kick and destruction are told apart", () => {
  const s = parseStatus(parse(`<presence><x xmlns="http://jabber.org/protocol/muc#user"><item><actor nick="a"/><reason>why</reason></item><status code="307"/></x></presence>`));
  assert.deepEqual([s.codes.has(307), s.actor, s.reason, s.destroyed], [true, "a", "why", undefined]);
});

test("config.js is read with the defaults of stock clients", () => {
  const s = readConfig({ hosts: { domain: "d", muc: "conference.t.d" }, videoQuality: { codecPreferenceOrder: ["VP8"] }, bridgeChannel: { preferSctp: false } });
  assert.deepEqual([s.muc, s.focus, s.codecs, s.preferSctp, s.keepAlive], ["conference.t.d", "focus.d", ["vp8"], false, 60_000]);
  assert.equal(readConfig(undefined).preferSctp, true);
});

test("the codec is one that everybody has", () => {
  assert.equal(chooseCodec(["av1", "vp8"], ["vp8", "av1"], [["vp8"], []]), "vp8");
  assert.equal(chooseCodec(["av1", "vp8"], ["vp8", "av1"], []), "av1");
  assert.equal(chooseCodec(["h264"], ["vp8"], []), "vp8");
});

test("only TURN over TCP is used towards a bridge", () => {
  const s = { host: "h", port: "443", username: "u", password: "p" };
  const list = [{ ...s, type: "turns", transport: "tcp" }, { ...s, type: "turn", transport: "udp" }, { ...s, type: "stun", transport: "udp" }];
  assert.deepEqual(iceServers(list, false).map((x) => x.urls), ["turns:h:443?transport=tcp"]);
  assert.equal(iceServers(list, true).length, 2);
});

test("what is lost of one sender only is not told as lost on our way", () => {
  const tell = (...losses: number[]): unknown => {
    const all = (packets: number): SessionStats => ({
      received: losses.map((lost, i) => ({ name: `p${i}-v0`, ssrc: i, packets: packets > 0 ? packets - lost : 0, lost: packets > 0 ? lost : 0 }) as ReceivedStats),
      sent: [], rtt: 0, availableOut: 0, bytesIn: 0, bytesOut: 0,
    });
    const s = new EndpointStats();
    s.next(all(0), 0, 720);
    const { packetLoss, connectionQuality } = s.next(all(100), 10_000, 720);
    return [(packetLoss as { download: number }).download, connectionQuality];
  };
  assert.deepEqual([tell(0, 20, 0), tell(20), tell(18, 20, 22), tell(20, 0), tell()], [[0, 100], [20, 20], [20, 20], [0, 100], [0, 100]]);
  assert.deepEqual([[], [3], [3, 1], [9, 1, 5]].map(usual), [0, 3, 1, 5]);
});
