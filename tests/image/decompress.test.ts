/** Who is to blame when the helper's decoder ends: the layer only where it says so. */
import { expect, test } from "bun:test";
import { decompress } from "../../src/image/decompress.ts";
import { failureOf } from "../support/image-store.ts";

/** The header of a zstd frame with a window of 64 MiB (RFC 8878 section 3.1.1.1). */
const large = Buffer.from("28b52ffd0080" + "010000".repeat(5), "hex");

test.each([
  [1, "layer.invalid", "its compression is damaged"],
  [2, "layer.invalid", "more than 128 MiB"],
  [125, "internal", "the helper ended with 125"],
])("status %d", async (status, code, why) => {
  const read = async (): Promise<void> => {
    const source = async function* (): AsyncIterable<Uint8Array> {
      yield large;
    };
    const helper = ["sh", "-c", `cat >/dev/null; exit ${status}`];
    for await (const _ of decompress(source(), "layer x", { helper })) throw new Error("no bytes");
  };
  const failure = await failureOf(read());
  expect(failure).toMatchObject({ code });
  expect(failure.text).toContain(why);
});
