/** References: the grammar and the normalisation of short names, compared with what docker does. */
/** Image references: what is accepted, what it means, and that printing gives it back. */
import { expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import {
  familiarReference,
  formatReference,
  hasRegistry,
  parseReference,
} from "../../src/oci/index.ts";

const hex = "0123456789abcdef".repeat(4);

test.each([
  ["alpine", "docker.io/library/alpine:latest", "alpine:latest"],
  ["alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"],
  ["library/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
  ["team/app", "docker.io/team/app:latest", "team/app:latest"],
  ["docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
  ["index.docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
  ["localhost/x", "localhost/x:latest", "localhost/x:latest"],
  ["localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"],
  ["localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"],
  ["127.0.0.1:5000/a/b/c:1", "127.0.0.1:5000/a/b/c:1", "127.0.0.1:5000/a/b/c:1"],
  ["[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"],
  ["quay.io/a/b__c.d-e", "quay.io/a/b__c.d-e:latest", "quay.io/a/b__c.d-e:latest"],
  ["Upper/x", "Upper/x:latest", "Upper/x:latest"],
  [`alpine@sha256:${hex}`, `docker.io/library/alpine@sha256:${hex}`, `alpine@sha256:${hex}`],
  [`alpine:3@sha256:${hex}`, `docker.io/library/alpine@sha256:${hex}`, `alpine@sha256:${hex}`],
  ["a:5000", "docker.io/library/a:5000", "a:5000"],
])("parseReference() normalises %s as docker does", (text, canonical, familiar) => {
  const reference = parseReference(text);
  expect(formatReference(reference)).toBe(canonical);
  expect(familiarReference(reference)).toBe(familiar);
  expect(formatReference(parseReference(canonical))).toBe(canonical);
  expect(formatReference(parseReference(familiar))).toBe(canonical);
});

test.each([
  "",
  " ",
  "a b",
  "Alpine",
  "a/B",
  "-a",
  "a-",
  "a..b",
  "a___b",
  "a/",
  "/a",
  "a//b",
  ":tag",
  "a:",
  "a:-x",
  "a:b:c",
  `a:${"t".repeat(129)}`,
  "a@",
  "a@sha256:12",
  `a@sha512:${hex}${hex}`,
  `a@sha256:${hex}0`,
  hex,
  `x.io/${hex.slice(1)}!`,
  "x.io:port/a",
  "http://x.io/a",
  "a\u0000b",
  "é",
  `${"a/".repeat(130)}a`,
  "../a",
  "a@b@c",
  "x_y.z/a",
])("parseReference() refuses %j in one sentence", (text) => {
  try {
    parseReference(text);
  } catch (error) {
    expect(error).toBeInstanceOf(TspodError);
    expect(["reference.invalid", "digest.invalid"]).toContain((error as TspodError).code);
    return;
  }
  throw new Error("it was taken");
});

test("hasRegistry() tells a named registry from docker.io's short names", () => {
  expect(["a", "a/b", "a:1", "library/a"].map(hasRegistry)).toEqual([false, false, false, false]);
  expect(["localhost/a", "a.io/b:1", "h:5000/a"].map(hasRegistry)).toEqual([true, true, true]);
});
