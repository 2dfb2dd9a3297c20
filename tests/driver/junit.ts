/** Reads the JUnit file that `bun test` writes: how many cases there were, which were skipped, which failed. Pure. */

export interface JunitReport {
  passed: number;
  failed: string[];
  skipped: string[];
}

/** Bun writes one `<testcase .../>` or `<testcase ...>...</testcase>` per case and no attribute holds a raw `>`. */
export function parseJunit(xml: string): JunitReport {
  const report: JunitReport = { passed: 0, failed: [], skipped: [] };
  for (const match of xml.matchAll(/<testcase\s([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const [, attributes = "", body = ""] = match;
    const name = `${attribute(attributes, "file")}: ${attribute(attributes, "name")}`;
    if (/<(failure|error)\b/.test(body)) report.failed.push(name);
    else if (/<skipped\b/.test(body)) report.skipped.push(name);
    else report.passed += 1;
  }
  return report;
}

function attribute(attributes: string, name: string): string {
  const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return value.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => entities[entity] ?? "");
}

const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
