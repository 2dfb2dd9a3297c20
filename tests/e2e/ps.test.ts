/** ps: which containers, in which order, with which columns and formats. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { type Box, createBox, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "layered"] });
const names = async (...words: string[]): Promise<string> => {
  const text = await shared.world.ok("ps", "-a", "--format", "{{.Names}}", ...words);
  return text.split("\n").join(" ");
};

describe("ps -a", () => {
  const boxes: Box[] = [];
  const longest = { timeout: 60_000 };
  beforeAll(async () => {
    const { world } = shared;
    boxes.push(await createBox(world, "--name", "idle", "-l", "tier=back", "layered", "true"));
    boxes.push(await runBox(world, "exit 3", "--name", "ended-3", "--network", "none"));
    await world.ok("wait", "ended-3");
    boxes.push(
      await runBox(
        world,
        "sleep 1000",
        "--name",
        "web",
        "-l",
        "tier=front",
        "-l",
        "x",
        "-v",
        "data:/data",
      ),
    );
    boxes.push(await runBox(world, "sleep 1000", "--name", "webmail", "-l", "tier=front"));
  }, longest);
  afterAll(async () => {
    for (const box of boxes) await box[Symbol.asyncDispose]();
  }, longest);

  test.each<[string, string]>([
    ["", "webmail web ended-3 idle"],
    ["-f name=web", "webmail web"],
    ["-f name=^web$", "web"],
    ["-f name=^/web$", "web"],
    ["-f name=.*-3", "ended-3"],
    ["-f name=idle -f name=ended", "ended-3 idle"],
    ["-f label=tier", "webmail web idle"],
    ["-f label=tier=front", "webmail web"],
    ["-f label=tier=front -f label=x", "web"],
    ["-f label!=tier=front", "ended-3 idle"],
    ["-f status=running", "webmail web"],
    ["-f status=created -f status=exited", "ended-3 idle"],
    ["-f status=stopped", "ended-3"],
    ["-f exited=3", "ended-3"],
    ["-f exited=0", ""],
    ["-f ancestor=tiny", "webmail web ended-3"],
    ["-f ancestor=docker.io/library/layered:latest", "idle"],
    ["-f ancestor=unheard-of", ""],
    ["-f before=web", "ended-3 idle"],
    ["-f since=ended-3", "webmail web"],
    ["-f since=ended-3 -f before=webmail", "web"],
    ["-f volume=data", "web"],
    ["-f volume=/data", "web"],
    ["-f network=none", "ended-3"],
    ["-f health=none", "webmail web ended-3 idle"],
    ["-f is-task=true", ""],
    ["-f restart-policy=no", "webmail web ended-3 idle"],
    ["-f restart-policy=always", ""],
    ["-f command=true", "idle"],
    ["-f until=10m", ""],
    ["-f until=2001-01-01", ""],
    ["-f publish=80", ""],
    ["-f expose=80-90/udp", ""],
    ["-f pod=x", ""],
    ["-n 2", "webmail web"],
    ["--last 2 -f label=tier", "webmail web"],
    ["-l", "webmail"],
    ["--sort names", "ended-3 idle web webmail"],
    ["--sort created", "idle ended-3 web webmail"],
    ["--sort status -f name=web -f name=idle", "idle webmail web"],
    ["--sync --external", "webmail web ended-3 idle"],
  ])("%s", async (words, expected) => {
    expect(await names(...words.split(" ").filter(Boolean))).toBe(expected);
  });

  test("--size, --ns, --pod, --noheading and --no-trunc change the table", async () => {
    const { world } = shared;
    await world.ok("exec", "web", "sh", "-c", "head -c 3000 /dev/zero > /tmp/three");
    const sized = await world.ok("ps", "-s", "-f", "name=^web$");
    expect(sized).toMatch(/SIZE\n.* 3kB \(virtual [\d.]+[kM]B\)$/);
    const spaces = await world.ok("ps", "--ns", "-f", "name=^web$");
    expect(spaces).toMatch(
      /^CONTAINER ID +NAMES +PID +CGROUPNS +IPC +MNT +NET +PIDNS +USERNS +UTS\n/,
    );
    expect(spaces).toMatch(/ web +\d+( +\d{10}){7}$/);
    expect(await world.ok("ps", "--pod", "--noheading", "-f", "name=^web$")).toMatch(
      /^[0-9a-f]{12} +tiny/,
    );
    expect(await world.ok("ps", "--no-trunc", "-q", "-f", "name=^web$")).toBe(boxes[2]?.id ?? "");
  });

  test("--format json is a line for each container, with docker's fields", async () => {
    const text = await shared.world.ok("ps", "-a", "--format", "json");
    const rows = text.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.map(({ Names }) => Names)).toEqual(["webmail", "web", "ended-3", "idle"]);
    expect(rows[1]).toMatchObject({
      ...{ Image: "tiny", State: "running", Labels: "tier=front,x=", Mounts: "/data" },
      ...{ LocalVolumes: "1", Networks: "private", Ports: "", Size: "" },
    });
    expect(rows[1]?.CreatedAt).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC$/);
    expect(rows[2]).toMatchObject({ ExitCode: 3, Exited: true, State: "exited" });
  });

  test.each<[string, string]>([
    ['{{.Names}}|{{.Label "tier"}}', "web|front"],
    ["{{upper .Names}} {{len .ID}}", "WEB 12"],
    ['{{if eq .State "running"}}up{{else}}down{{end}}', "up"],
    ['{{printf "%s-%s" .Names .State}}', "web-running"],
    ['{{range split .Labels ","}}<{{.}}>{{end}}', "<tier=front><x=>"],
    ['{{join (split .Labels ",") "+"}}', "tier=front+x="],
    ["{{json .Names}}", '"web"'],
    ["{{.State | title}}", "Running"],
    ["table {{.Names}}\t{{.Networks}}", "NAMES     NETWORKS\nweb       private"],
  ])("--format %s", async (format, expected) => {
    expect(await shared.world.ok("ps", "-f", "name=^web$", "--format", format)).toBe(expected);
  });

  test("a field that is none: the exit code and a sentence that names the nearest", async () => {
    for (const words of [
      ["ps", "-a", "--format", "{{.Nmaes}}"],
      ["ps", "-a", "--format", "table {{.Nmaes}}"],
      ["inspect", "-f", "{{.Nmae}}", "web"],
      ["stats", "--no-stream", "--format", "{{.Nmae}}"],
      ["events", "--stream=false", "--format", "{{.Nmae}}"],
      ["system", "df", "--format", "{{.Siez}}"],
    ]) {
      const { exitCode, stdout, stderr } = await shared.world.tspod(words);
      expect([words.join(" "), exitCode, stdout]).toEqual([words.join(" "), 125, ""]);
      expect(stderr).toMatch(/Nmaes?|Siez/);
      expect(stderr).toMatch(/\.Names?|\.Size/);
    }
  });
});
