#!/usr/bin/env node
// Real AT Protocol environment on loopback: PLC directory + @atproto/pds (OAuth provider + web UI).
// Usage: node start.mjs [--mode https|http] [--port N] [--plc-port N] [--ctl-port N]
//          [--out env.json] [--token-max-age MS] [--hostmap host:port=ip:port,...]
//          [--hostname pds.test] [--plc-url URL] [--san extra1,extra2] [--accounts alice,bob] [--rate-limits] [--blob-limit BYTES] [--log]
// Prints one JSON line on stdout when ready; stops on SIGTERM/SIGINT or when stdin closes (--stdin).
import { spawn, execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import http from 'node:http'
import https from 'node:https'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const major = Number(process.versions.node.split('.')[0])
if (major < 22 || !process.env.REALPDS_CHILD) {
  // Re-exec with the npm-installed node 22 and a clean env (logging is configured at import time).
  const bin = path.join(here, `node_modules/node-linux-${process.arch}/bin/node`)
  const exe = process.env.REALPDS_NODE ?? (major === 22 ? process.execPath : bin)
  const log = process.argv.includes('--log')
  const child = spawn(exe, process.argv.slice(1), {
    stdio: 'inherit',
    env: { ...process.env, REALPDS_CHILD: '1', LOG_ENABLED: log ? 'true' : 'false', LOG_LEVEL: 'info',
      LOG_DESTINATION: process.env.LOG_DESTINATION ?? (log ? '2' : undefined) },
  })
  for (const s of ['SIGTERM', 'SIGINT']) process.on(s, () => child.kill(s))
  child.on('exit', (code, sig) => process.exit(sig ? 1 : code ?? 0))
} else {
  await main()
}

function arg(name, dflt) {
  const i = process.argv.indexOf('--' + name)
  if (i < 0) return dflt
  const v = process.argv[i + 1]
  return v === undefined || v.startsWith('--') ? true : v
}

async function main() {
  const t0 = Date.now()
  const mode = arg('mode', 'https')
  const hostname = mode === 'http' ? 'localhost' : arg('hostname', 'pds.test')
  const names = String(arg('accounts', 'alice,bob')).split(',')
  const tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'realpds-'))
  process.on('exit', () => fs.rmSync(tmp, { recursive: true, force: true })) // also when the start fails
  const hex = (n) => randomBytes(n).toString('hex')
  const adminPassword = hex(8)

  // --- outgoing name resolution of the PDS process: host:port -> ip:port -------------------
  const undici = await import('undici6') // must be the major that node 22 bundles
  const hostmap = new Map()
  const setHostmap = (o) => { for (const [k, v] of Object.entries(o)) hostmap.set(k, v) }
  for (const kv of String(arg('hostmap', '')).split(',').filter(Boolean)) setHostmap({ [kv.split('=')[0]]: kv.split('=')[1] })
  let caPem
  const connector = (opts, cb) => {
    const port = Number(opts.port) || (opts.protocol === 'https:' ? 443 : 80)
    const to = hostmap.get(`${opts.hostname}:${port}`)
    const real = undici.buildConnector({ ca: caPem ? [caPem] : undefined })
    if (!to) {
      if (!['localhost', '127.0.0.1'].includes(opts.hostname)) return cb(new Error(`realpds: no hostmap entry for ${opts.hostname}:${port}`))
      return real(opts, cb)
    }
    const [h, p] = to.split(':')
    return real({ ...opts, hostname: h, port: p, servername: opts.servername || opts.hostname }, cb)
  }
  const agent = new undici.Agent({ connect: connector })
  undici.setGlobalDispatcher(agent)
  // fetch-node >= 0.4 always passes its own dispatcher: replace it for mapped hosts only.
  const origFetch = globalThis.fetch
  globalThis.fetch = function (input, init) {
    const u = new URL(input instanceof Request ? input.url : String(input))
    const mapped = hostmap.has(`${u.hostname}:${u.port || (u.protocol === 'https:' ? 443 : 80)}`)
    return origFetch.call(this, input, mapped ? { ...init, dispatcher: agent } : init)
  }

  // --- PLC directory (in memory) -----------------------------------------------------------
  // (--plc-url shares the directory of another instance)
  let plcServer, plcUrl = arg('plc-url', null)
  if (!plcUrl) {
    const require = createRequire(import.meta.url)
    const plc = require('@did-plc/server')
    plcServer = plc.PlcServer.create({ db: plc.Database.mock(), port: Number(arg('plc-port', 0)) })
    loopback(plcServer.app)
    const plcHttp = await plcServer.start()
    plcUrl = `http://localhost:${plcHttp.address().port}`
  }

  // --- PDS -----------------------------------------------------------------------------------
  const { PDS, envToCfg, envToSecrets } = await import('@atproto/pds')
  let port = Number(arg('port', 0))
  if (mode === 'http' && !port) port = await freePort()
  const env = {
    devMode: mode === 'http', // only needed for a http: issuer
    disableSsrfProtection: true, // client metadata is fetched from loopback addresses
    port: mode === 'http' ? port : 0,
    hostname,
    dataDirectory: tmp,
    blobstoreDiskLocation: path.join(tmp, 'blobs'),
    blobstoreDiskTmpLocation: path.join(tmp, 'blobs-tmp'),
    adminPassword,
    jwtSecret: hex(16),
    dpopSecret: hex(32),
    plcRotationKeyK256PrivateKeyHex: '00' + hex(31),
    didPlcUrl: plcUrl,
    serviceHandleDomains: ['.test'],
    inviteRequired: false,
    rateLimitsEnabled: !!arg('rate-limits', false),
    blobUploadLimit: arg('blob-limit', null) ? Number(arg('blob-limit')) : undefined,
    serviceName: 'Real Test PDS',
    contactEmailAddress: 'admin@pds.test',
  }
  const cfg = envToCfg(env)
  const pds = await PDS.create(cfg, envToSecrets(env))
  loopback(pds.app)
  const pdsHttp = await pds.start()
  const oauth = pds.ctx.oauthProvider
  const token = oauth.token.bind(oauth)
  oauth.token = (credentials, metadata, request, ...rest) => {
    const grant = request?.grant_type ?? 'unknown'
    stats.grants[grant] = (stats.grants[grant] ?? 0) + 1
    return token(credentials, metadata, request, ...rest)
  }
  const tokenMaxAge = arg('token-max-age', null)
  if (tokenMaxAge) oauth.tokenManager.tokenMaxAge = Number(tokenMaxAge)

  // client metadata and JWKS are cached for 10 minutes; bump clientGen to force a re-fetch of each
  let clientGen = 0
  for (const g of [oauth.clientManager.jwks, oauth.clientManager.metadataGetter]) {
    const orig = g.get.bind(g), seen = new Map()
    g.get = (k, o) => { const noCache = seen.get(k) !== clientGen; seen.set(k, clientGen); return orig(k, { ...o, ...(noCache && { noCache }) }) }
  }

  // permission sets that tests publish, in place of those on the network
  const permissionSets = new Map()
  const lexicons = oauth.lexiconManager.lexiconGetter, getLexicon = lexicons.get.bind(lexicons)
  lexicons.get = async (nsid, o) => permissionSets.has(nsid) ? { lexicon: permissionSets.get(nsid) } : getLexicon(nsid, o)

  // --- TLS front (vhosts) ---------------------------------------------------------------------
  const faults = [] // {path, kind: status|drop|slow, status, ms, n}
  const stats = { requests: {}, grants: {} } // what arrived at the front, by path and by grant type
  const docs = new Map() // url -> {type, body}: client metadata / jwks hosted for tests
  let tlsPort, caFile
  if (mode === 'https') {
    const sans = ['pds.test', hostname, ...names.map((n) => n + '.test'), 'plc.test', 'plc.directory', 'app.test',
      'app.realpds-client.net', 'localhost', ...String(arg('san', '')).split(',').filter(Boolean)]
    const { key, cert, ca } = makeCerts(path.join(tmp, 'tls'), [...new Set(sans)])
    caFile = ca
    caPem = fs.readFileSync(ca, 'utf8')
    const front = https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, async (req, res) => {
      const host = (req.headers.host || '').replace(/:\d+$/, '')
      const pathname = req.url.replace(/\?.*/, '')
      stats.requests[pathname] = (stats.requests[pathname] ?? 0) + 1
      const fault = faults.find((f) => req.url.startsWith(f.path) && f.n > 0)
      if (fault) {
        fault.n--
        if (fault.kind === 'status') return res.writeHead(Number(fault.status ?? 503)).end('injected fault')
        if (fault.kind === 'slow') await new Promise((r) => setTimeout(r, Number(fault.ms ?? 1000)))
        if (fault.kind === 'drop') res.writeHead = res.write = res.end = () => (res.destroy(), res) // processed, answer lost
      }
      if (plcServer && (host === 'plc.test' || host === 'plc.directory')) return plcServer.app(req, res)
      const doc = docs.get(`https://${host}${req.url}`)
      if (doc) return res.writeHead(doc.status ?? 200, { 'content-type': doc.type ?? 'application/json' }).end(doc.body)
      if (host === hostname || host.endsWith('.test') && host !== 'app.test') return pds.app(req, res)
      res.writeHead(404).end('no such vhost/doc: ' + host + req.url)
    })
    front.on('upgrade', (...a) => pdsHttp.emit('upgrade', ...a))
    await new Promise((r) => front.listen(port, '127.0.0.1', r))
    tlsPort = front.address().port
    for (const s of sans) if (!hostmap.has(`${s}:443`)) hostmap.set(`${s}:443`, `127.0.0.1:${tlsPort}`)
  }

  // --- accounts --------------------------------------------------------------------------------
  const direct = `http://127.0.0.1:${pdsHttp.address().port}`
  const accounts = {}
  for (const n of names) accounts[n] = await createAccount(n)
  async function createAccount(n) {
    const a = { handle: `${n}.test`, email: `${n}@mail.test`, password: `${n}-pw-${hex(4)}` }
    const r = await fetch(`${direct}/xrpc/com.atproto.server.createAccount`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(a) })
    const j = await r.json()
    if (!r.ok) throw new Error('createAccount: ' + JSON.stringify(j))
    return { ...a, did: j.did, didDoc: j.didDoc }
  }

  // --- control endpoint --------------------------------------------------------------------------
  const ctl = http.createServer(async (req, res) => {
    const u = new URL(req.url, 'http://x')
    let body = ''
    for await (const c of req) body += c
    const ok = (o) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(o ?? { ok: true }))
    try {
      switch (u.pathname) {
        case '/hostmap': setHostmap(JSON.parse(body)); return ok(Object.fromEntries(hostmap))
        case '/doc': docs.set(u.searchParams.get('url'), { body, type: u.searchParams.get('type') ?? 'application/json',
          status: Number(u.searchParams.get('status') ?? 200) }); return ok()
        case '/token-max-age': oauth.tokenManager.tokenMaxAge = Number(u.searchParams.get('ms')); return ok()
        case '/rotate-nonce': { const d = oauth.dpopManager; d.dpopNonce = new d.dpopNonce.constructor(); return ok() }
        case '/account': return ok(await createAccount(u.searchParams.get('name')))
        case '/fault': faults.push({ n: 1, ...Object.fromEntries(u.searchParams) }); return ok()
        case '/revoke-all': { // out-of-band revocation of every OAuth session of an account
          const toks = await oauth.tokenManager.listAccountTokens(u.searchParams.get('did'))
          for (const t of toks) await oauth.tokenManager.deleteToken(t.id)
          return ok({ revoked: toks.length })
        }
        case '/expire-requests': // as if every pushed request had waited for too long
          await pds.ctx.accountManager.db.db.updateTable('authorization_request')
            .set({ expiresAt: new Date(Date.now() - 1000).toISOString() }).execute()
          return ok()
        case '/permission-set': { const set = JSON.parse(body); permissionSets.set(set.id, set); return ok() }
        case '/clear-client-cache': clientGen++; return ok()
        case '/stats': return ok(stats)
        default: res.writeHead(404).end()
      }
    } catch (e) { res.writeHead(500).end(String(e?.stack ?? e)) }
  })
  await new Promise((r) => ctl.listen(Number(arg('ctl-port', 0)), '127.0.0.1', r))

  const out = {
    mode, issuer: cfg.oauth.issuer, publicUrl: cfg.service.publicUrl, serviceDid: cfg.service.did,
    plcUrl, pdsDirect: direct, tlsAddr: tlsPort ? `127.0.0.1:${tlsPort}` : undefined, caFile,
    hostmap: Object.fromEntries(hostmap), control: `http://127.0.0.1:${ctl.address().port}`,
    adminPassword, accounts, dataDirectory: tmp, node: process.version, startupMs: Date.now() - t0, pid: process.pid,
  }
  if (arg('out')) fs.writeFileSync(arg('out'), JSON.stringify(out, null, 2))
  console.log(JSON.stringify(out))

  const stop = async () => {
    setTimeout(() => process.exit(1), 4000).unref()
    await pds.destroy().catch(() => {})
    await plcServer?.destroy()?.catch(() => {})
    fs.rmSync(tmp, { recursive: true, force: true })
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (arg('stdin')) process.stdin.resume().on('end', stop)
}

// express app.listen(port) binds every interface; force 127.0.0.1
function loopback(app) {
  const listen = app.listen
  app.listen = (p, ...rest) => listen.call(app, p, '127.0.0.1', ...rest)
}
function freePort() {
  return new Promise((r) => { const s = http.createServer().listen(0, '127.0.0.1', () => { const p = s.address().port; s.close(() => r(p)) }) })
}
function makeCerts(dir, sans) {
  fs.mkdirSync(dir, { recursive: true })
  const f = (n) => path.join(dir, n)
  const o = (...a) => execFileSync('openssl', a, { stdio: 'pipe' })
  o('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', f('ca.key'), '-out', f('ca.pem'),
    '-days', '30', '-subj', '/CN=realpds test CA', '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign')
  o('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', f('leaf.key'), '-out', f('leaf.csr'), '-subj', '/CN=pds.test')
  fs.writeFileSync(f('ext'), `subjectAltName=${sans.map((s) => 'DNS:' + s).join(',')},IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`)
  o('x509', '-req', '-in', f('leaf.csr'), '-CA', f('ca.pem'), '-CAkey', f('ca.key'), '-CAcreateserial', '-out', f('leaf.pem'), '-days', '30', '-extfile', f('ext'))
  return { key: f('leaf.key'), cert: f('leaf.pem'), ca: f('ca.pem') }
}
