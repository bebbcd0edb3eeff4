// Runs after an install. On Linux the install brings its own Node 24; elsewhere yours is used.
const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `\nFurrow needs Node 22.19 or later, and this is ${process.version} (${process.execPath}).\n`
  )
  process.exit(1)
}
