/** Rows of networks, and of who is on them with which address. Knows what is recorded, not how packets get there. */
import type { Database } from "bun:sqlite";
import type { Paths } from "./paths.ts";

export interface SubnetRecord {
  /** "10.89.0.0/24" */
  subnet: string;
  gateway: string;
  /** Where addresses are taken from, both included, and how it was asked for; null: all of it. */
  range: { first: string; last: string; asked: string } | null;
}

/** What does not change as long as a network is there. */
export interface NetworkSettings {
  subnet4: SubnetRecord;
  subnet6: SubnetRecord | null;
  /** No way out, not even to the host. */
  isInternal: boolean;
  /** Names of members are answered. */
  hasNames: boolean;
  /** Whom its forwarder asks; empty: those of the host. */
  servers: string[];
  /** Null: as large as it can be. */
  mtu: number | null;
  hasDefaultRoute: boolean;
  /** As -o gave them. */
  options: Record<string, string>;
  /** Of a bridge, which there is none of: what was asked for. */
  interfaceName: string;
}

export interface NetworkRecord extends NetworkSettings {
  /** 64 hex characters. */
  id: string;
  name: string;
  labels: Record<string, string>;
  /** RFC 3339. */
  createdAt: string;
}

/** A container on a network, whether it runs or not. */
export interface MemberRecord {
  containerId: string;
  networkId: string;
  /** "eth0" */
  interface: string;
  address4: string;
  /** Null: the network has no IPv6. */
  address6: string | null;
  mac: string;
  aliases: string[];
}

interface Row {
  id: string;
  name: string;
  labels: string;
  settings: string;
  created_at: string;
}

const columns = "id, name, labels, settings, created_at";

function fromRow({ id, name, labels, settings, created_at }: Row): NetworkRecord {
  return {
    ...(JSON.parse(settings) as NetworkSettings), // we wrote it
    ...{ id, name, createdAt: created_at },
    labels: JSON.parse(labels) as Record<string, string>, // we wrote it
  };
}

/** By name. */
export function listNetworkRecords(database: Database): NetworkRecord[] {
  return database.query<Row, []>(`SELECT ${columns} FROM network ORDER BY name`).all().map(fromRow);
}

/** By exact name or id, or by the beginning of an id: none, one, or more when it is ambiguous. */
export function findNetworkRecords(database: Database, wanted: string): NetworkRecord[] {
  const exact = `SELECT ${columns} FROM network WHERE name = ?1 OR id = ?1`;
  const row = database.query<Row, [string]>(exact).get(wanted);
  if (row !== null) return [fromRow(row)];
  if (!/^[0-9a-f]{1,64}$/.test(wanted)) return [];
  const byPrefix = `SELECT ${columns} FROM network WHERE id GLOB ?1 || '*' LIMIT 2`;
  return database.query<Row, [string]>(byPrefix).all(wanted).map(fromRow);
}

/** Throws SQLiteError SQLITE_CONSTRAINT_UNIQUE when the name is taken. */
export function insertNetwork(database: Database, record: NetworkRecord): void {
  const { id, name, labels, createdAt, ...settings } = record;
  database
    .query(`INSERT INTO network (${columns}) VALUES (?, ?, ?, ?, ?)`)
    .run(id, name, JSON.stringify(labels), JSON.stringify(settings), createdAt);
}

/** Inside the transaction in which it was read. */
export function updateNetwork(database: Database, record: NetworkRecord): void {
  const { id, name: _, labels: __, createdAt: ___, ...settings } = record;
  const sql = "UPDATE network SET settings = ? WHERE id = ?";
  database.query(sql).run(JSON.stringify(settings), id);
}

/** False: somebody else had done it. Throws SQLiteError SQLITE_CONSTRAINT_FOREIGNKEY while somebody is on it. */
export function deleteNetwork(database: Database, id: string): boolean {
  return database.query("DELETE FROM network WHERE id = ?").run(id).changes > 0;
}

interface MemberRow {
  container_id: string;
  network_id: string;
  interface: string;
  address4: string;
  address6: string | null;
  mac: string;
  aliases: string;
}

const memberColumns = "container_id, network_id, interface, address4, address6, mac, aliases";

function fromMemberRow(row: MemberRow): MemberRecord {
  return {
    ...{ containerId: row.container_id, networkId: row.network_id, interface: row.interface },
    ...{ address4: row.address4, address6: row.address6, mac: row.mac },
    aliases: JSON.parse(row.aliases) as string[], // we wrote it
  };
}

/** Who is on a network, in the order they came. */
export function listMembers(database: Database, networkId: string): MemberRecord[] {
  const sql = `SELECT ${memberColumns} FROM member WHERE network_id = ? ORDER BY rowid`;
  return database.query<MemberRow, [string]>(sql).all(networkId).map(fromMemberRow);
}

/** Which networks a container is on, in the order it came there. */
export function listMemberships(database: Database, containerId: string): MemberRecord[] {
  const sql = `SELECT ${memberColumns} FROM member WHERE container_id = ? ORDER BY rowid`;
  return database.query<MemberRow, [string]>(sql).all(containerId).map(fromMemberRow);
}

/** The containers on a network. */
export function listNetworkUsers(
  database: Database,
  networkId: string,
): { id: string; name: string }[] {
  const sql = `SELECT container.id, container.name FROM member
    JOIN container ON container.id = member.container_id
    WHERE member.network_id = ? ORDER BY member.rowid`;
  return database.query<{ id: string; name: string }, [string]>(sql).all(networkId);
}

/** Network id -> how many containers are on it. */
export function countMembers(database: Database): Map<string, number> {
  const sql = "SELECT network_id AS id, count(*) AS members FROM member GROUP BY network_id";
  const rows = database.query<{ id: string; members: number }, []>(sql).all();
  return new Map(rows.map(({ id, members }) => [id, members]));
}

/** Inside the transaction in which its addresses were chosen. */
export function insertMember(database: Database, member: MemberRecord): void {
  database
    .query(`INSERT INTO member (${memberColumns}) VALUES (?, ?, ?, ?, ?, ?, ?)`)
    .run(
      ...([member.containerId, member.networkId, member.interface] as const),
      ...([member.address4, member.address6, member.mac] as const),
      JSON.stringify(member.aliases),
    );
}

/** False: it was not on it. */
export function deleteMember(database: Database, containerId: string, networkId: string): boolean {
  const sql = "DELETE FROM member WHERE container_id = ? AND network_id = ?";
  return database.query(sql).run(containerId, networkId).changes > 0;
}

/** Socket paths hold 108 bytes: a part of the id is enough to be unique. */
const runtimeNameLength = 24;

/** Where its process is met while somebody is on it. */
export const networkDirectory = (paths: Pick<Paths, "runtime">, id: string): string =>
  `${paths.runtime}/networks/${id.slice(0, runtimeNameLength)}`;
