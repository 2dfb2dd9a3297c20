/** `tspod secret create`. */
import { SQLiteError } from "bun:sqlite";
import { openSync, readFileSync, readSync } from "node:fs";
import { TspodError } from "../../errors.ts";
import { transact } from "../../store/database.ts";
import { recordEvent } from "../../store/events.ts";
import { deleteSecret, findSecretRecords, insertSecret } from "../../store/secrets.ts";
import { type CliContext, defineCommand } from "../command.ts";
import { boolean, list, value } from "../flags.ts";
import { parseLabels } from "../options/labels.ts";
import { print } from "../output/print.ts";

/** podman's and docker's. */
const secretBytesMax = 512_000;
const idBytes = 25;

export default defineCommand({
  path: ["secret", "create"],
  usage: "NAME FILE|-",
  summary: "Keep a secret, from a file, standard input or a variable",
  examples: [
    ["From standard input", "printf %s $PASSWORD | tspod secret create password -"],
    ["From a variable", "tspod secret create --env password PASSWORD"],
  ],
  flags: {
    driver: value("-d,--driver", "DRIVER", "file is the only one", ["file"]),
    env: boolean("--env", "The second argument is the name of a variable"),
    ignore: boolean("--ignore", "One that is there already is no error"),
    label: list("-l,--label", "KEY=VALUE", "Attach a label"),
    replace: boolean("--replace", "Instead of one of that name"),
  },
  args: { min: 1, max: 2, completes: "none" },
  refused: { "--driver-opts": "secrets are kept in the store, and there is nothing to choose" },
  async run(context, flags, [name = "", source]) {
    if (flags.driver !== null && flags.driver !== "file") {
      throw new TspodError("usage", `There is no secret driver "${flags.driver}"`, {
        next: "leave it away: secrets are kept in the store",
      });
    }
    requireName(name);
    const data = flags.env ? fromVariable(context, source ?? name) : fromFile(source ?? "-");
    requireSize(name, data);
    const now = context.now();
    const record = {
      ...{ id: newId(), name, labels: parseLabels(flags.label), createdAt: now, updatedAt: now },
    };
    const { database } = context;
    const insert = (): string => {
      const [known] = findSecretRecords(database, name).filter((one) => one.name === name);
      if (known !== undefined && flags.replace) deleteSecret(database, known.id);
      else if (known !== undefined && flags.ignore) return known.id;
      insertSecret(database, record, data);
      return record.id;
    };
    const id = insertOrExplain(name, () => transact(database, insert, { durable: true }));
    if (id === record.id) recordEvent(context, { type: "secret", status: "create", id, name });
    await print(`${id}\n`);
    return 0;
  },
});

function insertOrExplain(name: string, insert: () => string): string {
  try {
    return insert();
  } catch (cause) {
    const isTaken =
      cause instanceof SQLiteError && (cause.code ?? "").startsWith("SQLITE_CONSTRAINT");
    if (!isTaken) throw cause;
    throw new TspodError("secret.exists", `There is a secret "${name}" already`, {
      next: "remove it first, or use --replace",
      cause,
    });
  }
}

function requireName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,252}$/.test(name)) return;
  throw new TspodError("secret.invalid", `Invalid secret name "${name}"`, {
    next: "use letters, digits, '_', '.' and '-', starting with a letter or digit",
  });
}

function requireSize(name: string, data: Uint8Array): void {
  if (data.length > 0 && data.length <= secretBytesMax) return;
  const why = data.length === 0 ? "is empty" : `has more than ${secretBytesMax} bytes`;
  throw new TspodError("secret.invalid", `The secret "${name}" ${why}`, {
    next: "a secret is a password, a key or a certificate",
  });
}

function fromVariable({ environment }: CliContext, variable: string): Uint8Array {
  const text = environment[variable];
  if (text !== undefined) return new TextEncoder().encode(text);
  throw new TspodError("usage", `There is no variable "${variable}"`, {
    next: "set and export it",
  });
}

/** No more of it than is needed to see that it is too large. */
function fromFile(path: string): Uint8Array {
  try {
    const descriptor = path === "-" ? 0 : openSync(path, "r");
    const data = new Uint8Array(secretBytesMax + 1);
    let length = 0;
    while (length < data.length) {
      const count = readSync(descriptor, data, length, data.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return data.subarray(0, length);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (path === "-" && code === "EAGAIN") return readFileSync("/dev/stdin"); // somebody's end does not block
    throw new TspodError("usage", `Cannot read the secret from "${path}" (${code})`, {
      next: "check the path",
      cause,
    });
  }
}

function newId(): string {
  const random = crypto.getRandomValues(new Uint8Array(idBytes));
  return Buffer.from(random).toString("hex").slice(0, idBytes);
}
