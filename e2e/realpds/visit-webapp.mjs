#!/usr/bin/env node
// Visit examples/webapp on its sandbox in headless Chromium: log in by handle, post, log out.
// node visit-webapp.mjs --home http://127.0.0.1:8080 [--shots dir]
// Prints one JSON line {handle, post, loggedOut}.
import fs from 'node:fs'
import { chromium } from 'playwright-core'
const arg = (n) => { const i = process.argv.indexOf('--' + n); return i < 0 ? undefined : process.argv[i + 1] }
const home = arg('home'), shots = arg('shots')
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
try {
  const page = await browser.newPage({ viewport: { width: 720, height: 640 } })
  page.setDefaultTimeout(15000)
  let n = 0
  const shot = async (name) => { if (shots) { fs.mkdirSync(shots, { recursive: true }); await page.screenshot({ path: `${shots}/${++n}-${name}.png` }) } }
  await page.goto(home)
  await shot('login')
  await page.fill('input[name=identifier]', 'alice.test')
  await page.press('input[name=identifier]', 'Enter')
  await page.waitForURL('**/sign-in?**')
  const password = await page.locator('footer li', { hasText: 'alice.test' }).locator('code').textContent()
  await page.fill('input[name=password]', password)
  await shot('sign-in')
  await page.click('button[value=allow]')
  await page.waitForURL(home + '/')
  const handle = await page.textContent('h1')
  await page.fill('textarea', 'Hello from a browser')
  await page.getByRole('button', { name: 'Post' }).click()
  const post = (await page.textContent('article')).split('\n')[0]
  await shot('home')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.waitForSelector('input[name=identifier]')
  const loggedOut = (await page.context().cookies()).length === 0
  console.log(JSON.stringify({ handle, post, loggedOut }))
} finally {
  await browser.close()
}
