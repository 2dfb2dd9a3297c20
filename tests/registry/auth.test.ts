/** Where a registry may send us for a token: it gets the user's name and password. */
import { expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import { createAuthenticator } from "../../src/registry/auth.ts";
import type { Endpoint } from "../../src/registry/registries-conf.ts";
import { createTransport, type Transport } from "../../src/registry/transport.ts";

/** The address that was asked, or why none was. */
async function askedFor(host: string, realm: string, isInsecure = false): Promise<string> {
  let asked = "";
  const transport: Transport = {
    ...createTransport({ signal: new AbortController().signal, onRetry: () => undefined }),
    async sendTo(url) {
      asked = url;
      return new Response('{"token":"t"}');
    },
  };
  const findCredentials = async () => ({ kind: "password", username: "u", password: "p" }) as const;
  const endpoint: Endpoint = {
    ...{ host, isInsecure, registry: host, repository: "a", isMirror: false },
  };
  const challenge = { "www-authenticate": `Bearer realm="${realm}"` };
  const response = new Response(null, { status: 401, headers: challenge });
  const failing = { what: "a", registry: host };
  try {
    await createAuthenticator(transport, findCredentials).answer(endpoint, {
      ...{ response, used: undefined, failing },
    });
  } catch (error) {
    expect(error).toBeInstanceOf(TspodError);
    expect(asked).toBe("");
    return (error as TspodError).message; // the line before the last
  }
  return new URL(asked).origin;
}

const refused = 'Cannot pull "a": HOST names no usable token service';

test.each([
  ["registry.example", "https://auth.example/token", false, "https://auth.example"],
  ["registry.example", "http://auth.example/token", false, refused],
  ["registry.example", "http://auth.example/token", true, "http://auth.example"],
  ["localhost:5000", "http://auth.example/token", false, "http://auth.example"],
  ["127.0.0.1:5000", "http://127.0.0.1/token", false, "http://127.0.0.1"],
  // of the name alone nothing follows
  ["localhost.example", "http://auth.example/token", false, refused],
  ["127.0.0.1.example", "http://auth.example/token", false, refused],
  ["registry.example", "file:///etc/passwd", true, refused],
  ["registry.example", "/token", true, refused],
  ["registry.example", "", true, refused],
])("%s sends us to %p (insecure: %p): %s", async (host, realm, isInsecure, wanted) => {
  expect(await askedFor(host, realm, isInsecure)).toBe(wanted.replace("HOST", host));
});
