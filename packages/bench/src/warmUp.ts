/**
 * Warming up: for a while, but also often enough. Compilers count calls; on a machine that is busy there are few of them
 * in any time.
 */

/** How long warming up may take at most, in ms, for peers that are very slow. */
const Enough = 10_000

/** Repeats a step, which says how much it has done, for `millis` ms and until it has done `least` in all. */
export const warmUp = async (
  step: (millis: number) => Promise<number>,
  millis: number,
  least: number
): Promise<void> => {
  const begun = performance.now()
  let done = 0
  let passed = 0
  do {
    done += await step(millis)
    passed = performance.now() - begun
  } while (passed < Enough && (passed < millis || done < least))
}
