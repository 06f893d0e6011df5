import { Transform } from 'node:stream'

// Control and format characters without tab and line feed: what a tool prints may come from whoever it talked to, and must neither drive a
// terminal nor, by marks that turn the direction of text around, show other words than it holds.
const hidden = /(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

const show = (character: string) => {
  const code = character.codePointAt(0)!
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** Control characters made visible; a backslash that is not ours stays as it is. */
export const escapeText = (text: string): string => text.replace(hidden, show)

/** The same for bytes as they come: UTF-8, with what is not as U+FFFD. */
export function createTextEscape (): Transform {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return new Transform({
    transform (chunk: Buffer, _encoding, done) { done(null, escapeText(decoder.decode(chunk, { stream: true }))) },
    flush (done) { done(null, escapeText(decoder.decode())) }
  })
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
export const escapeHtml = (text: string): string => escapeText(text).replace(/[&<>"']/g, character => entities[character]!)

/** Text of others inside Markdown: no link, image, heading or table of its own making. */
export const escapeMarkdown = (text: string): string => escapeText(text).replaceAll('\n', ' ').replace(/[\\`*_{}[\]()<>#+!|~-]/g, '\\$&')
