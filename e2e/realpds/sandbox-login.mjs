// Logs the TypeScript client in at a sandbox that `atproto sandbox --json` runs, and calls it:
//
//   atproto sandbox --json > sandbox.json &
//   node sandbox-login.mjs sandbox.json alice.test
//
// What a test in another language needs is here in full: the names of the sandbox lead to where its document says, and its
// certificate authority is trusted.
import { readFile } from 'node:fs/promises'
import { NodeOAuthClient } from '@atproto/oauth-client-node'
import { Agent, buildConnector, fetch as undiciFetch } from 'undici6'

const [, , file, handle] = process.argv
const sandbox = JSON.parse(await readFile(file, 'utf8'))

// A fetch into the sandbox.
const connect = buildConnector({ ca: sandbox.ca })
const dispatcher = new Agent({
  connect(options, done) {
    const place = sandbox.hosts[`${options.hostname}:${options.port || 443}`]
    if (!place) return done(new Error(`${options.hostname} is not in the sandbox`), null)
    const [hostname, port] = place.split(':')
    connect({ ...options, servername: options.hostname, hostname, port }, done)
  },
})
const fetch = async (input, init) => {
  const request = new Request(input, init)
  const body = request.body && Buffer.from(await request.arrayBuffer())
  const answer = await undiciFetch(request.url, { method: request.method, headers: [...request.headers], body, redirect: request.redirect, signal: request.signal, dispatcher })
  const response = new Response([101, 204, 205, 304].includes(answer.status) ? null : await answer.arrayBuffer(), { status: answer.status, statusText: answer.statusText, headers: [...answer.headers] })
  Object.defineProperty(response, 'url', { value: answer.url })
  return response
}

class Memory {
  values = new Map()
  get = (key) => this.values.get(key)
  set = (key, value) => void this.values.set(key, value)
  del = (key) => void this.values.delete(key)
}

// A client for development: its ID says where logins end, and what they may ask for.
const redirect = 'http://127.0.0.1/callback'
const scope = 'atproto transition:generic'
const client = new NodeOAuthClient({
  clientMetadata: {
    client_id: `http://localhost?redirect_uri=${encodeURIComponent(redirect)}&scope=${encodeURIComponent(scope)}`,
    redirect_uris: [redirect],
    scope,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    dpop_bound_access_tokens: true,
  },
  stateStore: new Memory(),
  sessionStore: new Memory(),
  handleResolver: sandbox.pds,
  plcDirectoryUrl: sandbox.plc,
  requestLock: async (_name, work) => work(),
  fetch,
})

// The user's part: the page for signing in, and its form.
const login = await client.authorize(handle)
const account = sandbox.accounts.find((account) => account.handle === handle)
const answer = await globalThis.fetch(sandbox.sign_in, {
  method: 'POST',
  redirect: 'manual',
  body: new URLSearchParams({
    client_id: login.searchParams.get('client_id'),
    request_uri: login.searchParams.get('request_uri'),
    username: account.handle,
    password: account.password,
    answer: 'allow',
  }),
})
const { session } = await client.callback(new URL(answer.headers.get('location')).searchParams)

const call = async (nsid, init) => {
  const response = await session.fetchHandler(`/xrpc/${nsid}`, init)
  if (!response.ok) throw new Error(`${nsid}: ${response.status} ${await response.text()}`)
  return response.json()
}
const me = await call('com.atproto.server.getSession')
console.log('logged in as', me.handle)
const record = { $type: 'app.bsky.feed.post', text: 'Hello from TypeScript', createdAt: new Date().toISOString() }
const created = await call('com.atproto.repo.createRecord', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ repo: session.did, collection: record.$type, record }),
})
console.log('created', created.uri)
const again = await client.restore(session.did, true) // refreshes
console.log('refreshed', again.did === session.did)
await again.signOut()
console.log('logged out', await client.restore(session.did).then(() => false, () => true))
process.exit(0)
