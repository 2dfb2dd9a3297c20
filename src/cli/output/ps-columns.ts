/** The columns that `ps` can show. A table needs few of a row's fields, and only those are made. */
import type { Container } from "../../container/index.ts";
import { psField, type PsRowOptions, type PsTextField } from "./ps-row.ts";
import type { Column } from "./table.ts";

/** For a table of containers. */
export function psTable(
  options: PsRowOptions,
  asked: { size: boolean; pod: boolean },
): Column<Container>[] {
  return psColumns(asked).map(({ header, field, mayShrink }) => ({
    ...{ header, field, mayShrink },
    cell: (container) => psField(field, container, options),
  }));
}

/** For `--format "table ..."`: which field has which header. */
export function psColumns(asked: { size: boolean; pod: boolean }) {
  const column = (header: string, field: PsTextField, mayShrink = false) => ({
    ...{ header, field, mayShrink },
    cell: (row: Record<PsTextField, string>) => row[field],
  });
  return [
    column("CONTAINER ID", "ID"),
    column("IMAGE", "Image", true),
    column("COMMAND", "Command", true),
    column("CREATED", "RunningFor"),
    column("STATUS", "Status"),
    column("PORTS", "Ports", true),
    column("NAMES", "Names", true),
    ...(asked.pod ? [column("POD ID", "Pod"), column("PODNAME", "PodName")] : []),
    ...(asked.size ? [column("SIZE", "Size")] : []),
  ];
}
