/** W9: ten thousand dialogs open at once on one connection: what each costs both ends, in memory and in time. */
import { payload } from "../Payloads.mjs"
import { brought, less } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

/** W9. */
export const manyDialogs: Workload<"W9"> = {
  name: "W9",
  title:
    "10 000 open dialogs on one connection, for each: memory at both ends, time to open and close",
  figures: {
    caller: less("KB"),
    callee: less("KB"),
    open: less("µs"),
    close: less("µs"),
    callerLeft: less("KB"),
    calleeLeft: less("KB")
  },
  pinned: false,
  run: async (peer, quick) => {
    const many = quick ? 200 : 10_000
    const child = await peer.spawn()
    await child.echo(payload)
    const openDialogs = brought(child.openDialogs, "openDialogs")
    const memory = brought(child.memory, "memory")
    // Twice before: what is compiled, and what tables have grown to, is no part of a dialog.
    for (let n = 0; n < 2; n++) await (await openDialogs(many)).close()
    const before = await memory()

    const start = performance.now()
    const open = await openDialogs(many)
    const opened = performance.now()
    const during = await memory()
    const closing = performance.now()
    await open.close()
    const closed = performance.now()
    const after = await memory()
    await child.stop()

    const each = (bytes: number) => bytes / many / 1000
    return {
      caller: each(during.caller - before.caller),
      callee: each(during.callee - before.callee),
      open: ((opened - start) * 1000) / many,
      close: ((closed - closing) * 1000) / many,
      callerLeft: each(after.caller - before.caller),
      calleeLeft: each(after.callee - before.callee)
    }
  }
}
