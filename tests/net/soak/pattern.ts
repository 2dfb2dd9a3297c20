/** Bytes that tell which stream they belong to and where in it: what is lost, doubled, moved or of others is seen. */

/** A prime: no power of two that anybody's buffers have falls together with it. */
const period = 65521;
const twice = Buffer.alloc(2 * period);
let state = 1;
for (let i = 0; i < period; i += 1) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  twice[i] = state >>> 16;
  twice[i + period] = state >>> 16;
}

export const piece_bytes_max = period;

/** At most `piece_bytes_max` of the stream `seed` from `place` on. */
export function piece(seed: number, place: number, bytes: number): Buffer {
  const start = (seed + place) % period;
  return twice.subarray(start, start + bytes);
}

/** Takes a stream as it comes, and throws at the first byte that is not what it should be. */
export class Checker {
  place = 0;
  readonly seed: number;
  readonly length: number;

  constructor(seed: number, length: number) {
    this.seed = seed;
    this.length = length;
  }

  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const bytes = Math.min(period, chunk.length - at);
      const expected = piece(this.seed, this.place, bytes);
      if (expected.compare(chunk, at, at + bytes) !== 0) {
        throw new Error(`wrong bytes from ${this.place} on, of ${this.length}`);
      }
      at += bytes;
      this.place += bytes;
    }
    if (this.place > this.length) throw new Error(`${this.place} bytes instead of ${this.length}`);
  }

  end(): void {
    if (this.place !== this.length) {
      throw new Error(`it ended after ${this.place} bytes instead of ${this.length}`);
    }
  }
}
