import { readFileSync } from 'node:fs'

type Written = string | { repeat: string, times: number }

const read = <T>(file: string) => JSON.parse(readFileSync(new URL(`../corpus/${file}`, import.meta.url), 'utf8')) as T
const textOf = (value: Written) => typeof value === 'string' ? value : value.repeat.repeat(value.times)

const hostile = read<{ refused: Record<string, Written[]>, watched: Record<string, Written[]> }>('hostile-values.json')

/** What no text of any diagnostic takes. */
export const refusedValues = Object.values(hostile.refused).flat().map(textOf)
/** What some take, and must bring to no tool as a place to talk to. */
export const watchedValues = Object.values(hostile.watched).flat().map(textOf)
/** What each is taken somewhere. */
export const goodValues = Object.values(read<{ values: Record<string, string[]> }>('good-values.json').values).flat()
