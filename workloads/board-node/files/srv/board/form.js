'use strict'
// A multipart form, its image written below a directory under the name of its content.
const { createHash, randomUUID } = require('node:crypto')
const { createWriteStream } = require('node:fs')
const { rename, rm } = require('node:fs/promises')
const { pipeline } = require('node:stream/promises')
const { Transform } = require('node:stream')
const path = require('node:path')
const busboy = require('busboy')

const SUFFIX = { 'image/png': '.png', 'image/jpeg': '.jpg', 'image/gif': '.gif' }
const LIMITS = { fileSize: 4 << 20, files: 1, fields: 8, fieldSize: 2000 }

async function keep (stream, mimeType, folder) {
  const hash = createHash('sha256')
  const fresh = path.join(folder, randomUUID())
  const hashed = new Transform({ transform (chunk, _, done) { hash.update(chunk); done(null, chunk) } })
  try {
    await pipeline(stream, hashed, createWriteStream(fresh, { mode: 0o644, flags: 'wx' }))
    if (stream.truncated || !SUFFIX[mimeType]) throw Object.assign(new Error('no such image'), { status: 415 })
    const name = hash.digest('hex').slice(0, 32) + SUFFIX[mimeType]
    await rename(fresh, path.join(folder, name))
    return name
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
}

exports.read = (request, folder) => new Promise((resolve, reject) => {
  const form = { image: '' }
  let image = Promise.resolve('')
  const parser = busboy({ headers: request.headers, limits: LIMITS })
  parser.on('field', (name, value) => { form[name] = value })
  parser.on('file', (_, stream, info) => {
    if (!info.filename) return stream.resume()
    image = keep(stream, info.mimeType, folder)
    image.catch(() => stream.resume())
  })
  parser.on('error', reject)
  parser.on('close', () => image.then(name => resolve({ ...form, image: name }), reject))
  request.pipe(parser)
})
