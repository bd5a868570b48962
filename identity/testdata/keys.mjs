// Writes keys.json: keys and signatures, good and bad, with what the reference implementation
// says of each. After the real PDS of e2e/realpds is installed:
//
//   node identity/testdata/keys.mjs e2e/realpds/node_modules > identity/testdata/keys.json
//
// Private keys come from hashes and signatures are deterministic, so it writes the same each time.
import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const load = (file) => import(pathToFileURL(resolve(join(process.argv[2], file))))
const crypto = await load('@atproto/crypto/dist/index.js')
const { getDidKeyFromMultibase } = await load('@atproto/identity/dist/did/atproto-data.js')
const { p256 } = await load('@noble/curves/p256.js')
const { secp256k1 } = await load('@noble/curves/secp256k1.js')

const curves = [
  { name: 'P-256', curve: p256, keypair: crypto.P256Keypair, codec: [0x80, 0x24], type: 'EcdsaSecp256r1VerificationKey2019' },
  { name: 'K-256', curve: secp256k1, keypair: crypto.Secp256k1Keypair, codec: [0xe7, 0x01], type: 'EcdsaSecp256k1VerificationKey2019' },
]

const hash = (text) => new Uint8Array(createHash('sha256').update(text).digest())
const bytes = (number) => Buffer.from(number.toString(16).padStart(64, '0'), 'hex')
const number = (b) => BigInt('0x' + Buffer.from(b).toString('hex'))
const multibase = (...parts) => crypto.bytesToMultibase(Buffer.concat(parts.map((p) => Buffer.from(p))), 'base58btc')


function inverse(a, n) {
  let [r, s, x, y] = [a, n, 1n, 0n]
  while (s > 0n) [r, s, x, y] = [s, r % s, y, x - (r / s) * y]
  return ((x % n) + n) % n
}

const keys = []
const signatures = []

// What the reference makes of a key: its did:key, or null.
function key(name, type, publicKeyMultibase) {
  let didKey = null
  try {
    didKey = getDidKeyFromMultibase({ type, publicKeyMultibase }) ?? null
  } catch {}
  keys.push({ name, type, publicKeyMultibase, didKey })
}

async function signature(name, didKey, message, sig) {
  const says = async (opts) => {
    try {
      return await crypto.verifySignature(didKey, message, sig, opts)
    } catch {
      return false
    }
  }
  signatures.push({
    name, didKey, message: Buffer.from(message).toString('base64'), signature: Buffer.from(sig).toString('base64'),
    valid: await says({}), validEitherS: await says({ allowMalleableSig: true }),
  })
}

for (const { name, curve, keypair, codec, type } of curves) {
  const n = curve.CURVE.n
  const field = curve.CURVE.p ?? curve.CURVE.Fp.ORDER
  for (let i = 0; i < 8; i++) {
    const pair = await keypair.import(hash(`${name} key ${i}`))
    const other = await keypair.import(hash(`${name} other key ${i}`))
    const point = curve.ProjectivePoint.fromHex(pair.publicKeyBytes())
    const small = point.toRawBytes(true)
    const full = point.toRawBytes(false)

    key(`${name} Multikey ${i}`, 'Multikey', multibase(codec, small))
    key(`${name} of older documents, in full ${i}`, type, multibase(full))
    key(`${name} of older documents, compressed ${i}`, type, multibase(small))

    const message = hash(`message ${i}`).subarray(0, 4 * i) // an empty one, too
    const sig = await pair.sign(message)
    const r = sig.subarray(0, 32)
    const s = sig.subarray(32)
    const high = Buffer.concat([r, bytes(n - number(s))])
    const is = (what) => `${name} ${what} ${i}`
    await signature(is('good'), pair.did(), message, sig)
    await signature(is('the greater s'), pair.did(), message, high)
    await signature(is('of another key'), other.did(), message, sig)
    await signature(is('of another message'), pair.did(), Buffer.concat([message, Buffer.of(0)]), sig)
    const flipped = Buffer.from(sig)
    flipped[4 * i + 1] ^= 1
    await signature(is('one bit is another'), pair.did(), message, flipped)
    if (i > 0) continue

    key(is('in full in a Multikey'), 'Multikey', multibase(codec, full))
    key(is('without its codec in a Multikey'), 'Multikey', multibase(small))
    key(is('of the other curve by its type'), curves.find((c) => c.name !== name).type, multibase(full))
    key(is('cut short'), 'Multikey', multibase(codec, small.subarray(0, 32)))
    key(is('too long'), 'Multikey', multibase(codec, small, [0]))
    key(is('the point at infinity'), type, multibase([0]))
    key(is('zero in full'), type, multibase([4], new Uint8Array(64)))
    key(is('not on the curve'), type, multibase(full.subarray(0, 64), [full[64] ^ 1]))
    key(is('hybrid'), type, multibase([6 + (full[64] & 1)], full.subarray(1)))
    key(is('x is the order of the field'), 'Multikey', multibase(codec, [2], bytes(field)))
    key(is('x is the greatest there is'), 'Multikey', multibase(codec, [3], new Uint8Array(32).fill(255)))
    key(is('another first byte'), 'Multikey', multibase(codec, [5], small.subarray(1)))
    // Half of all x have no point.
    for (let x = 1n; ; x++) {
      const bare = Buffer.concat([Buffer.of(2), bytes(x)])
      try {
        curve.ProjectivePoint.fromHex(bare).assertValidity()
      } catch {
        key(is('x without a point'), 'Multikey', multibase(codec, bare))
        break
      }
    }

    // A key that made a signature whose s is 5, so that the order of the curve can be added to it
    // within 32 bytes: found from s, a nonce and the message.
    const nonce = number(hash(`${name} nonce`)) % n
    const smallR = curve.ProjectivePoint.BASE.multiply(nonce).toAffine().x % n
    const secret = (n + ((5n * nonce - number(hash(message))) % n)) * inverse(smallR, n) % n
    const owner = await keypair.import(bytes(secret))
    await signature(is('a small s'), owner.did(), message, Buffer.concat([bytes(smallR), bytes(5n)]))
    await signature(is('a small s and the order'), owner.did(), message, Buffer.concat([bytes(smallR), bytes(5n + n)]))
    await signature(is('r is zero'), pair.did(), message, Buffer.concat([bytes(0n), s]))
    await signature(is('s is zero'), pair.did(), message, Buffer.concat([r, bytes(0n)]))
    await signature(is('zeros'), pair.did(), message, new Uint8Array(64))
    await signature(is('r is the order'), pair.did(), message, Buffer.concat([bytes(n), s]))
    await signature(is('s is the order'), pair.did(), message, Buffer.concat([r, bytes(n)]))
    await signature(is('r and s are the greatest there are'), pair.did(), message, new Uint8Array(64).fill(255))
    await signature(is('empty'), pair.did(), message, new Uint8Array(0))
    await signature(is('63 bytes'), pair.did(), message, sig.subarray(0, 63))
    await signature(is('65 bytes'), pair.did(), message, Buffer.concat([sig, Buffer.of(0)]))
  }
}
key('Ed25519', 'Multikey', 'z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK')
key('no multibase', 'Multikey', '')
key('z alone', 'Multikey', 'z')
key('another base', 'Multikey', 'mgCQ')
key('a character that base58 has not', 'Multikey', 'zDnae0')
key('another type', 'JsonWebKey2020', keys[0].publicKeyMultibase)
key('the type in other letters', 'multikey', keys[0].publicKeyMultibase)

const rows = (list) => list.map((row) => '    ' + JSON.stringify(row)).join(',\n')
console.log(`{\n  "keys": [\n${rows(keys)}\n  ],\n  "signatures": [\n${rows(signatures)}\n  ]\n}`)
