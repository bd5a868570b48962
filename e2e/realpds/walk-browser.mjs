#!/usr/bin/env node
// Walk through pages in headless Chromium, as a list of steps says.
// node walk-browser.mjs --steps '[{"do":"goto","url":"…"},…]' [--env env.json] [--map host=127.0.0.1:port,…] [--shots dir] [--pictures dir]
// Steps, each in the tab that the last "tab" named (0 at first):
//   {do: tab, n}                     goes to another tab, and opens it if need be
//   {do: goto, url}                  opens a page
//   {do: back}                       presses the button that goes back
//   {do: fill, at, with}             fills a field in; {do: file, at, name, type, with} gives it a file, data is one in base64
//   {do: click, at}                  clicks; {do: dblclick, at} twice
//   {do: signIn, identifier, password, back}  signs in and agrees at a server, until the browser is at a URL that begins with back
//   {do: deny, identifier, password, back}    does not agree
//   {do: size, n}                    makes the window n pixels wide, as high as that of a telephone or of a desk
//   {do: dark, n}                    makes it night, 0 day
//   {do: plain}                      goes on in a browser without JavaScript that has the same cookies; its tab is 0
//   {do: save, at}                   clicks on what is to be saved, not shown, and notes the file's name
//   {do: tell, url}                  asks a URL, outside of the browser
//   {do: see, at}                    waits for an element and notes its text
//   {do: run, code}                  runs code in the page and notes what it returns
//   {do: axe}                        notes what axe-core finds wrong with the page, "" for nothing
//   {do: complaints}                 notes what the browser has complained about on the first page's site, such as what a policy forbids
//   {do: shot, name}                 takes a picture of the window into the folder of --pictures
//   {do: shown}                      notes the pages that were shown since the last time, without their queries
//   {do: cookies}                    notes the names of the cookies of the first page's host
// Prints one JSON line {noted: […]}, or {error, at, noted, body}.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
const arg = (n, d) => { const i = process.argv.indexOf('--' + n); return i < 0 ? d : process.argv[i + 1] }
const steps = JSON.parse(arg('steps')), shots = arg('shots'), pictures = arg('pictures')
const env = arg('env') ? JSON.parse(fs.readFileSync(arg('env'), 'utf8')) : { hostmap: {} }
// The first rule for a host is the one that counts.
const rules = [...arg('map', '').split(',').filter(Boolean).map((m) => 'MAP ' + m.replace('=', ' ')),
  ...Object.entries(env.hostmap).filter(([h]) => !h.startsWith('localhost')).map(([h, a]) => `MAP ${h.replace(/:443$/, '')} ${a}`),
  'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1', 'EXCLUDE localhost']
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--host-resolver-rules=${rules.join(',')}`] })
const noted = []
let page, tabs = [], complaints = [], shown = [], n = 0, first, now
try {
  const settings = { ignoreHTTPSErrors: true, locale: 'en-US', acceptDownloads: true }
  let ctx = await browser.newContext(settings)
  const tab = async (i) => {
    if (!tabs[i]) {
      tabs[i] = await ctx.newPage()
      tabs[i].setDefaultTimeout(20000)
      const complain = (text) => { if (tabs[i].url().startsWith(new URL(first).origin)) complaints.push(text) }
      tabs[i].on('console', (m) => { if (m.type() === 'error') complain(m.text()) })
      tabs[i].on('pageerror', (e) => complain(String(e)))
      tabs[i].on('response', (r) => {
        const q = r.request()
        const u = new URL(r.url())
        if (q.isNavigationRequest() && q.frame() === tabs[i].mainFrame() && r.status() < 300) shown.push(u.origin + u.pathname)
      })
    }
    page = tabs[i]
  }
  await tab(0)
  const accept = () => page.getByRole('button', { name: /^(authorize|accept|allow)/i }).first()
  const refuse = () => page.getByRole('button', { name: /^(deny|reject|cancel)/i }).first()
  const password = () => page.locator('input[type=password]').first()
  const choice = () => page.getByRole('button', { name: /^sign in$/i }).first()
  const axe = async () => {
    await page.evaluate(fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))
    const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }))
    return violations.map((v) => `${v.id}: ${v.help} (${v.nodes.map((n) => n.html.slice(0, 120)).join(', ')})`).join('\n')
  }
  const signIn = async (s) => {
    const back = () => page.waitForURL((u) => u.href.startsWith(s.back), { timeout: 30000 })
    for (let tries = 0; tries < 6; tries++) {
      let which = await Promise.race([
        back().then(() => 'back', () => 'late'),
        accept().waitFor({ timeout: 30000 }).then(() => 'consent', () => 'late'),
        password().waitFor({ timeout: 30000 }).then(() => 'password', () => 'late'),
        choice().waitFor({ timeout: 30000 }).then(() => 'choice', () => 'late'),
      ])
      if (which === 'back') return
      if (which === 'consent' && await password().count()) which = 'password' // both on one page
      if (which === 'late') throw new Error('the page is not understood')
      if (which === 'consent') {
        await (s.do === 'deny' ? refuse() : accept()).click()
        await back()
        return
      }
      if (which === 'password') {
        const user = page.locator('input[name=username], input[autocomplete=username]').first()
        if (await user.count() && await user.isEditable() && !(await user.inputValue())) await user.fill(s.identifier)
        await password().fill(s.password)
        // So that the server knows this browser again, as most do.
        const remember = page.getByRole('checkbox', { name: /remember/i })
        if (await remember.count()) await remember.first().check()
        await page.locator('form').filter({ has: password() }).getByRole('button', { name: /sign in|next|continue|allow/i }).first().click()
        await Promise.race([back(), accept().waitFor({ timeout: 30000 })])
      } else if (await password().count() === 0) await choice().click()
    }
    throw new Error('signing in does not end')
  }
  for (now of steps) {
    switch (now.do) {
      case 'tab': await tab(now.n ?? 0); break
      case 'goto': first ??= now.url; await page.goto(now.url, { waitUntil: 'domcontentloaded' }); break
      case 'back': await page.goBack({ waitUntil: 'domcontentloaded' }); break
      case 'size': await page.setViewportSize({ width: now.n, height: now.n < 500 ? 812 : 1040 }); break
      case 'dark': await page.emulateMedia({ colorScheme: now.n ? 'dark' : 'light' }); break
      case 'plain': ctx = await browser.newContext({ ...settings, javaScriptEnabled: false, storageState: await ctx.storageState() }); tabs = []; await tab(0); break
      case 'fill': await page.fill(now.at, now.with); break
      case 'file': await page.setInputFiles(now.at, { name: now.name, mimeType: now.type, buffer: now.data ? Buffer.from(now.data, 'base64') : Buffer.from(now.with) }); break
      case 'click': await page.click(now.at); break
      case 'dblclick': await page.dblclick(now.at); break
      case 'save': { const [d] = await Promise.all([page.waitForEvent('download'), page.click(now.at)]); noted.push(d.suggestedFilename()); break }
      case 'signIn': case 'deny': await signIn(now); break
      case 'axe': noted.push(await axe()); break
      case 'complaints': noted.push(complaints.join('\n')); complaints = []; break
      case 'shot': fs.mkdirSync(pictures, { recursive: true }); await page.screenshot({ path: `${pictures}/${now.name}.png` }); break
      case 'tell': { const r = await fetch(now.url, { method: 'POST' }); if (!r.ok) throw new Error(`${r.status}: ${await r.text()}`); break }
      case 'see': noted.push((await page.locator(now.at).first().innerText()).trim()); break
      case 'run': noted.push(await page.evaluate(now.code)); break
      case 'shown': noted.push(shown.join(' ')); shown = []; break
      case 'cookies': noted.push((await ctx.cookies(first)).map((c) => c.name.replace(/login-.*/, 'login-…')).sort().join(' ')); break
      default: throw new Error('no such step')
    }
    if (shots) { fs.mkdirSync(shots, { recursive: true }); await page.screenshot({ path: `${shots}/${++n}-${now.do}.png` }) }
  }
  console.log(JSON.stringify({ noted }))
} catch (e) {
  console.log(JSON.stringify({ error: String(e), at: JSON.stringify(now), noted, body: `${page?.url()}: ${(await page?.locator('body').innerText().catch(() => '') ?? '').slice(0, 600)}` }))
  process.exitCode = 1
} finally { await browser.close() }
process.exit()
