/** Bytes of a stream by count, with no more of it in memory than one of its chunks. */
export class ByteReader implements Disposable {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** As many as are there at once, at most `max`. Undefined: the end. */
  async next(max: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#iterator.next();
      if (done === true) return undefined;
      this.#chunk = value;
    }
    const taken = this.#chunk.subarray(0, max);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /** Exactly so many, or fewer before the end. Undefined: there are none. */
  async take(count: number): Promise<Uint8Array | undefined> {
    const first = await this.next(count);
    if (first === undefined || first.length === count) return first;
    const parts = [first];
    for (let left = count - first.length; left > 0;) {
      const part = await this.next(left);
      if (part === undefined) break;
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** False: the end came before. */
  async skip(count: number): Promise<boolean> {
    for (let left = count; left > 0;) {
      const part = await this.next(left);
      if (part === undefined) return false;
      left -= part.length;
    }
    return true;
  }

  /** Reads all that is left. */
  async isZeroToEnd(): Promise<boolean> {
    for (;;) {
      const part = await this.next(Infinity);
      if (part === undefined) return true;
      if (!part.every((byte) => byte === 0)) return false;
    }
  }

  /** The source need not be read any more. */
  [Symbol.dispose](): void {
    void this.#iterator.return?.()?.catch?.(() => undefined);
  }
}
