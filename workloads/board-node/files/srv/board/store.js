'use strict'
// Posts in MariaDB, through Debian's node-mysql. A reply has its thread's number, a first post its own.
const mysql = require('mysql')
const { promisify } = require('node:util')

const TABLE = `create table if not exists post (
  id int auto_increment primary key, thread int not null default 0, nick varchar(60) not null, trip varchar(12) not null,
  text varchar(2000) not null, image varchar(80) not null, posted timestamp not null default current_timestamp,
  key (thread)) engine=innodb default charset=utf8mb4`

exports.Store = class {
  constructor (url) {
    this.pool = mysql.createPool(url + '?charset=utf8mb4&connectionLimit=4&connectTimeout=2000')
    this.query = promisify(this.pool.query).bind(this.pool)
    this.ready = null
  }

  // Asked again for as long as the database is not there: it may start after the board, or again.
  async table () {
    this.ready ??= this.query(TABLE)
    try { await this.ready } catch (error) { this.ready = null; throw error }
  }

  async add (post) {
    await this.table()
    const { insertId } = await this.query('insert into post set ?', post)
    if (!post.thread) await this.query('update post set thread = id where id = ?', [insertId])
    return post.thread || insertId
  }

  async threads () {
    await this.table()
    return this.query('select * from post where thread = id order by id desc limit 50')
  }

  async thread (number) {
    await this.table()
    return this.query('select * from post where thread = ? order by id', [number])
  }

  close () { return promisify(this.pool.end).bind(this.pool)() }
}
