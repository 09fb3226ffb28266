import assert from "node:assert/strict";
import { test } from "node:test";
import { discoInfo, features, verification } from "../protocol/caps";
import { sha1 } from "../protocol/sha1";
import { el } from "../protocol/xml";

const hex = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");

test("SHA-1 test vectors of RFC 3174", () => {
  const of = (s: string): string => hex(sha1(new TextEncoder().encode(s)));
  assert.equal(of("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  assert.equal(of(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  assert.equal(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  assert.equal(of("a".repeat(1000)), "291e9a6c66994949b57ba5e650361e98fc36b1ba");
});

test("the verification string is over what disco#info answers", () => {
  const answer = discoInfo(el("query", { node: "n" }));
  assert.equal(answer.attr("node"), "n");
  const vars = answer.all("feature").map((f) => f.attr("var"));
  assert.deepEqual(vars, features);
  assert.equal(verification(vars), verification());
  assert.notEqual(verification(vars.slice(1)), verification());
});
