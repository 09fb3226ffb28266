import assert from "node:assert/strict";
import { test } from "node:test";
import { el, escape, parse } from "../protocol/xml";

test("what is written can be read", () => {
  const e = el("message", { to: "a&b", type: "chat", none: undefined }, el("body", {}, "<hi> \"there\" & 'you' ✓"), null, "");
  const again = parse(e.toString());
  assert.equal(again.toString(), e.toString());
  assert.equal(again.attr("to"), "a&b");
  assert.equal(again.path("body")?.text(), "<hi> \"there\" & 'you' ✓");
  assert.equal(again.has("none"), false);
});

test("namespaces are inherited and prefixes resolved", () => {
  const e = parse(`<stream:features xmlns:stream='s' xmlns='c'><sm xmlns='urn:xmpp:sm:3'/><bind/></stream:features>`);
  assert.deepEqual([e.name, e.ns], ["features", "s"]);
  assert.equal(e.child("sm", "urn:xmpp:sm:3")?.name, "sm");
  assert.equal(e.child("bind")?.ns, "c");
});

test("references and CDATA", () => {
  assert.equal(parse("<a>&lt;&#65;&#x1F600;&apos;<![CDATA[<x>&]]></a>").text(), "<A😀'<x>&");
});

test("what XMPP forbids is refused", () => {
  const bad = [
    "", "<a>", "<a></b>", "<a/><b/>", "<a b=1/>", "<a b='1' b='2'/>", "<a>&nope;</a>", "<a>&</a>", "<!DOCTYPE a><a/>", "<a><!-- x --></a>",
    "<a b='<'/>", "<x:a/>", "text", `${"<a>".repeat(80)}${"</a>".repeat(80)}`,
  ];
  for (const text of bad) assert.throws(() => parse(text), text);
});

test("control characters do not get out", () => {
  assert.equal(escape("a\u0000b\u001b"), "a\ufffdb\ufffd");
});
