/**
 * Writes the page's types of what the server sends, from the JSON Schemas that the server's own code makes:
 * the native protocol (docs/protocol.schema.json) and the answers of the API (src/api/schema.json, written by
 * scripts/page_types.py). `--check` writes nothing and fails where a file is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { compile } from 'json-schema-to-typescript'

const TARGETS = [
  { schema: '../../docs/protocol.schema.json', types: '../src/protocol/schema.ts', leavesOutNulls: true },
  { schema: '../src/api/schema.json', types: '../src/api/schema.ts', leavesOutNulls: false },
]

/**
 * Prepares a schema for the generator: open objects are records, what may be anything is `unknown`, and in the
 * protocol, which leaves out what is not known, no field is null.
 */
function prepare(node, leavesOutNulls) {
  if (Array.isArray(node)) return node.map((each) => prepare(each, leavesOutNulls))
  if (node === null || typeof node !== 'object') return node
  const copy = Object.fromEntries(
    Object.entries(node).map(([name, value]) => [name, prepare(value, leavesOutNulls)]),
  )
  if (copy.type === 'object' && copy.properties === undefined && copy.additionalProperties === undefined) {
    return { ...copy, tsType: 'Record<string, unknown>' }
  }
  if (leavesOutNulls && copy.default === null && Array.isArray(copy.anyOf)) {
    const kinds = copy.anyOf.filter((kind) => kind.type !== 'null')
    const { anyOf: _, default: __, ...rest } = copy
    return kinds.length === 1 ? { ...rest, ...kinds[0] } : { ...rest, anyOf: kinds }
  }
  return copy
}

/** A property that says nothing of its value, or only a default, may hold anything. */
function nameUnknown(node) {
  if (node === null || typeof node !== 'object') return
  for (const [name, value] of Object.entries(node.properties ?? {})) {
    const says = Object.keys(value).filter((each) => each !== 'default')
    if (says.length === 0) node.properties[name] = { tsType: 'unknown' }
  }
  for (const value of Object.values(node)) nameUnknown(value)
}

async function write(target) {
  const source = JSON.parse(readFileSync(new URL(target.schema, import.meta.url), 'utf8'))
  const schema = prepare(source, target.leavesOutNulls)
  nameUnknown(schema)
  const types = await compile({ ...schema, title: 'Everything' }, 'Everything', {
    additionalProperties: false,
    bannerComment: '/* Made by `npm run types`; do not edit. */',
    format: false,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
  })
  const plain = types.replaceAll(/ \* \n \* This interface was referenced by [^\n]*\n \* via [^\n]*\n/g, '')
  return { file: new URL(target.types, import.meta.url), types: plain }
}

const stale = []
for (const { file, types } of await Promise.all(TARGETS.map(write))) {
  if (!process.argv.includes('--check')) {
    writeFileSync(file, types)
  } else if (readFileSync(file, 'utf8') !== types) {
    stale.push(file.pathname)
  }
}
if (stale.length > 0) {
  process.stderr.write(`stale, run \`npm run types\`: ${stale.join(', ')}\n`)
  process.exitCode = 1
}
