'use strict'
// "alice#secret" is alice, who alone can make her tripcode: a keyed hash of what follows the #.
const { createHmac } = require('node:crypto')

exports.identify = (name, key) => {
  const [nick, secret] = name.split(/#(.*)/s)
  if (!secret) return { nick: nick || 'Anonymous', trip: '' }
  const digest = createHmac('sha256', key).update(secret).digest('base64')
  return { nick: nick || 'Anonymous', trip: '!' + digest.replace(/[+/]/g, '.').slice(0, 10) }
}
