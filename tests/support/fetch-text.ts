/** One request over a connection of its own, by a test that asks again until it likes the answer. */

/** An answer that has not come by then is lost: who asks again must not wait for it for ever. */
const patienceMs = 5_000;

/** What "http://ADDRESS" says. Null: nobody is there, or nobody answers. */
export async function fetchText(address: string): Promise<string | null> {
  try {
    const signal = AbortSignal.timeout(patienceMs);
    const answer = await fetch(`http://${address}`, { keepalive: false, signal });
    return await answer.text();
  } catch {
    return null;
  }
}
