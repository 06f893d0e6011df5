import { Type, type TObject } from 'typebox'

const descriptions = {
  'idempotency-key': '1 to 255 visible characters; makes repeating harmless',
  'if-none-match': 'Versions that the caller has, as ETag said them',
  'if-range': 'The version that Range is a part of',
  'last-event-id': 'Id of the last event that was seen',
  prefer: 'wait=SECONDS, at most 55',
  range: 'One range of bytes'
}

/** Headers that an operation reads: for the document alone, they are checked where they are read. */
export const readsHeaders = (...names: (keyof typeof descriptions)[]): TObject =>
  Type.Object(Object.fromEntries(names.map(name => [name, Type.Optional(Type.String({ description: descriptions[name] }))])))
