import assert from "node:assert/strict";
import { test } from "node:test";
import { bitrate, lossOf, ofOther, ofOwn, ownLoss, since, strained, theirLoss, type Effort, type OtherFacts, type OwnFacts } from "../page/connection";
import { inOrder } from "../page/model";
import { News } from "../page/news";
import { Order } from "../page/order";
import { Stage, type Candidates } from "../page/stage";
import { rowTop, totalHeight, visibleRows, type Viewport } from "../page/virtual";
import { heightClass, Wanted, type Looking } from "../page/wanted";

/** Random numbers that are the same every time. */
function dice(seed: number): (n: number) => number {
  let x = seed;
  return (n) => ((x = (x * 1_103_515_245 + 12_345) % 2_147_483_648) >> 8) % n;
}

const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `p${i}`);
const none = (): boolean => false;

/** Seats that hold somebody else than before, among those in both. */
const moved = (a: readonly string[], b: readonly string[], upTo = Infinity): number => b.slice(0, upTo).filter((id, i) => i < a.length && a[i] !== id).length;

test("a speaker of the first page moves nobody", () => {
  const o = new Order();
  o.update(names(300), none);
  o.front = 20;
  const before = [...o.seats];
  for (let i = 0; i < 20; i++) {
    o.heard(`p${i}`, 1000 * i);
    assert.equal(o.bring(`p${i}`, 1000 * i, none), true);
  }
  assert.deepEqual(o.seats, before);
});

test("a speaker from another page changes places with who was silent longest", () => {
  const o = new Order();
  o.update(names(10), none);
  o.front = 3;
  for (const [id, at] of [["p0", 1], ["p1", 3], ["p2", 2]] as const) o.heard(id, at);
  o.heard("p7", 10_000);
  o.bring("p7", 10_000, (id) => id === "p0");
  assert.deepEqual(o.seats.slice(0, 3), ["p0", "p1", "p7"]);
  assert.equal(o.seats[7], "p2");
});

test("of those who never spoke the last one gives way, and who just spoke does not", () => {
  const o = new Order();
  o.update(names(10), none);
  o.front = 3;
  o.bring("p9", 50_000, none);
  assert.deepEqual(o.seats.slice(0, 3), ["p0", "p1", "p9"]);
  for (const id of ["p0", "p1", "p9"]) o.heard(id, 60_000);
  assert.equal(o.bring("p5", 61_000, none), false);
  assert.equal(o.bring("p5", 65_000, none), true);
  assert.equal(o.seats.indexOf("p5") < 3, true);
});

test("a debate of a few settles: after everybody has come to the first page nobody moves", () => {
  const [o, roll] = [new Order(), dice(7)];
  o.update(names(300), none);
  o.front = 12;
  const debaters = ["p3", "p40", "p99", "p120", "p200", "p201", "p299"];
  let moves = 0;
  for (let now = 0; now < 600_000; now += 2000) {
    const speaker = debaters[roll(debaters.length)]!;
    const before = [...o.seats];
    o.heard(speaker, now);
    o.bring(speaker, now, none);
    const changed = moved(before, o.seats);
    assert.ok(changed === 0 || changed === 2, `${changed} moved at once`);
    moves += changed / 2;
    assert.ok(o.seats.indexOf(speaker) < 12, `${speaker} is not seen`);
  }
  assert.equal(moves, 6);
});

test("whoever comes and goes, at most one seat changes for each that left, and nobody is lost", () => {
  const [o, roll] = [new Order(), dice(3)];
  o.front = 12;
  let here = names(60);
  o.update(here, none);
  for (let i = 0; i < 2000; i++) {
    const before = [...o.seats];
    const gone = roll(2) === 0 && here.length > 13 ? here[roll(here.length)]! : "";
    here = gone ? here.filter((id) => id !== gone) : [...here, `n${i}`];
    o.update(here, none);
    assert.deepEqual([...o.seats].sort(), [...here].sort());
    assert.ok(moved(before, o.seats) <= 1, `${moved(before, o.seats)} moved`);
    const speaker = here[roll(here.length)]!;
    o.heard(speaker, 5000 * i);
    o.bring(speaker, 5000 * i, none);
    assert.ok(o.seats.indexOf(speaker) < 12);
  }
});

test("in a room of one page those behind an empty seat move up; cameras come first", () => {
  const o = new Order();
  o.update(["a", "b", "c", "d"], (id) => id === "d");
  assert.deepEqual(o.seats, ["d", "a", "b", "c"]);
  o.front = 9;
  o.update(["b", "c", "d"], none);
  assert.deepEqual(o.seats, ["d", "b", "c"]);
});

const some = (c: Partial<Candidates>): Candidates => ({ all: new Set(["a", "b", "c", "s1", "s2", "me"]), screens: [], speaker: "", first: "a", ...c });

test("stage view shows who speaks, for a while at least", () => {
  const s = new Stage("stage");
  s.choose(some({}), 0);
  assert.equal(s.key, "a");
  s.choose(some({ speaker: "b" }), 1000);
  assert.equal(s.key, "a");
  s.choose(some({ speaker: "b" }), 2000);
  assert.equal(s.key, "b");
  s.choose(some({}), 9000);
  assert.equal(s.key, "b", "silence changes nothing");
  s.choose(some({ all: new Set(["a", "me"]), speaker: "a" }), 9001);
  assert.equal(s.key, "a", "who is gone is gone");
});

test("the newest screen comes on stage by itself, until tiles are asked for", () => {
  const s = new Stage("tiles");
  const look = (screens: string[], now: number): string => (s.choose(some({ screens, speaker: "b" }), now), s.key);
  assert.equal(look([], 0), "");
  assert.equal(look(["s1"], 1), "s1");
  assert.equal(look(["s1", "s2"], 2), "s2");
  s.toggle(["s1", "s2"]);
  assert.equal(look(["s1", "s2"], 3), "");
  assert.equal(look(["s1"], 4), "");
  assert.equal(look(["s1", "s2"], 5), "s2", "shared anew");
  assert.equal(look([], 6), "", "and back to tiles");
});

test("what is pinned stays large, whoever speaks or shares", () => {
  const s = new Stage("tiles");
  s.pin("c");
  s.choose(some({ screens: ["s1"], speaker: "b" }), 0);
  assert.equal(s.key, "c");
  s.pin("c");
  s.choose(some({ speaker: "b" }), 1);
  assert.equal(s.key, "");
  s.pin("c");
  s.choose(some({ all: new Set(["a"]) }), 2);
  assert.deepEqual([s.key, s.pinned], ["", ""]);
});

test("pictures are wanted in the class that fills what is shown", () => {
  assert.deepEqual([80, 180, 181, 352, 700, 1000, 4000].map((h) => heightClass(h, 1, 0)), [180, 180, 360, 360, 720, 1080, 2160]);
  assert.deepEqual([90, 120, 200].map((h) => heightClass(h, 2, 0)), [180, 360, 720].map((h) => Math.min(h, 360)).map((h, i) => (i === 2 ? 720 : h)));
});

test("a window that trembles about a limit changes nothing", () => {
  let before = 0;
  const asked = [355, 365, 358, 390, 362, 320, 170, 165, 175, 150].map((h) => (before = heightClass(h, 1, before)));
  assert.deepEqual(asked, [360, 360, 360, 360, 360, 360, 360, 360, 360, 180]);
  assert.equal(heightClass(400, 1, 360), 720);
});

const looking = (l: Partial<Looking>): Looking => ({
  shown: [{ key: "a-v0", height: 500, desktop: false }, { key: "b-v0", height: 99, desktop: false }, { key: "c-v1", height: 1000, desktop: true }],
  staged: "a-v0", quality: "best", away: false, pixelRatio: 1, lastN: -1, ...l,
});

test("only what is seen is asked for, within what was chosen", () => {
  const ask = (l: Partial<Looking>): unknown => {
    const c = new Wanted().next(looking(l));
    return [c.lastN, c.onStage, c.defaultHeight, [...c.heights.values()]];
  };
  assert.deepEqual(ask({}), [3, ["a-v0"], 0, [720, 180, 1080]]);
  assert.deepEqual(ask({ quality: "standard" }), [3, ["a-v0"], 0, [360, 180, 1080]]);
  assert.deepEqual(ask({ quality: "low" }), [3, ["a-v0"], 0, [180, 180, 720]]);
  assert.deepEqual(ask({ lastN: 2, staged: "" }), [2, [], 0, [720, 180, 1080]]);
  for (const l of [{ quality: "audio" }, { away: true }, { shown: [] }] as const) assert.deepEqual(ask(l as Partial<Looking>), [0, [], 0, []]);
});

test("news of a crowd is one sentence", () => {
  const n = new News();
  const come = (count: number): void => names(count).forEach((id) => n.came(id, id.toUpperCase()));
  come(1);
  assert.deepEqual(n.take(), ["P0 joined"]);
  come(2);
  n.went("x", "X");
  assert.deepEqual(n.take(), ["P0 and P1 joined", "X left"]);
  come(300);
  n.went("p7", "P7");
  assert.deepEqual(n.take(), ["299 people joined"]);
  assert.deepEqual([n.any, n.take()], [false, []]);
});

/** The slow obvious twin of visibleRows: looks at every row. */
function seen(v: Viewport): number[] {
  const top = Math.max(0, Math.min(v.scrollTop, totalHeight(v) - v.height));
  const out: number[] = [];
  for (let i = 0; i < v.count; i++) {
    const height = v.rowHeight + (i === v.open ? v.extra : 0);
    if (rowTop(v, i) < top + v.height && rowTop(v, i) + height > top) out.push(i);
  }
  return out;
}

test("all rows that can be seen are drawn, and few others", () => {
  const roll = dice(5);
  for (let n = 0; n < 3000; n++) {
    const count = roll(400);
    const v: Viewport = { scrollTop: roll(25_000) - 50, height: roll(900), rowHeight: 56, count, open: roll(count + 1) - 1, extra: 88, beyond: roll(5) };
    const { first, end } = visibleRows(v);
    for (const i of seen(v)) assert.ok(first <= i && i < end, `${i} is not in ${first}..${end} of ${JSON.stringify(v)}`);
    assert.ok(first >= 0 && end <= count && end - first <= v.height / 56 + 3 + 2 * v.beyond, JSON.stringify([v, first, end]));
  }
});

const fine: OtherFacts = { silent: false, told: { loss: 0, quality: 100 }, loss: 0, suspended: false, asked: 720, sends: 720, got: 720, downlink: 0, needed: 2_000_000, busy: false, slow: false };

test("the connection of others, in words", () => {
  const say = (f: Partial<OtherFacts>): [number, string] => {
    const c = ofOther({ ...fine, ...f });
    return [c.bars, c.text];
  };
  assert.deepEqual(say({}), [3, "Good"]);
  assert.deepEqual(say({ silent: true, suspended: true }), [0, "Their connection is interrupted"]);
  assert.deepEqual(say({ suspended: true, downlink: 600_000 }), [1, "Video paused: your connection carries 600 kbit/s"]);
  assert.deepEqual(say({ suspended: true }), [1, "Video is not arriving"]);
  assert.deepEqual(say({ suspended: true, slow: true }), [1, "Video is not arriving"], "a slow device is no reason while the way carries all");
  assert.deepEqual(say({ suspended: true, downlink: 90_000, slow: true }), [1, "Video paused: your device cannot keep up"]);
  assert.deepEqual(say({ suspended: true, downlink: 90_000, slow: true, busy: true }), [1, "Video paused: the server has too much to do"]);
  assert.deepEqual(say({ got: 180, busy: true }), [2, "Video reduced: the server has too much to do"]);
  assert.deepEqual(say({ got: 720, busy: true, downlink: 90_000 }), [3, "Good"], "nothing is missing");
  assert.deepEqual(say({ got: 180, downlink: 600_000 }), [2, "Video reduced: your connection carries 600 kbit/s"]);
  assert.deepEqual(say({ got: 180, sends: 180, downlink: 600_000 }), [3, "Good"], "more is not sent");
  assert.deepEqual(say({ got: 180, downlink: 5_000_000 }), [3, "Good"], "it is not our connection");
  assert.deepEqual(say({ loss: 8.4 }), [2, "Losing 8 % of packets"]);
  assert.deepEqual(say({ loss: 15, told: { loss: 12, quality: 50 } }), [1, "They are losing 12 % of packets"]);
  assert.deepEqual(say({ told: { loss: 0, quality: 30 } }), [2, "Their connection or device is weak"]);
  assert.deepEqual(say({ told: undefined, loss: undefined }), [-1, "Not measured yet"]);
});

test("our own connection, in words", () => {
  const own: OwnFacts = { interrupted: false, known: true, lossIn: 0, lossOut: 0, rtt: 30, downlink: 0, needed: 0, busy: false, slow: false };
  const say = (f: Partial<OwnFacts>): string => ofOwn({ ...own, ...f }).text;
  assert.deepEqual(
    [{}, { interrupted: true }, { known: false }, { lossOut: 5 }, { lossIn: 20 }, { downlink: 300_000, needed: 400_000 }, { rtt: 800 }].map(say),
    ["Good", "Your connection is interrupted", "Not measured yet", "You are losing 5 % of packets on the way out", "You are losing 20 % of packets on the way in",
      "Video reduced: your connection carries 300 kbit/s", "Slow: sound takes 400 ms to the server"],
  );
  const slow = "Your device cannot keep up: close other programs, or choose a lower video quality";
  assert.deepEqual(
    [{ slow: true }, { slow: true, downlink: 300_000, needed: 400_000 }, { slow: true, lossIn: 5 }, { busy: true, needed: 400_000, slow: true }, { busy: true }, { busy: true, interrupted: true }].map(say),
    [slow, slow, "You are losing 5 % of packets on the way in, perhaps because your device cannot keep up", "Video reduced: the server has too much to do", "Good", "Your connection is interrupted"],
  );
  assert.deepEqual([600_000, 999, 2_000_000, 2_540_000].map(bitrate), ["600 kbit/s", "10 kbit/s", "2 Mbit/s", "2.5 Mbit/s"]);
});

test("loss is measured between two readings of the same counters", () => {
  assert.equal(lossOf(since({ packets: 100, lost: 5 }, { packets: 190, lost: 15 })), 10);
  assert.equal(lossOf(since({ packets: 100, lost: 5 }, { packets: 120, lost: 15 })), undefined, "too few");
  assert.equal(lossOf(since({ packets: 900, lost: 5 }, { packets: 190, lost: 15 })), undefined, "began anew");
  assert.equal(lossOf(since(undefined, { packets: 190, lost: 15 })), undefined);
});

test("a device does not keep up when it has no time for pictures that came, or none for the page", () => {
  const calm: Effort = { received: 100, decoded: 98, limited: false, late: 0.05, loss: 0 };
  const slow = (e: Partial<Effort>): boolean => strained({ ...calm, ...e });
  assert.deepEqual([{}, { decoded: 60, loss: 5 }, { received: 40, decoded: 2 }, { received: 0, decoded: 0 }].map(slow), [false, false, false, false]);
  assert.deepEqual([{ decoded: 60 }, { limited: true }, { late: 0.5 }, { late: 0.5, loss: 30 }].map(slow), [true, true, true, true]);
});

test("when all of us lose packets nobody else is to blame, unless they stand out", () => {
  const roll = dice(11);
  for (let n = 0; n < 200; n++) {
    // 20 senders, 100 packets of each: about a tenth of them is lost on our way.
    const senders = Array.from({ length: 20 }, () => ({ upload: 0, loss: Array.from({ length: 100 }, () => Number(roll(10) === 0)).reduce((a, b) => a + b) }));
    senders[7]!.loss += 40;
    const own = ownLoss(senders);
    assert.ok(own >= 5 && own <= 15, `${own} % lost`);
    const theirs = senders.map((s) => theirLoss(s.loss, own));
    assert.ok(theirs[7]! > 30, `${theirs[7]} % of who loses much`);
    assert.ok(theirs.filter((x) => x >= 2).length <= 5, `${theirs} stand out`);
  }
  assert.deepEqual([theirLoss(1, 4), theirLoss(8, 0), theirLoss(0, 0)], [0, 8, 0]);
});

test("what is lost of one sender only is not our loss", () => {
  const s = (loss: number | undefined, upload = 0): { loss: number | undefined; upload: number } => ({ loss, upload });
  assert.deepEqual([[], [s(undefined)], [s(8)], [s(8), s(0)], [s(8), s(6), s(undefined)], [s(8, 7)], [s(9), s(2), s(3), s(0)], [s(9), s(2), s(3)]].map(ownLoss), [0, 0, 8, 0, 6, 1, 2, 3]);
});

test("screens keep their order", () => {
  assert.deepEqual(inOrder(["b", "a"], ["a", "c", "b"]), ["b", "a", "c"]);
});
