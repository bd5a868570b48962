// The application. It calls methods under /xrpc/ on its own site, where the session is.

const collection = 'com.example.spa.file'
const $ = (id) => document.getElementById(id)

class CallError extends Error {
  constructor(status, { error, message }) {
    super(message || error)
    this.status = status
    this.name = error
  }
}

// call calls a method: by POST when there is a body.
async function call(method, query = {}, body, type = 'application/json') {
  const request = { headers: { 'Atproto-Web': '1' } } // for browsers without Sec-Fetch-Site
  if (body !== undefined) {
    request.method = 'POST'
    request.headers['Content-Type'] = type
    request.body = body
  }
  const answer = await fetch(`/xrpc/${method}?${new URLSearchParams(query)}`, request)
  const words = await answer.json()
  if (answer.ok) {
    sessionStorage.removeItem('reloaded')
    return words
  }
  if (words.error === 'SessionLost') logIn()
  throw new CallError(answer.status, words)
}

// logIn loads the page anew: the site brings a session back that was only lost on its way, or
// shows the login page. Should that not help, the user logs in by hand.
function logIn() {
  if (sessionStorage.getItem('reloaded')) {
    sessionStorage.removeItem('reloaded')
    location.assign('/login')
    return
  }
  sessionStorage.setItem('reloaded', 'yes')
  location.reload()
}

// A file of somebody's is shown only as a picture, or saved.
function item(did, { name, blob }) {
  const li = document.createElement('li')
  const link = document.createElement('a')
  link.href = `/xrpc/com.atproto.sync.getBlob?${new URLSearchParams({ did, cid: blob.ref.$link })}`
  link.download = name
  link.textContent = `${name} (${blob.mimeType}, ${blob.size} bytes)`
  li.append(link)
  if (blob.mimeType.startsWith('image/')) {
    const picture = new Image()
    picture.src = link.href
    picture.alt = name
    li.append(picture)
  }
  return li
}

async function show(did, handle) {
  const { records } = await call('com.atproto.repo.listRecords', { repo: did, collection, limit: 50 })
  $('whose').textContent = `Files of ${handle}`
  $('files').replaceChildren(...records.map(({ value }) => item(did, value)))
}

// on runs what a form is for, and says what went wrong.
function on(form, act) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    $('problem').textContent = ''
    try {
      await act(form.elements)
      form.reset()
    } catch (error) {
      $('problem').textContent = error.message
    }
  })
}

try {
  const me = await call('com.atproto.server.getSession')
  $('who').textContent = me.handle
  on($('keep'), async ({ file }) => {
    const [chosen] = file.files
    const { blob } = await call('com.atproto.repo.uploadBlob', {}, chosen, chosen.type || 'application/octet-stream')
    const record = { $type: collection, name: chosen.name, blob, createdAt: new Date().toISOString() }
    await call('com.atproto.repo.createRecord', {}, JSON.stringify({ repo: me.did, collection, record }))
    await show(me.did, me.handle)
  })
  on($('look'), async ({ handle }) => {
    const name = handle.value.trim().replace(/^@/, '')
    const { did } = await call('com.atproto.identity.resolveHandle', { handle: name })
    await show(did, name)
  })
  await show(me.did, me.handle)
} catch (error) {
  $('problem').textContent = error.message
}
