/** What the errors say: what happened, to whom, and what to do. The sentences are pinned, so that a change is meant. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import { DecodeError, EncodeError, issueOf } from "furrow/CodecError"
import { ContractBroken } from "furrow/Dialog"
import * as Guest from "furrow/Guest"
import * as P from "furrow/PortalError"
import { Protocol, Reasons } from "furrow/protocol"
import * as T from "furrow/TreeError"
import { inspect } from "node:util"

const root = { path: "root", incarnation: "1" }
const shop = { path: "root/shop", incarnation: "2" }
const stderr = "TypeError: x is not a function\n    at file.ts:3:1\n"

const heapFull = { _tag: "OutOfMemory", of: "heap", limit: 64 } as const

const portal = (reason: P.PortalErrorReason, operation?: string) =>
  new P.PortalError({
    actor: "root/counter",
    ...(operation === undefined ? {} : { operation }),
    reason
  })
const spawn = (reason: T.SpawnErrorReason) => new T.SpawnError({ actor: "root/counter", reason })
const crash = (cause: ConstructorParameters<typeof T.CrashCause>[0]) =>
  new T.ActorCrashed({ actor: shop, cause: new T.CrashCause(cause) })

const texts: ReadonlyArray<readonly [Error, string]> = [
  // --- whoever calls -------------------------------------------------------------------------------------------------
  [
    portal(new P.Disconnected({ crash: { code: 3 } }), "Increment"),
    `Increment has no answer, because the process of "root/counter" exited with code 3. It may or may not have been carried out; start over with a new portal.`
  ],
  [
    portal(new P.Disconnected({ detail: "the connection was severed" }), "Increment"),
    `Increment has no answer, because the connection to "root/counter" is lost (the connection was severed). It may or may not have been carried out; start over with a new portal.`
  ],
  [
    portal(new P.Disconnected({ crash: { signal: "SIGKILL" } })),
    `The process of "root/counter" was ended by SIGKILL. Start over with a new portal.`
  ],
  [
    portal(new P.Cancelled({ by: root }), "Increment"),
    `Increment of "root/counter" was cancelled on purpose, by "root".`
  ],
  [
    portal(new P.Overloaded({}), "Increment"),
    `Increment of "root/counter" was refused: the actor has as many dialogs open as it takes. Try again later, or keep fewer open at once.`
  ],
  [
    portal(new P.Overloaded({ detail: "the pool is full" }), "Increment"),
    `Increment of "root/counter" was refused: the pool is full. Try again later, or keep fewer open at once.`
  ],
  [
    portal(new P.Unimplemented({ operation: "Increment" }), "Increment"),
    `"root/counter" does not serve Increment: the two programs are of different versions, or the operations of a parent were not given to its child with the spawn option "serve".`
  ],
  [
    portal(new P.DeadlineExceeded(), "Increment"),
    `Increment of "root/counter" was cancelled: it had not ended when the time given with Deadline.within had passed.`
  ],
  [
    portal(new P.Ended(), "Chat"),
    `Nothing more can be sent in Chat of "root/counter": the dialog has ended, or this end of it has.`
  ],
  [
    portal(new P.Revoked()),
    `"root/counter" cannot be used any more: the owner of this capability took it back.`
  ],
  [
    portal(new P.Disconnected({ crash: { signal: "SIGABRT", death: heapFull } }), "Increment"),
    `Increment has no answer, because the process of "root/counter" ran out of memory and was ended by SIGABRT: its heap was full at its limit of 64 MiB, which the spawn option "memory" raises. It may or may not have been carried out; start over with a new portal.`
  ],
  // --- whoever has a guest -------------------------------------------------------------------------------------------
  [
    new Guest.GuestCancelled({ guest: "page", cause: new DOMException("enough", "AbortError") }),
    `The guest "page" cancelled itself: it ended with an AbortError (enough), and nobody had asked it to end. If it may do so, have it return instead.`
  ],
  [
    new Guest.GuestEnded({ guest: "page" }),
    `Nothing more can be sent to the guest "page": it has ended, or it was told that no more would come.`
  ],
  // --- whoever spawns ------------------------------------------------------------------------------------------------
  [
    spawn(new T.StartFailed({ cause: Cause.empty, exit: { code: 2 }, stderr })),
    `The actor "root/counter" did not start: its process exited with code 2.\nIts last words on stderr:\n${stderr.trimEnd()}`
  ],
  [
    spawn(
      new T.StartFailed({ cause: Cause.die(new TypeError("no disk.")), exit: { code: 1 }, stderr })
    ),
    `The actor "root/counter" did not start: TypeError: no disk; its process exited with code 1.`
  ],
  [
    spawn(new T.HandshakeTimeout({ waited: 10_000, stderr: "" })),
    `The process of "root/counter" did not say hello within 10000 ms and was ended. Does its main module call NodeActor.runMain (or NodeActor.main) with this actor's program? If it only needs longer, raise "helloTimeout".`
  ],
  [
    spawn(new T.HandshakeRefused({ detail: "one speaks French." })),
    `The actor "root/counter" was not started, because the two programs do not fit: one speaks French.`
  ],
  [
    spawn(new T.StartTimeout({ waited: 30_000, stderr: "" })),
    `The Layer of "root/counter" was not built within 30000 ms and the actor was ended; raise "startTimeout" if it needs longer.`
  ],
  [
    spawn(new T.NurseryClosed()),
    `The actor "root/counter" was not started: its nursery has ended or is ending. Spawn it while the body of its block runs.`
  ],
  [
    spawn(new T.LimitReached({ detail: "the system has no room for one more process (EAGAIN)" })),
    `The actor "root/counter" was not started: the system has no room for one more process (EAGAIN). End some actors first, or raise the limit.`
  ],
  // --- the block -----------------------------------------------------------------------------------------------------
  [
    crash({ exit: { signal: "SIGKILL" } }),
    `The actor "root/shop" crashed: its process was ended by SIGKILL.`
  ],
  [
    crash({ exit: { code: 3 }, stderr }),
    `The actor "root/shop" crashed: its process exited with code 3.\nIts last words on stderr:\n${stderr.trimEnd()}`
  ],
  [
    crash({ exit: { signal: "SIGABRT", death: heapFull }, stderr: "<--- Last few GCs --->" }),
    `The actor "root/shop" crashed: its process ran out of memory and was ended by SIGABRT: its heap was full at its limit of 64 MiB, which the spawn option "memory" raises.`
  ],
  [
    crash({ exit: { code: 1, death: { _tag: "OutOfMemory", of: "heap" } } }),
    `The actor "root/shop" crashed: its process ran out of memory and exited with code 1: its heap was full, which the spawn option "memory" raises.`
  ],
  [
    crash({ exit: { signal: "SIGKILL", death: { _tag: "OutOfMemory", of: "system" } }, stderr }),
    `The actor "root/shop" crashed: its process was ended by SIGKILL: the system, or its control group, had run out of memory.\nIts last words on stderr:\n${stderr.trimEnd()}`
  ],
  [
    crash({ exit: { signal: "SIGSEGV", death: { _tag: "RuntimeCrash" } } }),
    `The actor "root/shop" crashed: its process was ended by SIGSEGV, a crash of its runtime.`
  ],
  [
    crash({ exit: { signal: "SIGABRT", death: { _tag: "RuntimeCrash", said: "no way" } }, stderr }),
    `The actor "root/shop" crashed: its process was ended by SIGABRT, a crash of its runtime: no way.\nIts last words on stderr:\n${stderr.trimEnd()}`
  ],
  [
    crash({ exit: { code: 143 }, stage: "terminated", detail: "its connection was lost" }),
    `The actor "root/shop" crashed: its process exited with code 143 (its owner had sent SIGTERM); its connection was lost.`
  ],
  [
    crash({ exit: { signal: "SIGKILL" }, stage: "killed" }),
    `The actor "root/shop" crashed: its process was ended by SIGKILL (its owner had sent SIGKILL).`
  ],
  [crash({}), `The actor "root/shop" crashed: it ended without being asked to.`],
  [
    crash({
      exit: { code: 1 },
      cause: Cause.fail(
        new T.ActorCrashed({
          actor: { path: "root/shop/till", incarnation: "3" },
          cause: new T.CrashCause({ exit: { code: 3 }, stderr })
        })
      )
    }),
    `The actor "root/shop" crashed: The actor "root/shop/till" crashed: its process exited with code 3; its process exited with code 1.`
  ],
  [
    new T.ForkFailed({
      cause: Cause.fromReasons([
        Cause.makeInterruptReason(),
        Cause.makeFailReason("no paper"),
        Cause.makeDieReason(new Error("no ink"))
      ])
    }),
    `A fiber started with Nursery.fork, or Nursery.start, failed: no paper (and 1 more).`
  ],
  // --- whoever owns a supervisor -------------------------------------------------------------------------------------
  [
    new T.RestartIntensityExceeded({
      child: "counter",
      limit: "intensity",
      restarts: 3,
      within: 5000,
      cause: Cause.fail(crash({ exit: { signal: "SIGKILL" } }))
    }),
    `The supervisor gave up after 3 restarts within 5000 ms, which is as many as it allows. The last to end was "counter": The actor "root/shop" crashed: its process was ended by SIGKILL.`
  ],
  [
    new T.RestartIntensityExceeded({
      child: "counter",
      limit: "budget",
      restarts: 1,
      cause: Cause.fail(crash({ exit: { code: 3 } }))
    }),
    `The supervisor gave up after 1 restart in all, which is its budget. The last to end was "counter": The actor "root/shop" crashed: its process exited with code 3.`
  ],
  [
    new T.RestartIntensityExceeded({
      child: "counter",
      limit: "backoff",
      restarts: 2,
      cause: Cause.fail(spawn(new T.NurseryClosed()))
    }),
    `The supervisor gave up after 2 restarts in all, where its backoff ends. The last to end was "counter": The actor "root/counter" was not started: its nursery has ended or is ending. Spawn it while the body of its block runs.`
  ],
  // --- bugs ----------------------------------------------------------------------------------------------------------
  [
    new EncodeError({ operation: "Counter.Increment", lane: "payload", issue: "no number" }),
    `The payload of Counter.Increment could not be sent: no number`
  ],
  [
    new EncodeError({ operation: "Counter", lane: "arguments", issue: "no number" }),
    `The arguments of Counter could not be sent: no number`
  ],
  [
    new DecodeError({ operation: "Room.Chat", lane: "fromCallee", issue: "no number" }),
    `An item (fromCallee) of Room.Chat has arrived and does not fit the schema here; are the two programs of one version? no number`
  ],
  [
    new ContractBroken({
      operation: "Room.Chat",
      detail: "its handler returned without having called accept"
    }),
    `The contract of Room.Chat was broken: its handler returned without having called accept`
  ],
  [
    new Protocol.Violation({ rule: "ItemWithoutCredit", detail: "an Item of dialog 3" }),
    `The peer broke the protocol (ItemWithoutCredit): an Item of dialog 3. The connection was closed.`
  ],
  [
    new Reasons.UnfitError({ side: "encode", issue: "no number", cause: 1 }),
    `An error did not fit its operation's error schema where it was raised: no number`
  ]
]

describe("an error says what happened, to whom, and what to do", () => {
  it.each(texts)("%s", (error, text) => {
    expect(error.message).toBe(text)
    // Said once, also where a whole Cause is shown.
    expect(Cause.pretty(Cause.fail(error)).split(text.split("\n", 1)[0]!)).toHaveLength(2)
  })
})

/** Throws at every touch. */
const touchy = new Proxy(
  {},
  {
    get: () => {
      throw new Error("touched")
    },
    getPrototypeOf: () => {
      throw new Error("touched")
    },
    ownKeys: () => {
      throw new Error("touched")
    }
  }
)

class Sullen extends Error {
  override get message(): string {
    throw new Error("no message")
  }
}

describe("ERR-8 rendering an error never throws", () => {
  const hostile: ReadonlyArray<unknown> = [touchy, new Sullen(), Symbol("a"), null, undefined, 0n]

  it.each(hostile.map((defect, index) => [index, defect] as const))(
    "whatever is in its Cause (%i)",
    (_, defect) => {
      const cause = Cause.die(defect)
      const errors = [
        crash({ cause }),
        new T.ForkFailed({ cause }),
        spawn(new T.StartFailed({ cause, stderr: "" }))
      ]
      for (const error of errors) {
        expect(typeof error.message).toBe("string")
        expect(typeof String(error)).toBe("string")
        expect(typeof error.stack).toBe("string")
      }
    }
  )

  it("in all the ways in which errors are shown", () => {
    for (const [error] of texts) {
      expect(inspect(error)).toContain(error.name)
      expect(typeof JSON.stringify(error)).toBe("string")
      expect(Cause.pretty(Cause.fail(error))).toContain(error.message)
      expect(Cause.pretty(Cause.die(error))).toContain(error.message)
    }
  })

  it("of a value that does not fit, however it is made and however large it is", () => {
    expect(issueOf(touchy)).toBe("it does not fit, and it cannot be shown")
    expect(issueOf(new Sullen())).toBe("it does not fit, and it cannot be shown")
    expect(issueOf(undefined)).toBe("undefined")
    expect(issueOf(new Error("x".repeat(100_000))).length).toBeLessThan(3000)
  })
})
