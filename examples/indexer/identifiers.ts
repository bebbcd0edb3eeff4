/**
 * The identifiers of source code, found chunk by chunk: the words outside of comments and quotes, as C and the languages
 * that took after it write them. It is lexical and no parser: it knows nothing of regular expressions or templates.
 */

const Extensions = new Set(
  ".c .cc .cjs .cpp .cs .cts .cxx .go .h .hpp .java .js .jsx .kt .mjs .mts .swift .ts .tsx".split(
    " "
  )
)

/** Whether files with this extension (lower case, with its dot) are source code. */
export const isSource = (extension: string): boolean => Extensions.has(extension)

const Reserved = new Set(
  `abstract any async await boolean break case catch char class const constructor continue debugger declare default
  define delete double else endif enum export extends false finally float for from func function get ifdef ifndef
  implements import include infer instanceof int interface keyof let long module namespace never new null number object
  package private protected public readonly require return set short signed sizeof static string struct super switch
  symbol this throw true try type typedef typeof undefined unknown unsigned var void while with yield`.split(
    /\s+/
  )
)

/** A longer word is data. */
const Longest = 64

/** Whether a word is a name that somebody chose; one or two letters are what minifiers make. */
export const isName = (word: string): boolean =>
  word.length >= 3 &&
  word.length <= Longest &&
  /^[A-Za-z_$][\w$]*$/.test(word) &&
  !Reserved.has(word)

const Word = 1
const Quote = 2
const Slash = 3

/** What each byte can begin. Those beyond ASCII belong to the word they stand in, which then is no name. */
const kinds = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  if (byte >= 128 || /[\w$]/.test(character)) return Word
  if (character === "'" || character === '"') return Quote
  return character === "/" ? Slash : 0
})

/** Where the next character stands. */
type Place = "code" | "line comment" | "block comment" | "'" | '"'

/** Counts the identifiers of one file. */
export class Identifiers {
  private readonly words = new Map<string, number>()
  private place: Place = "code"
  /** The end of the last chunk, if it may go on in the next one: part of a word, or of a mark of two characters. */
  private rest = ""

  /** Takes the next chunk. */
  push(chunk: Uint8Array): void {
    // Joined as bytes, and a character for each: optimized code may join two strings anew at each look into the result,
    // which was seen to copy a chunk thousands of times.
    const text = Buffer.concat([Buffer.from(this.rest, "latin1"), chunk]).toString("latin1")
    this.rest = ""
    let at = 0
    while (at < text.length) {
      if (this.place === "code") at = this.code(text, at)
      else if (this.place === "line comment") at = this.until("\n", text, at)
      else if (this.place === "block comment") at = this.until("*/", text, at)
      else at = this.quoted(this.place, text, at)
    }
  }

  /** What was found in all of the file. */
  end(): ReadonlyMap<string, number> {
    if (this.place === "code") this.count(this.rest)
    for (const word of this.words.keys()) if (!isName(word)) this.words.delete(word)
    return this.words
  }

  private count(word: string): void {
    const before = this.words.get(word)
    // A slice would keep the whole chunk alive, so the word that stays is a copy.
    if (before === undefined) this.words.set(Buffer.from(word, "latin1").toString("latin1"), 1)
    else this.words.set(word, before + 1)
  }

  private code(text: string, from: number): number {
    for (let at = from; at < text.length; at++) {
      const kind = kinds[text.charCodeAt(at)]
      if (kind === Word) {
        let end = at + 1
        while (end < text.length && kinds[text.charCodeAt(end)] === Word) end++
        if (end < text.length) this.count(text.slice(at, end))
        // One more character than a name may have says as much as all of them.
        else this.rest = text.slice(at, Math.min(end, at + Longest + 1))
        at = end - 1
      } else if (kind === Quote) {
        this.place = text[at] === "'" ? "'" : '"'
        return at + 1
      } else if (kind === Slash) {
        const next = text[at + 1]
        if (next === undefined) this.rest = "/"
        if (next === "/" || next === "*") {
          this.place = next === "/" ? "line comment" : "block comment"
          return at + 2
        }
      }
    }
    return text.length
  }

  private until(mark: "\n" | "*/", text: string, from: number): number {
    const at = text.indexOf(mark, from)
    if (at >= 0) {
      this.place = "code"
      return at + mark.length
    }
    if (mark === "*/" && text.endsWith("*")) this.rest = "*"
    return text.length
  }

  /** A quote ends with its line, too: what looks like one may be an apostrophe. */
  private quoted(quote: "'" | '"', text: string, from: number): number {
    for (let at = from; at < text.length; at++) {
      const character = text[at]
      if (character === "\\") {
        if (at + 1 === text.length) this.rest = "\\"
        at++
      } else if (character === quote || character === "\n") {
        this.place = "code"
        return at + 1
      }
    }
    return text.length
  }
}
