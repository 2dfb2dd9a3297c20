/** Where the next page of a list is: at the same registry, or nowhere. */
import { expect, test } from "bun:test";
import { nextPage } from "../../src/registry/pages.ts";

test.each([
  ['</v2/a/tags/list?last=b&n=2>; rel="next"', "/v2/a/tags/list?last=b&n=2"],
  ["<?last=b>; rel=next", "/v2/a/tags/list?last=b"],
  ['<https://registry.example/v2/a/tags/list?last=b>; rel="next"', "/v2/a/tags/list?last=b"],
  ['</v2/a/tags/list?last=b>; title="x"; REL="next"', "/v2/a/tags/list?last=b"],
  ['</v2/a/tags/list?last=b>; rel="prev"', undefined],
  ['<https://other.example/v2/a/tags/list?last=b>; rel="next"', undefined],
  ['<//other.example/v2/a>; rel="next"', undefined],
  ["nonsense", undefined],
  ["", undefined],
])("nextPage() of %p is %p", (link, wanted) => {
  const endpoint = {
    ...{ host: "registry.example", registry: "registry.example", repository: "a" },
    ...{ isInsecure: false, isMirror: false },
  };
  const response = new Response("", { headers: { link } });
  expect(nextPage(response, endpoint, "/v2/a/tags/list?n=2")).toBe(wanted);
});
