/**
 * What every transport keeps, and what is each one's own: addresses, files, errors, and who is let go.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as TcpTransport from "@furrow/node/TcpTransport"
import * as UnixTransport from "@furrow/node/UnixTransport"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { Link } from "furrow/protocol"
import type { Listener, Transport, TransportError } from "furrow/Transport"
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { connect, createServer } from "node:net"
import type { NetConnectOpts, Socket as NetSocket } from "node:net"
import { dirname, join } from "node:path"
import { socketFile } from "../../contract/TransportWorld.ts"
import { patience } from "../../contract/World.ts"

const reasonOf = <A>(
  effect: Effect.Effect<A, TransportError, Scope.Scope>
): Effect.Effect<TransportError["reason"]> =>
  Effect.scoped(effect).pipe(
    Effect.flip,
    Effect.map(({ reason }) => reason),
    Effect.orDie
  )

/** Sends back what comes, until nothing more comes. */
const echo = (socket: Socket.Socket) =>
  Effect.gen(function* () {
    const pull = yield* Socket.readerBytes(socket)
    const writer = yield* socket.writer
    return yield* Effect.forever(Effect.flatMap(pull, (chunks) => writer.writeAll(chunks)))
  }).pipe(Effect.ignore)

/** A conversation with {@link echo}: says so many bytes, and hears the same. */
const speaker = (socket: Socket.Socket) =>
  Effect.gen(function* () {
    const pull = yield* Socket.readerBytes(socket)
    const writer = yield* socket.writer
    return (length: number) => say(pull, writer, length)
  })

const say = (
  pull: Effect.Effect<ReadonlyArray<Uint8Array>, Socket.SocketError>,
  writer: Socket.Writer,
  length: number
) =>
  Effect.gen(function* () {
    const said = Uint8Array.from({ length }, (_, at) => at % 251)
    const saying = yield* Effect.forkChild(writer.write(said))
    const heard: Array<number> = []
    while (heard.length < length) for (const chunk of yield* pull) heard.push(...chunk)
    yield* Fiber.join(saying)
    expect(Buffer.from(heard).equals(said)).toBe(true)
  })

const talk = (socket: Socket.Socket, length: number) =>
  Effect.scoped(Effect.flatMap(speaker(socket), (speak) => speak(length)))

/** A connection of Node's own; what it is sent is thrown away. */
const stranger = (options: NetConnectOpts): Effect.Effect<NetSocket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<NetSocket>((resume) => {
      const net = connect(options, () => resume(Effect.succeed(net)))
      net.on("error", () => {}).resume()
    }),
    (net) => Effect.sync(() => net.destroy())
  )

const closed = (net: NetSocket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (net.closed) return resume(Effect.void)
    net.once("close", () => resume(Effect.void))
  })

/** The names of this process's threads, where the system tells. */
const threads = (): ReadonlyArray<string> => {
  const tasks = "/proc/self/task"
  if (!existsSync(tasks)) return []
  return readdirSync(tasks).flatMap((task) => {
    try {
      return readFileSync(`${tasks}/${task}/comm`, "utf8").trim()
    } catch {
      // It has just ended.
      return []
    }
  })
}

interface Kind<Address> {
  readonly name: string
  readonly transport: Transport<Address>
  readonly address: Effect.Effect<Address, never, Scope.Scope>
  readonly plain: (address: Address) => NetConnectOpts
}

const suite = <Address>({ address, name, plain, transport }: Kind<Address>) => {
  const listening = Effect.flatMap(address, (at) => transport.listen(at))
  const serving = <A, E>(
    handler: (socket: Socket.Socket) => Effect.Effect<A, E, Scope.Scope>
  ): Effect.Effect<Listener<Address>, TransportError, Scope.Scope> =>
    Effect.tap(listening, ({ run }) => Effect.forkScoped(run(handler)))

  describe(`transport: ${name}`, () => {
    it.live("bytes cross in both directions, in order, on several links at once", () =>
      Effect.gen(function* () {
        const listener = yield* serving(echo)
        yield* Effect.forEach(
          [1, 300_000, 70_000],
          (length) =>
            Effect.scoped(
              Effect.flatMap(transport.dial(listener.address), (socket) => talk(socket, length))
            ),
          { concurrency: 3 }
        )
      })
    )

    it.live("what was written before the end arrives, also at one who has not read yet", () =>
      Effect.gen(function* () {
        const heard = Deferred.makeUnsafe<number>()
        const left = Deferred.makeUnsafe<void>()
        const listener = yield* serving((socket) =>
          Effect.gen(function* () {
            const writer = yield* socket.writer
            // More than the other end holds unread; it leaves without having read any of it.
            yield* Effect.forkChild(Effect.ignore(writer.write(new Uint8Array(500_000))))
            yield* Deferred.await(left)
            const pull = yield* Socket.readerBytes(socket)
            let length = 0
            yield* Effect.forever(
              Effect.map(pull, (chunks) => {
                for (const chunk of chunks) length += chunk.length
              })
            ).pipe(Effect.ignore)
            yield* Deferred.succeed(heard, length)
          })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const socket = yield* transport.dial(listener.address)
            const writer = yield* socket.writer
            yield* writer.write(new Uint8Array(120_000))
            yield* Deferred.succeed(left, undefined)
          })
        )
        expect(yield* Deferred.await(heard)).toBe(120_000)
      })
    )

    it.live("one who closes is told of at once, and a listener that closes lets its links go", () =>
      Effect.gen(function* () {
        const ended = Deferred.makeUnsafe<void>()
        const listener = yield* listening
        const running = yield* Effect.forkChild(
          listener.run((socket) =>
            Effect.ensuring(echo(socket), Deferred.succeed(ended, undefined))
          )
        )
        yield* Effect.scoped(transport.dial(listener.address))
        yield* Deferred.await(ended)

        const socket = yield* transport.dial(listener.address)
        const pull = yield* Socket.readerBytes(socket)
        const end = yield* Effect.forkChild(Effect.flip(pull))
        yield* Fiber.interrupt(running)
        expect((yield* Fiber.join(end)).reason).toMatchObject({ _tag: "SocketCloseError" })
      })
    )

    it.live("TPT-2 an address has one listener, and has none when that is closed", () =>
      Effect.gen(function* () {
        const taken = yield* Effect.scoped(
          Effect.gen(function* () {
            const { address } = yield* listening
            expect(yield* reasonOf(transport.listen(address))).toMatchObject({
              _tag: "AddressInUse"
            })
            return address
          })
        )
        expect(yield* reasonOf(transport.dial(taken))).toMatchObject({
          _tag: expect.stringMatching(/^(Refused|NotFound)$/)
        })
        yield* Effect.scoped(transport.listen(taken))
      })
    )

    it.live("FLT-8 one who is no actor is let go, and nobody else is harmed", () =>
      Effect.gen(function* () {
        const listener = yield* serving((socket) =>
          Effect.gen(function* () {
            const pull = yield* Socket.readerBytes(socket)
            const [chunk] = yield* pull
            if (chunk[0] === 71) return yield* Effect.fail("not a word of ours")
            const writer = yield* socket.writer
            return yield* writer.write(chunk)
          })
        )
        const net = yield* stranger(plain(listener.address))
        net.write("GET / HTTP/1.1\r\n\r\n")
        yield* closed(net)
        yield* Effect.flatMap(transport.dial(listener.address), (socket) => talk(socket, 3))
      })
    )

    it.live("S9 nothing is left of a listener and its links: no handle, no thread", () =>
      Effect.gen(function* () {
        // What is closed is gone a turn of the event loop later.
        const handles = Effect.repeat(Effect.sleep(1), { times: 2 }).pipe(
          Effect.map(() =>
            process
              .getActiveResourcesInfo()
              .filter((name) => /TCP|Pipe/.test(name))
              .concat(threads().filter((name) => name === "heartbeats"))
          )
        )
        const before = yield* handles
        yield* Effect.scoped(
          Effect.gen(function* () {
            const listener = yield* serving(echo)
            for (let links = 0; links < 3; links++) {
              yield* Effect.flatMap(transport.dial(listener.address), (socket) => talk(socket, 3))
            }
            expect((yield* handles).length).toBeGreaterThan(before.length)
          })
        )
        expect(yield* handles).toStrictEqual(before)
      })
    )

    it.live("a handler that dies loses its own link alone", () =>
      Effect.gen(function* () {
        let first = true
        const listener = yield* serving((socket) =>
          Effect.suspend(() => {
            if (!first) return echo(socket)
            first = false
            return Effect.die(new Error("a bug"))
          })
        )
        const socket = yield* transport.dial(listener.address)
        yield* Effect.flip(Effect.flatten(Socket.readerBytes(socket)))
        yield* Effect.flatMap(transport.dial(listener.address), (socket) => talk(socket, 3))
      })
    )

    it.live("FLT-9 one who has connected and says nothing is let go in time; others go on", () =>
      Effect.gen(function* () {
        const listener = yield* serving(echo)
        const silent = yield* stranger(plain(listener.address))
        const begun = performance.now()
        const speak = yield* Effect.flatMap(transport.dial(listener.address), speaker)
        yield* speak(3)
        yield* closed(silent)
        expect(performance.now() - begun).toBeLessThan(patience(1000))
        // It has spoken; now it may be silent for longer.
        yield* Effect.sleep("1100 millis")
        yield* speak(3)
      })
    )

    it.live("one who answers with something else, or not at all, is told apart", () =>
      Effect.gen(function* () {
        const at = yield* address
        const answer = { bytes: Buffer.from("220 mail.example.org\r\n"), end: false }
        const server = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const server = createServer((net) => {
              net.on("error", () => {}).resume()
              if (answer.end) net.end(answer.bytes)
              else net.write(answer.bytes)
            })
            server.listen(plain(at), () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const bound = server.address()
        const there = bound === null || typeof bound === "string" ? at : { ...at, port: bound.port }
        expect(yield* reasonOf(transport.dial(there))).toMatchObject({
          _tag: "NoLink",
          detail: "it does not speak Furrow's protocol"
        })
        answer.bytes = Buffer.from([0, 0])
        answer.end = true
        expect(yield* reasonOf(transport.dial(there))).toMatchObject({
          _tag: "NoLink",
          detail: "it closed the connection without a word"
        })
        answer.end = false
        expect(yield* reasonOf(transport.dial(there))).toStrictEqual(
          expect.objectContaining({ _tag: "TimedOut", waited: 1000 })
        )
      })
    )
  })
}

suite({
  name: "Unix sockets",
  transport: UnixTransport.make({ timeout: "1 second" }),
  address: socketFile,
  plain: ({ path }) => ({ path })
})

suite({
  name: "Unix sockets with heartbeats",
  transport: UnixTransport.make({ timeout: "1 second", heartbeat: {} }),
  address: socketFile,
  plain: ({ path }) => ({ path })
})

suite({
  name: "TCP",
  transport: TcpTransport.make({ timeout: "1 second" }),
  address: Effect.succeed({ host: "127.0.0.1", port: 0 }),
  plain: ({ host, port }) => ({ host, port })
})

describe("files of Unix sockets", () => {
  const unix = UnixTransport.make()

  it.live(
    "TPT-1 the directory is made for its owner alone; the file is gone with its listener",
    () =>
      Effect.gen(function* () {
        const { path } = yield* socketFile
        const below = join(dirname(path), "made", "link.sock")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* UnixTransport.make({ heartbeat: {} }).listen({ path: below })
            expect(lstatSync(dirname(below)).mode & 0o777).toBe(0o700)
            expect(readdirSync(dirname(below))).toEqual(["link.sock", "link.sock.heartbeat"])
          })
        )
        expect(readdirSync(dirname(below))).toEqual([])
      })
  )

  it.live(
    "F21 what a listener that was killed has left is taken over, with or without heartbeats",
    () =>
      Effect.gen(function* () {
        const { path } = yield* socketFile
        const left = `
        const net = require("node:net")
        for (const path of process.argv.slice(1)) net.createServer().listen(path)
        setTimeout(() => process.kill(process.pid, "SIGKILL"), 0)
      `
        const files = [path, `${path}.heartbeat`]
        for (const options of [{}, { heartbeat: {} }]) {
          const killed = spawnSync(process.execPath, ["-e", left, ...files])
          expect(killed.signal).toBe("SIGKILL")
          for (const file of files) assert(existsSync(file))
          const transport = UnixTransport.make(options)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const listener = yield* transport.listen({ path })
              yield* Effect.forkScoped(listener.run(echo))
              yield* Effect.flatMap(transport.dial({ path }), (socket) => talk(socket, 3))
            })
          )
          assert(!existsSync(path))
        }
      })
  )

  it.live("of many who come upon a file that was left, one listens", () =>
    Effect.gen(function* () {
      const { path } = yield* socketFile
      const left = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`
      spawnSync(process.execPath, ["-e", left, path])
      const all = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => Effect.exit(unix.listen({ path })),
        { concurrency: 20 }
      )
      expect(all.filter(Exit.isSuccess)).toHaveLength(1)
      expect(readdirSync(dirname(path))).toEqual(["link.sock"])
    })
  )

  it.live("TPT-4 what cannot be trusted is refused by name, for listening and for dialling", () =>
    Effect.gen(function* () {
      const { path } = yield* socketFile
      const directory = dirname(path)
      const own = join(directory, "own")
      const open = join(directory, "open")
      const link = join(directory, "link")
      const file = join(directory, "file")
      mkdirSync(own, { mode: 0o700 })
      mkdirSync(open)
      chmodSync(open, 0o755)
      symlinkSync(own, link)
      writeFileSync(file, "")
      for (const [at, detail] of [
        [join(open, "x.sock"), /others may enter .*open \(mode 755\)/],
        [join(link, "x.sock"), /link is no directory/],
        ["/nowhere\0abstract", /zero byte/]
      ] as const) {
        for (const use of [unix.listen, unix.dial]) {
          expect(
            yield* reasonOf(Effect.asVoid<unknown, TransportError, Scope.Scope>(use({ path: at })))
          ).toMatchObject({
            _tag: "NotAllowed",
            detail: expect.stringMatching(detail)
          })
        }
      }
      expect(yield* reasonOf(unix.listen({ path: file }))).toMatchObject({
        _tag: "NotAllowed",
        detail: "a file that is no socket stands there"
      })
      expect(yield* reasonOf(unix.dial({ path }))).toMatchObject({ _tag: "NotFound" })
      expect(yield* reasonOf(unix.dial({ path: join(directory, "none", "x") }))).toMatchObject({
        _tag: "NotFound"
      })
    })
  )

  it.live("a path that does not fit is refused with both numbers", () =>
    Effect.gen(function* () {
      const { path } = yield* socketFile
      const long = join(dirname(path), "x".repeat(120))
      for (const use of [unix.listen, unix.dial]) {
        const failed = yield* Effect.asVoid<unknown, TransportError, Scope.Scope>(
          use({ path: long })
        ).pipe(Effect.flip, Effect.scoped)
        expect(failed.reason).toMatchObject({ _tag: "PathTooLong", length: long.length })
        expect(failed.message).toContain(`its ${long.length} bytes are more than the 9`)
      }
    })
  )

  it.live(
    "one who asks for heartbeats is told where there are none; one who does not, answers",
    () =>
      Effect.gen(function* () {
        const asking = UnixTransport.make({ heartbeat: {} })
        const plain = yield* unix.listen(yield* socketFile)
        yield* Effect.forkScoped(plain.run(echo))
        expect(yield* reasonOf(asking.dial(plain.address))).toMatchObject({ _tag: "NoLink" })

        const offering = yield* UnixTransport.make({
          heartbeat: { interval: "50 millis", bound: "1 second" }
        }).listen(yield* socketFile)
        yield* Effect.forkScoped(offering.run(echo))
        const socket = yield* unix.dial(offering.address)
        yield* Effect.sleep("1500 millis")
        yield* talk(socket, 3)
      })
  )
})

describe("addresses of TCP", () => {
  it.live("errors of the system keep their reason", () =>
    Effect.gen(function* () {
      const tcp = TcpTransport.make()
      expect(yield* reasonOf(tcp.dial({ host: "no-such-host.invalid", port: 1 }))).toMatchObject({
        _tag: expect.stringMatching(/^(NotFound|SystemFailed)$/)
      })
      // Reserved for documents: no interface has it.
      const failed = yield* tcp
        .listen({ host: "192.0.2.1", port: 4000 })
        .pipe(Effect.flip, Effect.scoped)
      expect(failed.reason).toMatchObject({ _tag: "SystemFailed", code: "EADDRNOTAVAIL" })
      expect(failed.message).toContain("192.0.2.1:4000 cannot be used:")
    })
  )

  it.live("heartbeats are taken at the port that was asked for, and it may be taken", () =>
    Effect.gen(function* () {
      const { address } = yield* TcpTransport.make().listen({ port: 0 })
      const taken = TcpTransport.make({ heartbeatPort: address.port })
      const failed = yield* taken.listen({ port: 0 }).pipe(Effect.flip, Effect.scoped)
      expect(failed.reason).toMatchObject({ _tag: "AddressInUse" })
      expect(failed.message).toContain("(its heartbeats)")
    })
  )

  it.live("a link whose heartbeats cannot be reached is none", () =>
    Effect.gen(function* () {
      const { address } = yield* Effect.scoped(TcpTransport.make().listen({ port: 0 }))
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer((net) => {
            const heartbeat = { key: "key", port: address.port }
            net.on("error", () => {}).write(Link.encode({ _tag: "Link", heartbeat }))
            net.resume()
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const bound = server.address()
      assert(bound !== null && typeof bound === "object")
      const failed = yield* TcpTransport.make({ timeout: "300 millis" })
        .dial({ port: bound.port })
        .pipe(Effect.flip, Effect.scoped)
      expect(failed.reason).toMatchObject({ _tag: "TimedOut", waited: 300 })
      expect(failed.message).toContain("(its heartbeats) has not answered within 300 ms")
    })
  )

  it("a patience that makes no sense is refused at once", () => {
    expect(() =>
      TcpTransport.make({ heartbeat: { interval: "10 seconds", bound: "15 seconds" } })
    ).toThrow("A heartbeat every 10000 ms cannot be missed within 15000 ms")
  })
})
