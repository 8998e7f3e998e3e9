'use strict'
const http = require('node:http')
const { read } = require('./form')
const { page } = require('./pages')
const { Store } = require('./store')
const { identify } = require('./tripcode')

const { DATABASE, TRIP_SECRET, IMAGES = '/srv/images', PORT = '3000' } = process.env
const store = new Store(DATABASE)

async function post (request, response) {
  const form = await read(request, IMAGES)
  if (!form.text) throw Object.assign(new Error('say something'), { status: 400 })
  const { nick, trip } = identify(form.name || '', TRIP_SECRET)
  const thread = await store.add({ thread: Number(form.thread) || 0, nick, trip, text: form.text, image: form.image })
  response.writeHead(303, { location: `/thread/${thread}` }).end()
}

async function show (rows, thread, response) {
  if (thread && !rows.length) throw Object.assign(new Error('no such thread'), { status: 404 })
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page(rows, thread))
}

async function answer (request, response) {
  const [, thread] = request.url.match(/^\/thread\/(\d+)$/) || []
  if (request.method === 'POST' && request.url === '/post') return post(request, response)
  if (thread) return show(await store.thread(Number(thread)), Number(thread), response)
  if (request.url === '/') return show(await store.threads(), 0, response)
  throw Object.assign(new Error('not found'), { status: 404 })
}

const server = http.createServer((request, response) => {
  answer(request, response).catch(error => {
    if (!error.status) console.error(error.message)
    response.writeHead(error.status || 503, { connection: 'close' }).end(`${error.message}\n`)
  })
})
server.listen(Number(PORT), () => console.log(`listening on ${PORT}`))

process.once('SIGTERM', () => {
  server.close(() => store.close().finally(() => process.exit(0)))
  server.closeIdleConnections()
})
