'use strict'
// test.js BASE [IMAGES]: the board's tests, over HTTP or HTTPS. IMAGES is where nginx serves images, below BASE.
const assert = require('node:assert/strict')
const http = require('node:http')
const https = require('node:https')
const { randomBytes } = require('node:crypto')

const [base, images] = process.argv.slice(2)
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==', 'base64')

// The board's certificate is its own.
function ask (method, path, headers = {}, body = '') {
  return new Promise((resolve, reject) => {
    const client = base.startsWith('https') ? https : http
    const options = { method, headers, rejectUnauthorized: false, timeout: 10000, agent: false }
    const request = client.request(new URL(path, base), options, response => {
      const chunks = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }))
    })
    request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer`)))
    request.on('error', reject)
    request.end(body)
  })
}

function post (fields, image) {
  const boundary = randomBytes(12).toString('hex')
  const part = (head, content) => [`--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n\r\n`, content, '\r\n']
  const parts = Object.entries(fields).flatMap(([name, value]) => part(`name="${name}"`, value))
  if (image) parts.push(...part('name="image"; filename="dot.png"\r\ncontent-type: image/png', image))
  const body = Buffer.concat([...parts, `--${boundary}--\r\n`].map(piece => Buffer.from(piece)))
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': body.length }
  return ask('POST', '/post', headers, body)
}

async function main () {
  const text = `it works <${randomBytes(6).toString('hex')}>`
  const first = await post({ name: 'alice#secret', text }, PNG)
  assert.equal(first.status, 303, first.body.toString())
  const thread = first.headers.location
  const number = thread.match(/^\/thread\/(\d+)$/)[1]
  console.log('posts')

  assert.equal((await post({ name: '', thread: number, text: 'a reply' })).headers.location, thread)
  const page = (await ask('GET', thread)).body.toString()
  assert.equal(page.match(/<article/g).length, 2)
  assert.match(page, /<b>Anonymous<\/b><i><\/i>/)
  assert.ok(page.includes(text.replace('<', '&lt;').replace('>', '&gt;')))
  console.log('replies')

  assert.match(page, /<b>alice<\/b><i>!gE5thUc5Fi<\/i>/)
  console.log('tripcode')

  const path = page.match(/<img src="([^"]+)"/)[1]
  if (images) {
    const image = await ask('GET', path)
    assert.equal(image.headers['content-type'], 'image/png')
    assert.deepEqual(image.body, PNG)
    console.log('image')
    assert.match((await ask('GET', '/static/style.css')).body.toString(), /article/)
    console.log('static')
  }

  // Not through nginx, which answers and hangs up before it has all of it.
  if (!images) assert.equal((await post({ name: 'x', text: 'y' }, Buffer.alloc(5 << 20))).status, 415)
  assert.equal((await ask('GET', '/thread/999999')).status, 404)
  assert.match((await ask('GET', '/')).body.toString(), /<article/)
  console.log('index')
}

// Node.js ends with 0 when nothing is left to wait for, be it an answer that broke off in the middle.
process.exitCode = 1
main().then(() => { process.exitCode = 0 }, error => console.error(error.message))
