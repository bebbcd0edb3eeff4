/** Numbers, sizes and names as people read them. */

const grouped = new Intl.NumberFormat("en-US")

/** A number with its thousands set apart. */
export const count = (n: number): string => grouped.format(n)

/** A number of things, in the singular for one. */
export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${count(n)} ${n === 1 ? one : many}`

const Units = ["B", "kB", "MB", "GB", "TB"]

/** A number of bytes in the unit it is best read in; each is a thousand of the one before. */
export const size = (bytes: number): string => {
  let unit = 0
  let amount = bytes
  while (amount >= 999.95 && unit < Units.length - 1) {
    amount /= 1000
    unit++
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${Units[unit]}`
}

/** A name from the disk without the characters that would steer a terminal. */
export const printable = (name: string): string =>
  name.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)

/** The end of a long path, which says more than its beginning. */
export const shortened = (path: string, length: number): string =>
  path.length <= length ? path : `…${path.slice(path.length - length + 1)}`
