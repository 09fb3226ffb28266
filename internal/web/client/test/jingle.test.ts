import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOffer, parseSources, sessionAccept, sourceChange } from "../protocol/jingle";
import { parse } from "../protocol/xml";
import { offerXml } from "./offer";

test("a session-initiate is read", () => {
  const o = parseOffer(parse(offerXml));
  assert.equal(o.sid, "8f2c");
  assert.deepEqual(o.contents.map((c) => [c.name, c.kind, c.direction]), [["audio", "audio", "sendrecv"], ["video", "video", "sendrecv"]]);
  assert.equal(o.contents[0]!.payloads[0]!.channels, 2);
  assert.deepEqual(o.contents[1]!.payloads[1]!.feedback, ["nack pli"]);
  assert.deepEqual(o.transport.fingerprint, { hash: "sha-256", setup: "actpass", value: "AB:CD" });
  assert.equal(o.transport.candidates[0]!.port, 10000);
  assert.deepEqual(o.webSockets, ["wss://meet.example/colibri-ws/s1/c77/0a1b2c3d?pwd=q&x=1"]);
  assert.deepEqual(o.bridgeSession, { id: "c77-0a1b2c3d", region: "eu-1" });
  const remote = o.sources.find((s) => s.name === "ffff0000-v0")!;
  assert.deepEqual([remote.owner, remote.ssrcs, remote.groups], ["ffff0000", [3001, 3002], [{ semantics: "FID", ssrcs: [3001, 3002] }]]);
});

test("an offer without transport is refused", () => {
  assert.throws(() => parseOffer(parse(`<jingle xmlns="urn:xmpp:jingle:1"><content name="audio"/></jingle>`)));
});

const json = (value: unknown): ReturnType<typeof parse> =>
  parse(`<jingle xmlns="urn:xmpp:jingle:1"><json-message xmlns="http://jitsi.org/jitmeet">${JSON.stringify(value).replaceAll("<", "&lt;")}</json-message></jingle>`);

test("compact JSON sources mean the same as XML ones", () => {
  const m = "ffff0000-video-0-1 77aa-1";
  const got = parseSources(
    json({
      sources: {
        ffff0000: [[{ s: 3001, n: "ffff0000-v0", m }, { s: 3002, n: "ffff0000-v0", m }, { s: 5, n: "ffff0000-v1", m: "d", v: "d" }], [["f", 3001, 3002]], [{ s: 2001, n: "ffff0000-a0", m: "x" }]],
      },
    }),
  );
  assert.deepEqual(got.map((s) => [s.name, s.kind, s.videoType, s.ssrcs.length, s.groups.length]), [
    ["ffff0000-v0", "video", "camera", 2, 1], ["ffff0000-v1", "video", "desktop", 1, 0], ["ffff0000-a0", "audio", "camera", 1, 0],
  ]);
});

test("nonsense in sources is left out", () => {
  for (const v of [null, {}, { sources: 1 }, { sources: { a: 1 } }, { sources: { a: [[{ s: -1, n: "a-v0", m: "x" }, { s: 4294967296, n: "b", m: "x" }, { s: 1, n: "", m: "x" }, { s: 9, n: "c-v0" }]] } }]) {
    assert.deepEqual(parseSources(json(v)), []);
  }
});

test("session-accept and source-add carry names, groups and explicit namespaces", () => {
  const o = parseOffer(parse(offerXml));
  const source = { name: "0a1b2c3d-v0", owner: "0a1b2c3d", kind: "video" as const, videoType: "camera" as const, msid: "m t", ssrcs: [1, 2], groups: [{ semantics: "FID" as const, ssrcs: [1, 2] }] };
  const accept = sessionAccept({ sid: o.sid, initiator: o.initiator, responder: "r", contents: o.contents, transport: o.transport, sources: [source], lastN: 20 });
  const video = accept.all("content")[1]!;
  assert.equal(video.child("initial-last-n")?.attr("value"), "20");
  const [read] = parseSources(parse(accept.toString()));
  assert.deepEqual({ ...read, owner: "0a1b2c3d" }, source);
  const fingerprint = parse(accept.toString()).all("content")[0]!.path("transport", "fingerprint")!;
  assert.equal(fingerprint.attr("xmlns"), "urn:xmpp:jingle:apps:dtls:0");
  const add = parse(sourceChange("source-add", "s", "i", [source]).toString());
  assert.deepEqual(add.all("content").map((c) => c.attr("name")), ["video"]);
  assert.equal(parseSources(add).length, 1);
});
