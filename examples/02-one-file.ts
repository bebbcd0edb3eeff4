/**
 * One file that is parent and child. Run by hand it is the root; run by its own nursery it is the actor that it was
 * started for, because nobody has named another `main`. Both burn a core at once, with the same function. An actor pays
 * for its imports at every start: hence modules here, and not the barrel.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"

const Burnt = Schema.Struct({ primes: Schema.Int, from: Schema.Number, until: Schema.Number })

const Burn = Rpc.make("Burn", { payload: { below: Schema.Int }, success: Burnt })
class Burner extends Actor.make("Burner", [Burn]) {}

const isPrime = (n: number): boolean => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}

const burn = Effect.fn("burn")(function* ({ below }: { readonly below: number }) {
  const from = yield* Clock.currentTimeMillis
  let primes = 0
  for (let n = 2; n < below; n++) {
    if (isPrime(n)) primes++
    // Between two slices of work the process hears what it is told, and sends what it has to say.
    if (n % 10_000 === 0) yield* Effect.yieldNow
  }
  return { primes, from, until: yield* Clock.currentTimeMillis }
})

const program = Nursery.run(
  Effect.gen(function* () {
    const burner = yield* Nursery.spawn(Burner)
    const work = { below: 3_000_000 }
    const [child, parent] = yield* Effect.all([burner.client.Burn(work), burn(work)], {
      concurrency: "unbounded"
    })
    yield* Console.log(`the child has found ${child.primes} primes`)
    yield* Console.log(`the parent has found ${parent.primes} primes`)
    const atOnce = child.from < parent.until && parent.from < child.until
    yield* Console.log(atOnce ? "both worked at the same time" : "one worked after the other")
  })
)

NodeActor.main(import.meta, [Burner.program(Burner.toLayer({ Burn: burn }))], program)

// Output:
// the child has found 216816 primes
// the parent has found 216816 primes
// both worked at the same time
