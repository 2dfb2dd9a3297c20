/** Whether an answer is the part of a blob that was asked for: RFC 9110 section 14.4, "bytes 100-199/200". */

/** The registry answers otherwise than it was asked: with all of it, with another part, with more. */
export class NotThatRange extends Error {}

/** Whether a body begins at `offset`. */
export function continues(response: Response, offset: number): boolean {
  return response.status === 206 ? firstOf(response)?.start === offset : offset === 0;
}

/** Whether it is a part of so large a blob and begins there; that it ends where it should is counted. */
export function isRange(response: Response, offset: number, totalBytes: number): boolean {
  const first = response.status === 206 ? firstOf(response) : undefined;
  return first?.start === offset && (first.total === undefined || first.total === totalBytes);
}

function firstOf(response: Response): { start: number; total?: number } | undefined {
  const text = response.headers.get("content-range") ?? "";
  const [, start, total] = /^bytes (\d{1,15})-(?:\d{1,15}\/(\d{1,15})$)?/.exec(text) ?? [];
  if (start === undefined) return undefined;
  return { start: Number(start), ...(total === undefined ? {} : { total: Number(total) }) };
}
