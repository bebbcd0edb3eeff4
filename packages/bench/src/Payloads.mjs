/**
 * What the workloads send, compute and count: the same for every peer, at both ends.
 *
 * Plain JavaScript, because the children of most peers load it: one written in TypeScript would pay for having its types
 * taken off, at its start and in its memory, and the peer would look slower than it is.
 */

/** What W1 and W2 echo; the 32 characters go along with every number. */
export const payload = { n: 1, s: "0123456789abcdef0123456789abcdef" }

/**
 * Item number `i` of the stream of W3.
 *
 * @param {number} i
 */
export const item = (i) => ({ i, price: 100 + (i % 1000) / 8, size: i % 100 })

/**
 * What the sizes of the first `n` items add up to.
 *
 * @param {number} n
 */
export const sizesOf = (n) => {
  let sum = 0
  for (let i = 0; i < n; i++) sum += i % 100
  return sum
}

let made = new Uint8Array()

/**
 * A chunk of that many bytes, which are not zero, so that nobody can make it smaller for nothing. Made once for the same
 * size asked for again, because making 100 MiB holds up whoever does it; not to be written to.
 *
 * @param {number} size
 */
export const chunk = (size) => {
  if (made.length === size) return made
  made = new Uint8Array(size)
  for (let i = 0; i < size; i++) made[i] = (i * 31 + 7) & 255
  return made
}

/** The numbers of W7. */
export const numbers = [
  112272535095293, 112582705942171, 112272535095293, 115280095190773, 115797848077099,
  1099726899285419
]

/**
 * Whether a number is prime, slowly.
 *
 * @param {number} n
 */
export const isPrime = (n) => {
  if (n < 2) return false
  if (n % 2 === 0) return n === 2
  const root = Math.floor(Math.sqrt(n))
  for (let i = 3; i <= root; i += 2) if (n % i === 0) return false
  return true
}

/** How many messages may be on their way where a peer has no backpressure of its own. */
export const window = 1024

/** After how many of them their receiver says so. */
export const acknowledgeEvery = 256
