/** What a user may type wrong: one sentence, the right status, nothing on standard output, nothing left. */
import { describe, expect } from "bun:test";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "commandless"] });

/** Words, then what the message must name. */
const wrong: [string, RegExp][] = [
  ["rnu tiny", /rnu[\s\S]*run/],
  ["--log-level=debug ps", /"--log-level"[\s\S]*TSPOD_DEBUG=1/],
  ["-H tcp://x ps", /"-H"[\s\S]*no daemon/],
  ["--nope ps", /"--nope"[\s\S]*COMMAND --help/],
  ["run", /image/i],
  ["run --rm", /image/i],
  ["run --rm Tiny true", /Tiny/],
  ["run --rm tiny:bad:tag true", /tiny:bad:tag/],
  ["run --rm tiny@sha256:12 true", /sha256:12/],
  ["run --rm commandless", /command/i],
  ["run --rm --name a/b tiny true", /a\/b/],
  ["run --rm --name=- tiny true", /"?-"?/],
  ["run --rm -e =x tiny true", /=x/],
  ["run --rm -v /a:b tiny true", /b/],
  ["run --rm -v /etc:/x:oops tiny true", /oops/],
  ["run --rm -v :/x tiny true", /:\/x/],
  ["run --rm --tmpfs relative tiny true", /relative/],
  ["run --rm --env-file /does/not/exist tiny true", /\/does\/not\/exist/],
  ["run --rm --stop-signal SIGNOPE tiny true", /SIGNOPE/],
  ["run --rm --pull sometimes tiny true", /sometimes/],
  ["run --rm --platform vax tiny true", /vax/],
  ["run --rm --platform windows/amd64 tiny true", /windows\/amd64/],
  ["run --rm --no-such-flag tiny true", /--no-such-flag/],
  ["run --rm -Z tiny true", /-Z/],
  ["run --rm -w relative tiny true", /relative/],
  ["run --rm --hostname bad_host! tiny true", /bad_host!/],
  ["logs", /container/i],
  ["logs nobody", /nobody/],
  ["stop -t soon nobody", /soon/],
  ["kill -s NOPE nobody", /NOPE/],
  ["rmi nothing", /nothing/],
  ["ps --filter colour=red", /colour/],
  ["version --format {{.Nope}}", /Nope/],
  ["info --format {{.Nope}}", /no field "\.Nope"/],
  ["info --format {{.Host.Nope}}", /no field "\.Nope"/],
  ["ps --format {{.Names", /column 1.*\{\{/],
  ["ps --format {{.Nmaes}}", /no field "\.Nmaes"[\s\S]*\.Names/],
  ["ps --format {{range.}}{{.Nmaes}}{{end}}", /no field "\.Nmaes"/],
  ["run --rmi --rootfs / true", /--rmi with --rootfs/],
  ["create --rmi tiny true", /--rmi.*run --rmi/],
  ["create --attach stdout tiny", /--attach.*start -a/],
  ["create --personality BSD tiny", /--personality "BSD"[\s\S]*LINUX32/],
  ["container checkpoint nobody", /no checkpoints/],
  ["container clone nobody", /tspod commit/],
  ["pod create x", /no pods[\s\S]*--network container:NAME/],
  ["generate systemd web", /README/],
  ["update --env =b nobody", /"=b": it has no name/],
  ["restart --signal NOPE nobody", /NOPE/],
  ["rm --link nobody", /--link.*network/],
  ["start --checkpoint x nobody", /--checkpoint.*no checkpoints/],
  ["logs --since soon nobody", /--since "soon"[\s\S]*2026-01-31/],
  ["ps one", /usage: tspod ps \[FLAGS\]; see/],
  ["update --ulimit nofile=1 nobody", /--ulimit.*from its beginning/],
  ["create --seccomp-policy image tiny", /--security-opt seccomp=FILE/],
  ["create --isolation hyperv tiny", /hyperv.*Windows/],
  ["create --shm-size-systemd much tiny", /--shm-size-systemd "much"/],
  ["run --use-api-socket tiny", /--use-api-socket.*daemon/],
  ["completion tcsh", /tcsh/],
  ["image scp a b::", /ssh HOST tspod load/],
  ["system reset -f", /rmi -af/],
  ["push --sign-passphrase-file x tiny", /cosign/],
  ["manifest push --compression-format zstd x", /tspod push compresses/],
  ["images --history", /not kept/],
  ["import --platform linux/vax/1/2 x", /vax/],
  ["import --arch arm64 --platform linux/arm64 x", /--platform.*--arch/],
];

describe("tspod", () => {
  test.each(wrong)("%s", async (words, names) => {
    const { world } = shared;
    const { exitCode, stdout, stderr } = await world.tspod(words.split(" "));
    expect(stderr).toMatch(names);
    expect(stderr).not.toMatch(/\n\s+at |TypeError|undefined|\[object|internal/);
    expect(stderr.trim().split("\n").length).toBeLessThanOrEqual(4);
    expect(stdout).toBe("");
    expect([1, 125]).toContain(exitCode);
    expect(await world.ok("ps", "-aq")).toBe("");
  });

  test("without a word shows help; --help and help COMMAND too", async () => {
    const { world } = shared;
    const help = await world.tspod(["--help"]);
    expect(help.exitCode).toBe(0);
    for (const command of ["run", "ps", "pull", "images", "logs", "exec"]) {
      expect(help.stdout).toMatch(new RegExp(`^\\s+${command}\\s`, "m"));
    }
    const run = await world.tspod(["run", "--help"]);
    expect(run.exitCode).toBe(0);
    for (const flag of ["--rm", "--name", "--entrypoint", "--read-only", "--cidfile", "-v", "-e"]) {
      expect(run.stdout).toContain(flag);
    }
  });

  test("version and info say what they are", async () => {
    const { world } = shared;
    expect(await world.ok("version")).toMatch(/\d+\.\d+\.\d+/);
    expect(await world.ok("--version")).toMatch(/\d+\.\d+\.\d+/);
    const info = await world.ok("info");
    expect(info).toContain(world.root);
    expect(info).toMatch(/overlay/);
    const podmans = "{{.Host.OCIRuntime.Name}} {{.Store.GraphRoot}} {{.Version.Version}}";
    const version = await world.ok("version", "--format", "{{.Client.Version}}");
    expect(await world.ok("info", "-f", podmans)).toBe(`tspod ${world.root}/data ${version}`);
    expect(JSON.parse(await world.ok("info", "-f", "{{json .Host}}"))).toMatchObject({
      ...{ os: "linux", ociRuntime: { name: "tspod" } },
    });
    const dockers = "{{.ServerVersion}} {{.OSType}} {{.Swarm.LocalNodeState}}";
    expect(await world.ok("info", "-f", dockers)).toBe(`${version} linux inactive`);
    expect(JSON.parse(await world.ok("info", "-f", "json"))).toMatchObject({
      ...{ ServerVersion: version, host: { os: "linux", ociRuntime: { name: "tspod" } } },
    });
  });
});

test.each([
  [["UPPER:bad:name"], 'Cannot find a container, image, volume or network "UPPER:bad:name"'],
  [[""], 'Cannot find a container, image, volume or network ""'],
  [["--type", "image", "UPPER"], "must be lower case"],
])("inspect %j finds nothing, whatever could be called so", async (words, sentence) => {
  const { exitCode, stdout, stderr } = await shared.world.tspod(["inspect", ...words]);
  expect([exitCode, stdout, stderr]).toEqual([125, "[]\n", expect.stringContaining(sentence)]);
});
