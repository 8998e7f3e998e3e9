'use strict'
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escape = text => String(text).replace(/[&<>"]/g, character => ENTITIES[character])

const form = thread => `<form method="post" action="/post" enctype="multipart/form-data">
<input type="hidden" name="thread" value="${thread}"><input name="name" placeholder="name#secret">
<textarea name="text" required></textarea><input type="file" name="image"><button>Post</button></form>`

const post = row => `<article id="p${row.id}"><b>${escape(row.nick)}</b><i>${escape(row.trip)}</i>
<a href="/thread/${row.thread}">${row.id}</a>${row.image && `<img src="/images/${row.image}">`}
<p>${escape(row.text)}</p></article>`

exports.page = (rows, thread) => `<!doctype html><meta charset="utf-8"><title>board</title>
<link rel="stylesheet" href="/static/style.css">${form(thread)}${rows.map(post).join('')}`
