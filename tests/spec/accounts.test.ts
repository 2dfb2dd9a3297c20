/** passwd(5) and group(5) with the user that a container keeps. */
import { describe, expect, test } from "bun:test";
import { addGroup, addUser, largestId } from "../../src/spec/index.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n";
const group = "root:x:0:\nstaff:x:50:app\n";
const me = { name: "me", uid: 1001, gid: 1001, home: "/srv" };

describe("addUser()", () => {
  test("adds a line, after a missing newline and to nothing too", () => {
    const line = "me:*:1001:1001:me:/srv:/bin/sh\n";
    expect(addUser(passwd, me)).toBe(passwd + line);
    expect(addUser(passwd.trimEnd(), me)).toBe(passwd + line);
    expect(addUser("", me)).toBe(line);
  });

  test("leaves alone who is there by number", () => {
    expect(addUser(passwd, { ...me, uid: 1000 })).toBeUndefined();
  });

  test("does not take a name that is somebody's", () => {
    expect(addUser(passwd, { ...me, name: "app" })).toEndWith(
      "app1:*:1001:1001:app1:/srv:/bin/sh\n",
    );
  });
});

test("addGroup() does the same", () => {
  expect(addGroup(group, me)).toBe(`${group}me:x:1001:\n`);
  expect(addGroup(group, { name: "me", gid: 50 })).toBeUndefined();
  expect(addGroup(group, { name: "staff", gid: 51 })).toEndWith("staff1:x:51:\n");
});

test("largestId() passes over nobody", () => {
  expect(largestId(passwd, group)).toBe(1000);
  expect(largestId(`${passwd}nobody:x:65534:65534::/:\n`, `${group}big:x:2000:\n`)).toBe(2000);
  expect(largestId("", "")).toBe(0);
});
