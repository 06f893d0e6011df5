import { readFileSync } from 'node:fs'

const folder = new URL('../analysis/recorded/', import.meta.url)

/** Outputs of real tools in pods of the lab. */
export const recordedBytes = (file: string): Buffer => readFileSync(new URL(file, folder))
export const recordedText = (file: string): string => recordedBytes(file).toString('utf8')
