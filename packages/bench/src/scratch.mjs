/** Where a measured process writes its sockets and notes: a directory that the runner removes, however it ends. */
import { tmpdir } from "node:os"

/** The variable that the runner says it with. */
export const Variable = "FURROW_BENCH_SCRATCH"

/** The directory; that of the system for a process that was started by hand. */
export const scratch = process.env[Variable] ?? tmpdir()
