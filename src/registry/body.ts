/** Reading bodies of strangers: bounded in size, and in how long they may pause. */
import { setTimeout as pause } from "node:timers/promises";
import { TspodError } from "../errors.ts";
import { type Failing, networkError } from "./errors.ts";
import type { Transport } from "./transport.ts";

type Limits = Pick<Transport, "limits" | "signal">;

export interface Answer {
  readonly response: Response;
  readonly text: string;
}

/**
 * What `ask` answers, with its whole body as text: asked again when that breaks off, as a request is that gets no answer.
 * Throws what limitedText() throws.
 */
export async function askForText(
  ask: () => Promise<Response>,
  sizeBytesMax: number,
  transport: Limits & Pick<Transport, "onRetry">,
  failing: Failing,
): Promise<Answer> {
  const { retryCountMax, retryDelayMs, retryDelayMsMax } = transport.limits;
  for (let attempt = 1; ; attempt++) {
    const response = await ask();
    try {
      return { response, text: await limitedText(response, sizeBytesMax, transport, failing) };
    } catch (error) {
      transport.signal.throwIfAborted();
      const isBroken = error instanceof TspodError && error.code === "registry.unreachable";
      if (!isBroken || attempt > retryCountMax) throw error;
      transport.onRetry(`${failing.registry} broke off its answer: trying again (${attempt})`);
      const delayMs = Math.min(retryDelayMs * 2 ** (attempt - 1), retryDelayMsMax);
      await pause(delayMs, undefined, { signal: transport.signal });
    }
  }
}

/** A whole body as text. Throws registry.too_large before more than `sizeBytesMax` are kept. */
export async function limitedText(
  response: Response,
  sizeBytesMax: number,
  transport: Limits,
  failing: Failing,
): Promise<string> {
  const tooLarge = (): TspodError =>
    new TspodError(
      "registry.too_large",
      `Cannot read "${failing.what}": ${failing.registry} sends more than ${sizeBytesMax} bytes where a manifest belongs`,
      { next: "it is the registry's fault" },
    );
  if (Number(response.headers.get("content-length") ?? 0) > sizeBytesMax) {
    await response.body?.cancel();
    throw tooLarge();
  }
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of bodyChunks(response, transport, failing)) {
    size += chunk.length;
    if (size > sizeBytesMax) throw tooLarge();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The body piece by piece; leaving the loop cancels it. Throws registry.unreachable when it stalls or breaks off. */
export async function* bodyChunks(
  response: Response,
  { limits, signal }: Limits,
  failing: Failing,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    while (true) {
      const piece = await readInTime(reader, limits.stallTimeoutMs);
      if (piece.done) return;
      yield piece.value;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason ?? error;
    throw error instanceof TspodError ? error : networkError(failing, error);
  } finally {
    reader.cancel().catch(() => undefined); // it has ended or broken: there is nothing left to tell
  }
}

type Piece = { done: false; value: Uint8Array } | { done: true; value?: Uint8Array | undefined };

function readInTime(reader: { read(): Promise<Piece> }, timeoutMs: number): Promise<Piece> {
  const { promise, resolve, reject } = Promise.withResolvers<Piece>();
  const timer = setTimeout(
    () => reject(Object.assign(new Error("stalled"), { name: "TimeoutError" })),
    timeoutMs,
  );
  reader.read().then(resolve, reject);
  return promise.finally(() => clearTimeout(timer));
}
